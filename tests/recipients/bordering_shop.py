"""A shop with a few customers, a vendor on record and a sink of its own on this machine."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tillwise.app import App
from tillwise.cli.init import create_shop
from tillwise.decisions.answer import Answer
from tillwise.decisions.decision import Place, Request
from tillwise.events.ingest import read_message
from tillwise.events.people import find_pseudonym
from tillwise.privacy import ledger
from tillwise.privacy.ledger import Consent, State
from tillwise.privacy.material import ANYTHING
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

TODAY = date.today()
PEOPLE = ("u-1", "u-2", "u-3")
BOUGHT = "user.behavior.purchase_history"
RECORD: dict[str, Any] = {
    "name": "mail-tool", "role": "processor", "country": "US", "region": "us", "purposes": ["marketing"],
    "categories": ["user.unique_id", "user.behavior"],
    "agreement": {"kind": "DPA", "signed": TODAY - timedelta(days=9), "expires": TODAY + timedelta(days=300)},
    "transfer": {"mechanism": "scc", "decision": "(EU) 2021/914", "expires": TODAY + timedelta(days=300)},
    "evidence": [{"kind": "ISO 27001", "expires": TODAY + timedelta(days=90)}],
}  # fmt: skip
"""Everything is in order for people in Germany."""


def changed(record: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    """Return a record with other parts; None takes a part out."""
    return {name: value for name, value in {**record, **parts}.items() if value is not None}


def write_vendors(folder: Path, *records: Mapping[str, Any]) -> None:
    tables = [
        "[[vendor]]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in each.items()) for each in records
    ]
    (folder / "vendors.toml").write_text("\n".join(tables))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return str(value) if isinstance(value, date) else json.dumps(value)


def make_shop(folder: Path, *, place: str = "DE", more: str = "") -> None:
    """Write a shop; `more` goes below its settings."""
    create_shop(folder)
    settings = folder / "tillwise.toml"
    settings.write_text(settings.read_text().replace('place = ""', f'place = "{place}"') + more)


def sink_settings(url: str, *, vendor: str = "mail-tool", outcomes: str = "") -> str:
    return f'\n[sinks.mail]\nvendor = "{vendor}"\nurl = "{url}"\ndecisions = ["churn"]\noutcomes = [{outcomes}]\n'


def fill(app: App, *, place: str = "DE", people: tuple[str, ...] = PEOPLE) -> None:
    """Let everybody buy something once, and say yes to marketing."""
    for person in people:
        track(app, "Order Completed", person, {"order_id": f"o-{person}", "total": 12.5, "currency": "EUR"})
        say(app, person, Purpose.MARKETING, State.GIVEN, place=place)


def track(app: App, event: str, person: str, properties: dict[str, Any]) -> Any:
    message = {"type": "track", "event": event, "userId": person, "properties": properties}
    return app.log.append([read_message(message, received=app.clock.now())]).result()


def identify(app: App, person: str, **traits: Any) -> Any:
    message = {"type": "identify", "userId": person, "traits": traits}
    return app.log.append([read_message(message, received=app.clock.now())]).result()


def key_of(app: App, person: str) -> Pseudonym:
    with app.store.snapshot() as snapshot:
        found = find_pseudonym(snapshot, app.secrets, person)
    assert found is not None
    return found


def say(app: App, person: str, purpose: Purpose, state: State, *, place: str = "DE") -> None:
    who = key_of(app, person)

    def work(transaction: Transaction) -> None:
        said = Consent(who, purpose, state, place=place, material=ANYTHING)  # whatever records a test writes
        ledger.record(transaction, said, app.clock.now())

    app.store.commit(work).result()


def decide(app: App, person: str, *, signals: frozenset[str] = frozenset(), use_case: str = "churn") -> Answer:
    body: dict[str, Any] = {}
    if use_case == "fraud":
        body = {
            "order": {"id": f"f-{person}", "amount": 100, "currency": "EUR", "items": []},
            "payment": {"method": "card"},
        }
    request = Request(None, body, subject=person, place=Place("DE"), deadline_ms=20_000, signals=signals)
    return app.road.decide(app.use_case(use_case), request, "k")


class Server:
    """A sink: it keeps what it is posted and answers with `status`."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        self.url = ""

    @property
    def bodies(self) -> list[Any]:
        return [msgspec.json.decode(body) for _, body in self.got]


@contextmanager
def serving() -> Iterator[Server]:
    """Run a real HTTP server on this machine."""
    server = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            server.paths.append(self.path)
            self.send_response(server.status)
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep the terminal quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        server.url = f"http://127.0.0.1:{listening.server_address[1]}/hook"
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
