"""Erase canary people from a large shop, then search every byte of every file for them.

    python benchmarks/erasure.py [--events 1000000] [--canaries 200] [--folder DIR] [--keep]

Protocol. A shop takes `--events` events through its own log, spread over 400 days of the log clock: people look, put
into carts, order and pay, some search. Among them are the canaries: each signs in from an anonymous visit, orders,
pays, uses a coupon of their own, searches, sends one message that breaks its declaration, gives a consent, and is
decided about; the decision is put before a reviewer and an outcome is told. A model is trained, segments are exported,
a file of scores is written into the shop's folder. Then, per canary, everything held is asked for (access), and the
answer is searched for what was planted. Then each is erased, one after another. At the end every file of the folder
(database, write-ahead log, segments, models, reports, snapshots, scores) is read, and every text of every canary (user
id, visitor id, mail, phone, name, order, coupon, search, device, card, message and request id) is looked for: as it is,
in capitals, lower case, UTF-16, hexadecimal, base64, MD5, SHA-1 and SHA-256, and so are the random keys they were known
by. The same search before the erasure must find them. The audit log is verified against a checkpoint taken before.

Prints times and counts; ends with 1 when a byte is left, an erasure takes longer than 60 seconds, an access longer than
10, a planted text is missing from an access, or the log does not verify.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from tillwise.app.build import App, build_app
from tillwise.audit.checkpoint import Signer
from tillwise.audit.extend import extend
from tillwise.audit.verify import verify
from tillwise.cli.init import create_shop
from tillwise.decisions import receipts
from tillwise.decisions.decision import Place, Request
from tillwise.errors import TillwiseError
from tillwise.events.ingest import read_message
from tillwise.events.log import EventLog
from tillwise.events.people import find_pseudonym, pseudonym_for
from tillwise.jobs import train
from tillwise.jobs.learning import Material
from tillwise.jobs.score import score
from tillwise.outcomes.outcomes import Outcome, append
from tillwise.privacy import ledger
from tillwise.privacy.ledger import Consent
from tillwise.review.queue import open_case
from tillwise.rights.asked import Asked
from tillwise.rights.entered import SOURCES
from tillwise.rights.request import Kind
from tillwise.rights.scan import forms, key_forms, scan
from tillwise.vocabulary.clock import LogClock, wall_now
from tillwise.vocabulary.purpose import Purpose

DAYS = 400
DAY = 86_400_000
BATCH = 2_000
EVENTS_PER_PERSON = 20
STORED = ("user", "visitor", "order", "coupon", "query")
"""What of a canary is stored as text and must be handed over; the rest is kept as keyed codes or not at all."""
ACCESS_LIMIT = 10.0
ERASURE_LIMIT = 60.0


def canary(number: int) -> dict[str, str]:
    """Return every text that leads to one canary."""
    return {
        "user": f"canary-user-{number:05d}", "visitor": f"canary-visitor-{number:05d}",
        "mail": f"canary.{number:05d}@example.org", "phone": f"+49305550{number:05d}",
        "name": f"Kanari Vogel{number:05d}",
        "order": f"canary-order-{number:05d}", "coupon": f"CANARY-COUPON-{number:05d}",
        "query": f"canary wish {number:05d}", "device": f"canary-device-{number:05d}",
        "card": f"canary-card-{number:05d}", "message": f"canary-message-{number:05d}",
        "request": f"canary-request-{number:05d}",
    }  # fmt: skip


def visit(number: int) -> list[dict[str, Any]]:
    """Return what one canary does."""
    t = canary(number)
    visitor, user = {"anonymousId": t["visitor"]}, {"userId": t["user"]}
    order = {"order_id": t["order"], "email": t["mail"], "currency": "EUR"}
    products = [{"product_id": f"p-{number % 500}", "quantity": 2, "price": 9.5}]
    traits = {"email": t["mail"], "phone": t["phone"], "name": t["name"], "country": "DE", "language": "de"}
    return [
        {"type": "track", "event": "Product Viewed", **visitor, "properties": {"product_id": f"p-{number % 500}"}},
        {"type": "identify", **visitor, **user, "traits": traits},
        {"type": "track", "event": "Products Searched", **user, "properties": {"query": t["query"]}},
        {"type": "track", "event": "Coupon Applied", **user,
         "properties": {"coupon_id": t["coupon"], "order_id": t["order"]}},
        {"type": "track", "event": "Payment Attempted", **user, "context": {"ip": "192.0.2.7"},
         "properties": {**order, "amount": 19.0, "card_hash": t["card"], "device_id": t["device"],
                        "phone": t["phone"]}},
        {"type": "track", "event": "Order Completed", **user, "messageId": t["message"],
         "properties": {**order, "products": products, "device_id": t["device"]}},
        {"type": "track", "event": "Products Searched", **user, "properties": {"quary": t["query"]}},
    ]  # fmt: skip


def crowd(events: int) -> Iterator[dict[str, Any]]:
    """Yield what everybody else does."""
    draw = random.Random(11)
    people = max(events // EVENTS_PER_PERSON, 10)
    for number in range(events):
        user = {"userId": f"u-{int(people * draw.random() ** 2)}"}
        item = f"p-{int(500 * draw.random() ** 2)}"
        kind = draw.random()
        if kind < 0.55:
            yield {"type": "track", "event": "Product Viewed", **user, "properties": {"product_id": item}}
        elif kind < 0.70:
            yield {"type": "track", "event": "Product Added", **user, "properties": {"product_id": item, "quantity": 1}}
        elif kind < 0.85:
            lines = [{"product_id": item, "quantity": 1, "price": 5 + draw.randrange(40)}]
            yield {"type": "track", "event": "Order Completed", **user,
                   "properties": {"order_id": f"o-{number}", "currency": "EUR", "products": lines}}  # fmt: skip
        elif kind < 0.95:
            yield {"type": "track", "event": "Payment Attempted", **user, "properties": {
                "order_id": f"o-{number}", "amount": 20.0, "currency": "EUR",
                "device_id": f"d-{draw.randrange(people)}", "card_hash": f"k-{draw.randrange(people)}"}}  # fmt: skip
        else:
            yield {"type": "track", "event": "Products Searched", **user, "properties": {"query": f"thing {item}"}}


class Shop:
    """A shop, its clock moving as events come in."""

    def __init__(self, folder: Path) -> None:
        create_shop(folder)
        toml = folder / "tillwise.toml"
        toml.write_text(toml.read_text("utf-8").replace('place = ""', 'place = "US"'), "utf-8")
        self.folder = folder
        self.app: App = build_app(folder)
        self.now = wall_now() - DAYS * DAY
        clock = LogClock(wall=lambda: self.now)
        self.log = EventLog(self.app.store, self.app.secrets, clock, on_append=(self.app.tiles,))

    def fill(self, events: int, canaries: int) -> None:
        """Take in everything, the canaries evenly among the crowd."""
        step = DAYS * DAY // max(events // BATCH, 1)
        source, planted = crowd(events), 0
        batches = max(-(-events // BATCH), 1)
        for batch in range(batches):
            messages = list(islice(source, BATCH))
            for number in range(planted, canaries * (batch + 1) // batches):
                messages += visit(number)
                planted = number + 1
            self.log.append([read_message(each, received=self.now) for each in messages]).result()
            self.now = min(self.now + step, wall_now())

    def act(self, number: int) -> str:
        """Let a canary consent and be decided about, reviewed and judged; return the decision."""
        t, app = canary(number), self.app

        def said(transaction: Any) -> None:
            person = pseudonym_for(transaction, app.secrets, t["user"])
            consent = Consent(
                person, Purpose.RECOMMEND, ledger.State.GIVEN, place="DE", evidence=f"mail to {t['mail']}"
            )
            ledger.record(transaction, consent, app.clock.now())

        app.store.commit(said).result()
        body = {
            "order": {"id": t["order"], "amount": 1900, "currency": "EUR", "items": []}, "device_id": t["device"],
            "payment": {"method": "card", "card_hash": t["card"]}, "email": t["mail"], "ip": "192.0.2.7",
        }  # fmt: skip
        request = Request(t["request"], body, subject=t["user"], place=Place("DE"), deadline_ms=60_000)
        answer = app.road.decide(app.use_case("fraud"), request, "key")
        assert answer.decision_id is not None
        decision = answer.decision_id

        def after(transaction: Any) -> None:
            open_case(transaction, receipts.find(transaction, decision))
            append(transaction, Outcome("fraud_cleared", 1.0, app.clock.now(), decision_id=decision))

        app.store.commit(after).result()
        return decision

    def train(self) -> str:
        """Train churn; say what came of it."""
        app = self.app
        material = Material(app.store, app.segments, app.gate, app.clock, app.folder.path, retention=app.retention)
        try:
            return train.train(app.use_case("churn"), app.learners["churn"], material, app.releases).choice.name
        except TillwiseError as error:
            return f"refused: {error}"

    def score(self, canaries: int) -> int:
        """Write a file of scores into the folder; return its rows."""
        people = [canary(number)["user"] for number in range(canaries)] + [f"u-{number}" for number in range(500)]
        path = self.folder / "scores" / "churn.parquet"
        number = self.app.written.begin(path)
        requests = (Request(None, {}, subject=each, place=Place("US")) for each in people)
        rows = score(self.app.use_case("churn"), self.app.road, requests, path).rows
        self.app.written.finish(number)
        return rows

    def keys(self, numbers: Sequence[int]) -> list[int]:
        """Return the random keys the canaries are known by."""
        found = []
        with self.app.store.snapshot() as snapshot:
            for number in numbers:
                for kind in ("user", "visitor"):
                    text = canary(number)[kind]
                    key = find_pseudonym(snapshot, self.app.secrets, text, anonymous=kind == "visitor")
                    if key is not None:
                        found.append(int(key))
        return found


def main() -> None:
    arguments = _arguments()
    base = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        failed = run(Shop(base / "shop"), arguments.events, arguments.canaries)
    finally:
        if not arguments.keep:
            shutil.rmtree(base, ignore_errors=True)
    sys.exit(1 if failed else 0)


def run(shop: Shop, events: int, canaries: int) -> list[str]:
    """Do all of it and print the table; return what failed."""
    numbers, app, failed = range(canaries), shop.app, []
    with _timed(f"{events:,} events and {canaries} canaries taken in"):
        shop.fill(events, canaries)
    with _timed("decided, reviewed, judged"):
        decisions = [shop.act(number) for number in numbers]
    with _timed("trained and exported"):
        print(f"  churn: {shop.train()}")
        app.segments.export(app.store)
    with _timed("scored"):
        print(f"  rows in a file inside the folder: {shop.score(canaries)}")
    held = extend(app.store, SOURCES, Signer(app.secrets))
    wanted = [form for number in numbers for text in canary(number).values() for form in forms(text)]
    wanted += [form for key in shop.keys(numbers) for form in key_forms(key)]
    with _timed(f"{len(wanted):,} byte forms looked for before"):
        seen = {hit.file.suffix for hit in scan(shop.folder, wanted)}
    if not {".db", ".parquet"} <= seen:
        failed.append("the search sees nothing")
    accesses, missing = zip(*(access(shop, number, decisions[number]) for number in numbers), strict=True)
    print(f"access: p50 {_p50(accesses):.2f} s, longest {max(accesses):.2f} s; planted texts missing: {sum(missing)}")
    erasures = [erase(shop, number) for number in numbers]
    print(f"erasure: p50 {_p50(erasures):.2f} s, longest {max(erasures):.2f} s, all {sum(erasures):.0f} s")
    with _timed("looked for after"):
        left = scan(shop.folder, wanted)
    size = sum(path.stat().st_size for path in shop.folder.rglob("*") if path.is_file())
    print(
        f"bytes left: {len(left)} hits in {size / 1e6:.0f} MB {sorted({(hit.form, hit.file.name) for hit in left})[:8]}"
    )
    with _timed("audit log verified"), app.store.snapshot() as snapshot:
        findings = verify(snapshot, SOURCES, [held])
    print(f"audit: {findings.entries} entries, {findings.erased} erased, wrong: {list(findings.wrong)}")
    checks = {
        "a byte is left": bool(left), "an access is incomplete": sum(missing) > 0,
        "the log does not verify": not findings.intact, "an access took too long": max(accesses) > ACCESS_LIMIT,
        "an erasure took too long": max(erasures) > ERASURE_LIMIT,
    }  # fmt: skip
    failed += [name for name, bad in checks.items() if bad]
    print("FAILED: " + ", ".join(failed) if failed else "all targets met")
    app.close()
    return failed


def access(shop: Shop, number: int, decision: str) -> tuple[float, int]:
    """Ask for everything; return the seconds, and how many planted texts are missing."""
    started = time.perf_counter()
    answered = shop.app.rights.access(Asked(canary(number)["user"], Kind.ACCESS, place="DE", identity=True))
    seconds = time.perf_counter() - started
    text = msgspec.json.encode(answered.data).decode()
    planted = [canary(number)[kind] for kind in STORED] + [decision, canary(number)["mail"]]
    return seconds, sum(each not in text for each in planted)


def erase(shop: Shop, number: int) -> float:
    """Erase one canary; return the seconds."""
    started = time.perf_counter()
    shop.app.rights.erase(Asked(canary(number)["user"], Kind.ERASURE, place="DE", identity=True))
    return time.perf_counter() - started


def _p50(values: Sequence[float]) -> float:
    return statistics.median(values)


class _timed:
    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        print(f"{self._what}: {time.perf_counter() - self._started:.1f} s", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--canaries", type=int, default=200)
    parser.add_argument("--folder", default=None, help="where to build the shop (default: the temporary folder)")
    parser.add_argument("--keep", action="store_true", help="leave the shop where it is")
    return parser.parse_args()


if __name__ == "__main__":
    main()
