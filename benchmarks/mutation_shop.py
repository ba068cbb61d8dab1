"""The shop that benchmarks/mutations.py breaks: a trained one at rest, its surfaces, and what each of them used.

Everything in it is invented: the small shop of the journey tests, a customer in Germany who said yes on a notice it
served, one who never said anything, a new customer and a visitor in the United States, payments, a vendor, and a sink
that listens on this machine.
"""

from __future__ import annotations

import asyncio
import http.server
import importlib.util
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx

from tillwise.api.create import create_api
from tillwise.app import App, build_app
from tillwise.connectors.importing import import_mapping
from tillwise.decisions import receipts
from tillwise.decisions.receipt import Receipt
from tillwise.errors import InvalidInput, NotPermitted
from tillwise.events.event import Event
from tillwise.events.ingest import read_message
from tillwise.events.log import read_head
from tillwise.events.people import find_pseudonym
from tillwise.features.check import is_hot
from tillwise.features.feature import FeatureSet
from tillwise.jobs.learning import Material
from tillwise.jobs.leaving import Outlet
from tillwise.jobs.score import score
from tillwise.jobs.train import train
from tillwise.outcomes.rows import rows_of
from tillwise.privacy.consent import Choice, say
from tillwise.privacy.ledger import State
from tillwise.privacy.served import serve
from tillwise.use_cases.churn.audience import requests
from tillwise.use_cases.churn.learning import ChurnLearner
from tillwise.use_cases.recommendations.material import read_behaviour
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

SMALL_SHOP = Path(__file__).parents[1] / "tests" / "journeys" / "small_shop.py"
YES, SILENT, IMPORTED, NEW, VISITOR = "eu-yes", "eu-silent", "c-2", "us-new", "us-visitor"
LIVE = {YES: "DE", SILENT: "DE", NEW: "US"}
VENDOR = "mail-tool"
ORDER: dict[str, Any] = {
    "order": {"id": "o-asked", "amount": 4200, "currency": "USD", "items": []},
    "payment": {"method": "card", "card_hash": "card-1"}, "billing": {"country": "US"},
    "shipping": {"country": "US", "address_hash": "address-1"}, "device_id": "device-1", "ip": "192.0.2.9",
}  # fmt: skip
ROUTES: dict[str, tuple[str, Purpose, dict[str, Any]]] = {
    "recommendations": ("/rank/recommendations", Purpose.RECOMMEND, {"placement": "home", "k": 5}),
    "churn": ("/predict/churn", Purpose.MARKETING, {}),
    "fraud": ("/predict/fraud", Purpose.FRAUD_PREVENTION, ORDER),
}
BROKEN = ("internal", "store_unavailable", "deadline")
"""Reasons that mean something failed; a mutant must not get that far."""


@dataclass(frozen=True)
class Probe:
    """One surface asked about one person, for one purpose."""

    surface: str
    person: str
    purpose: Purpose


@dataclass(frozen=True)
class Seen:
    """What an answer used: something personal or nothing; `error` when it was none a shopper should get."""

    personal: bool
    error: str = ""


def small_shop() -> ModuleType:
    """Return tests/journeys/small_shop.py as a module."""
    spec = importlib.util.spec_from_file_location("small_shop", SMALL_SHOP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)
    spec.loader.exec_module(module)
    return module


def prepare(root: Path, sink: str) -> tuple[Path, dict[str, str]]:
    """Make, fill and train the shop; return its folder and its keys."""
    small, folder = small_shop(), root / "shop"
    keys, mapping = small.make_shop(folder), small.write_files(root / "files")
    _write_records(folder, sink)
    app = build_app(folder)
    try:
        import_mapping(app.store, app.secrets, app.clock, mapping, on_append=(app.tiles,))
        for name in ("churn", "recommendations"):
            train(app.use_case(name), app.learners[name], material(app), app.releases)
        live(app)
    finally:
        app.close()
    return folder, keys


def live(app: App) -> None:
    """Let people buy, look and pay in the shop itself, and one of them say yes to everything on a notice."""
    for person, place in LIVE.items():
        for n in range(3):
            order = {"order_id": f"o-{person}-{n}", "total": 12.5, "currency": "USD",
                     "products": [{"product_id": f"i-{n}", "quantity": 1, "price": 12.5}]}  # fmt: skip
            attempt = {"order_id": f"o-{person}-{n}", "amount": "12.50", "currency": "USD", "status": "authorised",
                       "device_id": f"d-{person}", "country": place}  # fmt: skip
            track(app, "Order Completed", order, userId=person)
            track(app, "Payment Attempted", attempt, userId=person)
    track(app, "Product Viewed", {"product_id": "i-3"}, anonymousId=VISITOR)
    notice = app.notices.current("DE")
    who, now = pseudonym(app, YES), app.clock.now()

    def work(transaction: Transaction) -> None:
        serve(transaction, notice, who, now)
        for purpose in (Purpose.RECOMMEND, Purpose.MARKETING, Purpose.TRAIN):
            say(transaction, who, Choice(purpose, State.GIVEN, notice.notice_id, place="DE"), now)

    app.store.commit(work).result()


def track(app: App, event: str, properties: Mapping[str, Any], **who: str) -> None:
    """Append one event as the API would."""
    message = {"type": "track", "event": event, "messageId": f"{event}-{properties}-{who}", "properties": properties}
    read = read_message({**message, **who}, received=app.clock.now(), currency="USD")
    assert isinstance(read, Event), read
    app.log.append([read]).result()


def pseudonym(app: App, user_id: str, *, anonymous: bool = False) -> Pseudonym:
    """Return a person's key."""
    with app.store.snapshot() as snapshot:
        found = find_pseudonym(snapshot, app.secrets, user_id, anonymous=anonymous)
    assert found is not None, user_id
    return found


def material(app: App) -> Material:
    """Return what a learner may use."""
    return Material(
        store=app.store, segments=app.segments, gate=app.gate, clock=app.clock, folder=app.folder.path,
        retention=app.retention,
    )  # fmt: skip


def _write_records(folder: Path, sink: str) -> None:
    today = date.today()
    (folder / "vendors.toml").write_text(
        f'[[vendor]]\nname = "{VENDOR}"\nrole = "processor"\ncountry = "US"\npurposes = ["marketing"]\n'
        'categories = ["user.unique_id", "user.behavior"]\n'
        f'agreement = {{ kind = "DPA", signed = {today - timedelta(9)}, expires = {today + timedelta(300)} }}\n'
        f'transfer = {{ mechanism = "scc", decision = "(EU) 2021/914", expires = {today + timedelta(300)} }}\n'
        f'evidence = [{{ kind = "ISO 27001", expires = {today + timedelta(90)} }}]\n'
    )
    settings = folder / "tillwise.toml"
    settings.write_text(
        settings.read_text() + f'\n[sinks.mail]\nvendor = "{VENDOR}"\nurl = "{sink}"\ndecisions = ["churn"]\n'
        "outcomes = []\n"
    )


@contextmanager
def listening() -> Iterator[tuple[str, Callable[[], int]]]:
    """Run a sink on this machine; yield its address and how many messages said something of somebody so far."""
    got: list[str] = []

    class Sink(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["content-length"])))["data"]
            named = said.get("subject") or said.get("anonymous_id")
            if named and ("action" in said or "score" in said):
                got.append(named)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/in", lambda: len(got)
    finally:
        server.shutdown()
        server.server_close()


class Surfaces:
    """Everything the shop can be asked, each answered with whether something personal was used."""

    def __init__(self, app: App, keys: dict[str, str], received: Callable[[], int]) -> None:
        self.app = app
        self._keys = keys
        self._received = received
        self.countries: Mapping[str, str | None] = {}
        self._loop = asyncio.new_event_loop()
        transport = httpx.ASGITransport(create_api(app), client=("127.0.0.1", 5000))
        self._http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420")

    def close(self) -> None:
        """Let go of the door; the shop stays open."""
        self._loop.run_until_complete(self._http.aclose())
        self._loop.close()

    def ask_all(self) -> dict[Probe, Seen]:
        """Ask every surface about everybody."""
        found: dict[Probe, Seen] = {}
        for name, (path, purpose, body) in ROUTES.items():
            for person in (IMPORTED, YES, SILENT, NEW, *((VISITOR,) if name == "recommendations" else ())):
                found[Probe(f"POST {path}", person, purpose)] = self._post(path, body, person)
            found[Probe(f"POST {path}", "nobody", purpose)] = self._post(path, body, "")
        for probe, ask in (
            *((Probe("batch", person, Purpose.MARKETING), self._batch) for person in (IMPORTED, YES, SILENT)),
            *((Probe("score --for", person, Purpose.MARKETING), self._score_for) for person in (IMPORTED, YES, SILENT)),
            *((Probe("sink", person, Purpose.MARKETING), self._sink) for person in (IMPORTED, YES, SILENT)),
        ):
            found[probe] = _caught(lambda ask=ask, probe=probe: ask(probe.person))  # type: ignore[misc]
        found |= self._learnt_from()
        return found

    def _post(self, path: str, body: dict[str, Any], person: str) -> Seen:
        who = {} if not person else {"anonymous_id" if person == VISITOR else "subject": person}
        place = {"country": self.countries.get(person, LIVE.get(person, "US"))}
        asked = {**body, **who, "place": place, "deadline_ms": 20_000}
        headers = {"authorization": f"Bearer {self._keys['decide']}"}
        answer = self._loop.run_until_complete(self._http.post(path, json=asked, headers=headers))
        if answer.status_code != 200:
            return Seen(personal=False, error=f"HTTP {answer.status_code}")
        told = answer.json()
        if told["degraded"] in BROKEN:
            return Seen(personal=False, error=told["degraded"])
        with self.app.store.snapshot() as snapshot:
            receipt = receipts.find(snapshot, told["decision_id"]).receipt
        return Seen(used(receipt, self.app.use_case(receipt.use_case).features))

    def _batch(self, person: str) -> Seen:
        churn = self.app.use_case("churn")
        answers = list(self.app.road.batch(churn, requests([person]), "mutations"))
        bad = answers[0].decision.degraded
        return Seen(
            used(answers[0].receipt, churn.features), bad.value if bad is not None and bad.value in BROKEN else ""
        )

    def _score_for(self, person: str) -> Seen:
        app = self.app
        outlet = Outlet(app.store, app.secrets, app.clock, app.outbound.gate, VENDOR)
        with tempfile.TemporaryDirectory() as folder:
            done = score(app.use_case("churn"), app.road, requests([person]), Path(folder) / "o.csv", outlet=outlet)
        return Seen(done.rows > 0 and not {"action", "score"}.isdisjoint(done.columns))

    def _sink(self, person: str) -> Seen:
        self.app.outbound.sinks.deliver(budget=5.0)  # what other questions left there
        before = self._received()
        self._post(*_churn(), person)
        self.app.outbound.sinks.deliver(budget=5.0)
        return Seen(self._received() > before)

    def _churn_rows(self) -> set[int]:
        try:
            labelled, _ = ChurnLearner(features=self.app.use_case("churn").features).table(material(self.app))
        except InvalidInput:  # nothing left to learn from
            return set()
        return set(labelled.subjects.tolist())

    def _learnt_from(self) -> dict[Probe, Seen]:
        """Return who stands in the training tables."""
        app = self.app
        who = {person: pseudonym(app, person) for person in (IMPORTED, YES, SILENT)}
        with app.store.snapshot() as snapshot:
            head = read_head(snapshot)
            items = app.shelf.current(snapshot, head.at, head.epoch)
            trainable = app.gate.trainable(snapshot, Purpose.FRAUD_PREVENTION)
        permit = app.gate.training_permit(Purpose.FRAUD_PREVENTION, Point.after(head, app.clock.now()))
        paid = rows_of(app.store, ("Payment Attempted",), permit, before=head.at + 1)["subject"]
        tables: dict[str, tuple[Purpose, set[int]]] = {
            "train churn": (Purpose.MARKETING, self._churn_rows()),
            "train recommendations": (
                Purpose.RECOMMEND,
                set(read_behaviour(material(app), items, head.at + 1).person.tolist()),
            ),
            "train fraud": (Purpose.FRAUD_PREVENTION, set(paid.tolist()) & set(trainable)),
        }
        return {
            Probe(surface, person, purpose): Seen(key in people)
            for surface, (purpose, people) in tables.items()
            for person, key in who.items()
        }


def used(receipt: Receipt, features: FeatureSet) -> bool:
    """Return whether an answer rests on anything read about a person: values of features, or rows of a history."""
    if not receipt.permit.granted:
        return bool(receipt.facts.get("history")) or _read(receipt, [each.name for each in features.aggregates])
    if receipt.use_case == "recommendations":
        return bool(receipt.facts.get("history"))
    return _read(receipt, [each.name for each in features.aggregates if not is_hot(each.key)])


def _read(receipt: Receipt, names: Collection[str]) -> bool:
    if receipt.features is None:
        return False
    values = dict(zip(receipt.features.columns, receipt.features.values, strict=True))
    return any(values[name] not in (None, 0.0) for name in names if name in values)


def _churn() -> tuple[str, dict[str, Any]]:
    path, _, body = ROUTES["churn"]
    return path, body


def _caught(ask: Callable[[], Seen]) -> Seen:
    try:
        return ask()
    except NotPermitted:
        return Seen(personal=False)


@contextmanager
def opened(folder: Path, keys: dict[str, str], received: Callable[[], int]) -> Iterator[Surfaces]:
    """Start the shop as a process would; ConfigurationError when it refuses."""
    app = build_app(folder)
    with closing(app):
        surfaces = Surfaces(app, keys, received)
        try:
            yield surfaces
        finally:
            surfaces.close()
