"""Erasure leaves no byte of a person in any file; access finds everything; replay and the log stay honest."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from tillwise.app.build import App, build_app
from tillwise.audit.checkpoint import Signer
from tillwise.audit.extend import extend
from tillwise.audit.tombstones import erased_at
from tillwise.audit.verify import verify
from tillwise.cli.init import create_shop
from tillwise.decisions.decision import Place, Request
from tillwise.decisions.road import Road
from tillwise.errors import Conflict, NotFound
from tillwise.events.ingest import read_message
from tillwise.events.people import find_pseudonym
from tillwise.privacy import ledger
from tillwise.privacy.ledger import Consent
from tillwise.review.queue import Enqueue
from tillwise.rights.entered import SOURCES
from tillwise.rights.files import SegmentFiles
from tillwise.rights.request import Kind, State
from tillwise.rights.requests import Asked
from tillwise.rights.rights import Rights
from tillwise.rights.scan import forms, key_forms, scan
from tillwise.vocabulary.purpose import Purpose

CROWD = 20
HOT = """\
from tillwise.features.feature import DAY, Agg, Aggregate
from tillwise.vocabulary.purpose import Purpose

EXTRA_FEATURES = {
    "fraud": (
        Aggregate(
            name="shop_orders_30d", key="shop", events=("Order Completed",), agg=Agg.SUM, window=30 * DAY,
            of="amount", meaning="sold in 30 days", unit="minor", purposes=frozenset({Purpose.FRAUD_PREVENTION}),
        ),
    )
}
"""


@dataclass
class Shop:
    app: App
    rights: Rights
    road: Road

    def send(self, *messages: dict[str, Any]) -> None:
        now = self.app.clock.now()
        done = self.app.log.append([read_message(each, received=now) for each in messages]).result()
        assert done.quarantined == 0 or any(each.get("bad") for each in messages)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rights") / "shop"
    create_shop(folder)
    (folder / "shop.py").write_text(HOT, "utf-8")
    return folder


@pytest.fixture
def shop(folder: Path) -> Iterator[Shop]:
    app = build_app(folder)
    road = Road(app.store, app.gate, app.models, app.secrets, app.clock, on_receipt=(Enqueue(),))
    yield Shop(app, app.rights, road)
    road.close()
    app.close()


def names(who: int | str) -> dict[str, str]:
    """Return every text that leads to one person."""
    return {
        "user": f"canary-user-{who}", "visitor": f"canary-visitor-{who}", "mail": f"canary{who}@example.org",
        "phone": f"+4930555{who}0001", "name": f"Kanari Vogel{who}", "order": f"canary-order-{who}",
        "coupon": f"CANARY-COUPON-{who}", "query": f"canary wish {who}", "device": f"canary-device-{who}",
        "card": f"canary-card-{who}", "request": f"canary-request-{who}",
    }  # fmt: skip


def live(shop: Shop, who: int | str) -> str:
    """Let one person browse, sign in, search, buy, pay, be checked, and say what they allow; return the decision."""
    t = names(who)
    products = [{"product_id": f"p-{random.Random(str(who)).randrange(9)}", "quantity": 2, "price": 9.5}]
    visitor, user = {"anonymousId": t["visitor"]}, {"userId": t["user"]}
    order = {"order_id": t["order"], "email": t["mail"], "currency": "EUR"}
    shop.send(
        {"type": "track", "event": "Product Viewed", **visitor, "properties": {"product_id": "p-1"}},
        {"type": "identify", **visitor, **user,
         "traits": {"email": t["mail"], "phone": t["phone"], "name": t["name"], "country": "DE"}},
        {"type": "track", "event": "Products Searched", **user, "properties": {"query": t["query"]}},
        {"type": "track", "event": "Coupon Applied", **user,
         "properties": {"coupon_id": t["coupon"], "order_id": t["order"]}},
        {"type": "track", "event": "Payment Attempted", **user, "context": {"ip": "192.0.2.7"},
         "properties": {**order, "amount": 19.0, "card_hash": t["card"], "device_id": t["device"],
                        "phone": t["phone"]}},
        {"type": "track", "event": "Order Completed", **user, "messageId": t["request"],
         "properties": {**order, "products": products, "device_id": t["device"]}},
        {"type": "track", "event": "Products Searched", **user, "properties": {"quary": t["query"]}, "bad": True},
    )  # fmt: skip

    def said(transaction: Any) -> None:
        person = find_pseudonym(transaction, shop.app.secrets, t["user"])
        assert person is not None
        consent = Consent(person, Purpose.RECOMMEND, ledger.State.GIVEN, place="DE", evidence=f"mail to {t['mail']}")
        ledger.record(transaction, consent, shop.app.clock.now())

    shop.app.store.commit(said).result()
    body = {
        "order": {"id": t["order"], "amount": 1900, "currency": "EUR", "items": []}, "device_id": t["device"],
        "payment": {"method": "card", "card_hash": t["card"]}, "email": t["mail"], "ip": "192.0.2.7",
    }  # fmt: skip
    request = Request(t["request"], body, subject=t["user"], place=Place("DE"), deadline_ms=20_000)
    answer = shop.road.decide(shop.app.use_case("fraud"), request, "key")
    assert answer.decision_id is not None
    return answer.decision_id


def ask(who: int | str, kind: Kind, **more: Any) -> Asked:
    return Asked(names(who)["user"], kind, place="DE", identity=True, **more)


def tiles(shop: Shop) -> list[Any]:
    with shop.app.store.snapshot() as snapshot:
        return snapshot.all("SELECT * FROM tiles ORDER BY 1, 2, 3, 4, 5, 6, 7")


def test_five_people_are_erased_to_the_last_byte(shop: Shop, folder: Path) -> None:
    """Mail, ids, order, coupon, search, in any form and hash, and the keys themselves: 0 hits in every file."""
    for number in range(CROWD):
        live(shop, f"other{number}")
    canaries = [f"{number}7731" for number in range(5)]
    decisions = {who: live(shop, who) for who in canaries}
    shop.app.segments.export(shop.app.store)
    held = extend(shop.app.store, SOURCES, Signer(shop.app.secrets))
    with shop.app.store.snapshot() as snapshot:
        keys = [
            find_pseudonym(snapshot, shop.app.secrets, names(who)[kind], anonymous=kind == "visitor")
            for who in canaries for kind in ("user", "visitor")
        ]  # fmt: skip
    wanted = [form for who in canaries for text in names(who).values() for form in forms(text)]
    wanted += [form for key in keys if key is not None for form in key_forms(key)]
    seen = {hit.file.name for hit in scan(folder, wanted)}
    assert any(name.startswith("tillwise.db") for name in seen), "the scan must see what is there"
    assert any(name.endswith(".parquet") for name in seen), "in the exported log too"

    for who in canaries:
        found = shop.rights.access(ask(who, Kind.ACCESS)).data
        text = msgspec.json.encode(found).decode()
        stored = ("user", "visitor", "order", "coupon", "query")
        assert [kind for kind in stored if names(who)[kind] not in text] == []
        assert decisions[who] in text

    for who in canaries:
        erased = shop.rights.erase(ask(who, Kind.ERASURE))
        assert erased.request.state is State.DONE
        assert erased.receipt["result"]["rows"]["events"]["events"] == 6
    assert scan(folder, wanted) == []

    with shop.app.store.snapshot() as snapshot:
        findings = verify(snapshot, SOURCES, [held])
        assert findings.wrong == ()
        assert findings.erased == 2 * len(canaries), "a receipt and a consent each"
        assert erased_at(snapshot, shop.app.secrets, "decision", decisions[canaries[0]]) is not None
        left = snapshot.one("SELECT count(*) FROM subjects")
    assert left == (2 * CROWD,)


def test_tiles_after_an_erasure_are_those_of_a_log_without_the_person(shop: Shop) -> None:
    """Subtracting gives what computing everything afresh gives."""
    before = tiles(shop)
    live(shop, "tiles")
    assert tiles(shop) != before
    shop.rights.erase(ask("tiles", Kind.ERASURE))
    subtracted = tiles(shop)
    shop.app.store.commit(lambda t: shop.app.tiles.rebuild(t, everything=True)).result()
    assert subtracted == tiles(shop)
    assert subtracted == before


def test_segments_are_rewritten_without_the_person(shop: Shop) -> None:
    """The exported log holds what the row store holds, before and after."""
    live(shop, "segment")
    live(shop, "neighbour")
    shop.app.segments.export(shop.app.store)
    shop.rights.erase(ask("segment", Kind.ERASURE))
    shop.app.segments.export(shop.app.store)
    with shop.app.store.snapshot() as snapshot:
        expected = snapshot.all("SELECT seq, line FROM facts ORDER BY seq, line")
    files = f"{shop.app.segments.folder}/facts-*/*.parquet"
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT seq, line FROM '{files}' ORDER BY 1, 2").fetchall() == expected


def test_a_shared_device_keeps_the_other_person(shop: Shop) -> None:
    """What another person did on the same device is theirs, and stays."""
    live(shop, "a")
    live(shop, "b")
    shared = {"anonymousId": names("a")["visitor"], "userId": names("b")["user"]}
    shop.send(
        {"type": "identify", **shared, "traits": {}},
        {"type": "track", "event": "Product Viewed", **shared, "properties": {"product_id": "p-2"}},
    )
    before = shop.rights.find(ask("b", Kind.ACCESS))
    shop.rights.erase(ask("a", Kind.ERASURE))
    after = shop.rights.find(ask("b", Kind.ACCESS))
    assert after["events"] == before["events"]
    with shop.app.store.snapshot() as snapshot:
        assert find_pseudonym(snapshot, shop.app.secrets, names("a")["user"]) is None


def test_an_erased_person_is_told_so_and_may_come_back(shop: Shop) -> None:
    """A second request says that nothing is held and when it was erased; a new visit is a new person."""
    live(shop, "again")
    shop.rights.erase(ask("again", Kind.ERASURE))
    second = shop.rights.erase(ask("again", Kind.ERASURE))
    assert second.request.state is State.DONE
    assert second.receipt["result"]["held"] == "nothing"
    assert second.receipt["result"]["erased"] > 0
    stranger = shop.rights.access(Asked("nobody-ever", Kind.ACCESS, identity=True))
    assert stranger.receipt["result"] == {"held": "nothing"}
    live(shop, "again")
    assert shop.rights.find(ask("again", Kind.ACCESS))["events"]["events"] == 5, "the repeated message stays out"


def test_an_interrupted_erasure_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are gone together; the files are done when the process comes back."""
    live(shop, "crash")
    shop.app.segments.export(shop.app.store)

    def die(*_: object) -> dict[str, int]:
        raise KeyboardInterrupt

    monkeypatch.setattr(SegmentFiles, "erase_files", die)
    with pytest.raises(KeyboardInterrupt):
        shop.rights.erase(ask("crash", Kind.ERASURE))
    monkeypatch.undo()
    with pytest.raises(NotFound):
        shop.rights.find(ask("crash", Kind.ACCESS))
    (finished,) = shop.rights.resume()
    assert finished.request.state is State.DONE
    assert finished.receipt["result"]["files"]["segments"]["segments"] >= 1
    assert shop.rights.resume() == []


def test_a_request_that_waited_for_proof_goes_on(shop: Shop) -> None:
    """Once somebody checked who asks, the same request is answered, by its first deadline."""
    live(shop, "proof")
    with pytest.raises(Conflict):
        shop.rights.access(replace(ask("proof", Kind.ACCESS), identity=False))
    waiting = next(each for each in shop.rights.requests.open() if each.kind is Kind.ACCESS)
    assert waiting.state is State.VERIFYING
    answered = shop.rights.access(ask("proof", Kind.ACCESS))
    assert answered.request.id == waiting.id
    assert answered.request.deadline == waiting.deadline
    assert answered.data is not None


def test_without_proof_of_identity_nothing_happens(shop: Shop) -> None:
    """Nobody else's data are handed over or erased."""
    live(shop, "safe")
    with pytest.raises(Conflict):
        shop.rights.erase(replace(ask("safe", Kind.ERASURE), identity=False))
    assert shop.rights.find(ask("safe", Kind.ACCESS))["events"]["events"] == 6
