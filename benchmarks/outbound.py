"""What the shop's border costs: queueing a decision, judging people, taking events in, delivering messages.

Protocol
- Two shops in an empty folder, `--people` customers each with one order and a yes to marketing, in Germany; a vendor in
  the United States with papers in order. The second shop has a webhook sink to a server on this machine.
- Queue: `--decisions` churn decisions one after another in each shop, in turns of 50; the medians are shown beside each
  other. Their difference is what a sink adds to a decision.
- Gate: everybody is judged at once for a file, three times; the best is shown per person.
- Intake: the guard over a batch of 500 events that name a country, without and with `[shop] region`.
- Delivery: everything that was queued is delivered to a server that answers 204; messages per second, all the work of
  judging, entering, signing, sending and marking included.

    python benchmarks/outbound.py
    python benchmarks/outbound.py --people 50 --decisions 100
"""

from __future__ import annotations

import argparse
import http.server
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tillwise.app import App, build_app
from tillwise.cli.init import create_shop
from tillwise.decisions.decision import Place, Request
from tillwise.events.event import Event
from tillwise.events.ingest import events_of, read_message
from tillwise.events.people import find_pseudonym, pseudonym_for
from tillwise.privacy import ledger
from tillwise.privacy.ledger import Consent, State
from tillwise.recipients.borders import load_borders
from tillwise.recipients.gate import About
from tillwise.recipients.intake import HomeGuard
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

VENDORS = """
[[vendor]]
name = "mail-tool"
role = "processor"
country = "US"
purposes = ["marketing"]
categories = ["user.unique_id", "user.behavior"]
agreement = { kind = "DPA", signed = 2026-01-01, expires = 2099-01-01 }
transfer = { mechanism = "scc", decision = "(EU) 2021/914" }
"""
TURN = 50


class Quiet(http.server.BaseHTTPRequestHandler):
    """Takes everything and answers 204."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def make(folder: Path, people: int, more: str = "") -> App:
    create_shop(folder)
    settings = folder / "tillwise.toml"
    settings.write_text(settings.read_text().replace('place = ""', 'place = "DE"') + more)
    (folder / "vendors.toml").write_text(VENDORS)
    app = build_app(folder)
    app.log.append(orders(app, people)).result()

    def work(transaction: Transaction) -> None:
        for person in range(people):
            who = pseudonym_for(transaction, app.secrets, f"u-{person}")
            said = Consent(who, Purpose.MARKETING, State.GIVEN, place="DE")
            ledger.record(transaction, said, app.clock.now())

    app.store.commit(work).result()
    return app


def orders(app: App, people: int) -> list[Event]:
    messages = [
        {"type": "track", "event": "Order Completed", "userId": f"u-{person}",
         "properties": {"order_id": f"o-{person}", "total": 9.9, "currency": "EUR", "country": "DE"}}
        for person in range(people)
    ]  # fmt: skip
    return events_of([read_message(message, received=app.clock.now()) for message in messages])


def decide(app: App, number: int, people: int) -> float:
    use_case = app.use_case("churn")
    request = Request(None, {}, subject=f"u-{number % people}", place=Place("DE"), deadline_ms=20_000)
    begun = time.perf_counter()
    assert app.road.decide(use_case, request, "k").recorded
    return (time.perf_counter() - begun) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=2_000)
    parser.add_argument("--decisions", type=int, default=2_000)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sink = f'\n[sinks.mail]\nvendor = "mail-tool"\nurl = "http://127.0.0.1:{server.server_address[1]}/"\n'
        plain = make(Path(folder) / "plain", asked.people)
        told = make(Path(folder) / "told", asked.people, sink + 'decisions = ["churn"]\n')
        times: dict[str, list[float]] = {"plain": [], "told": []}
        for start in range(0, asked.decisions, TURN):
            for name, app in (("plain", plain), ("told", told)):
                times[name] += [decide(app, number, asked.people) for number in range(start, start + TURN)]
        without, with_sink = (statistics.median(times[name]) for name in ("plain", "told"))
        print(f"decision, median         {without:9.0f} µs without a sink, {with_sink:.0f} µs with one")
        print(f"outbound gate            {gate(told, asked.people):9.1f} µs per person")
        for region in ("", "eu"):
            print(f"intake guard, region {region or '–':<3} {guard(told, region):9.2f} µs per event")
        begun, arrived = time.perf_counter(), 0
        while n := told.outbound.sinks.deliver(600.0)["mail"].arrived:
            arrived += n
        print(f"delivery                 {arrived / (time.perf_counter() - begun):9.0f} messages/s, {arrived} arrived")
        plain.close()
        told.close()
        server.shutdown()


def gate(app: App, people: int) -> float:
    best = float("inf")
    with app.store.snapshot() as snapshot:
        keys = [find_pseudonym(snapshot, app.secrets, f"u-{person}") for person in range(people)]
        about = [About(key, place="DE") for key in keys if key is not None]
        for _ in range(3):
            begun = time.perf_counter()
            asked = ("user.unique_id", "user.behavior.purchase_history")
            found = app.outbound.gate.may_send(snapshot, "mail-tool", Purpose.MARKETING, asked, about)
            best = min(best, time.perf_counter() - begun)
            assert len(found.people) == people
    return best / people * 1e6


def guard(app: App, region: str) -> float:
    events = orders(app, 500)
    home = HomeGuard(load_borders(), app.secrets, region)
    best = float("inf")
    with app.store.snapshot() as snapshot:
        for _ in range(20):
            begun = time.perf_counter()
            kept, _refused = home(snapshot, events)
            best = min(best, time.perf_counter() - begun)
            assert len(kept) == 500
    return best / 500 * 1e6


if __name__ == "__main__":
    main()
