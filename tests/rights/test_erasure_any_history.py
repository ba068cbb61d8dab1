"""Whatever a person did and in whatever order: an erasure leaves nothing of them, and everybody else as they were."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tillwise.app.build import App, build_app
from tillwise.cli.init import create_shop
from tillwise.decisions.decision import Place, Request
from tillwise.events.ingest import read_message
from tillwise.events.people import find_pseudonym, pseudonym_for
from tillwise.features.online import OnlineFeatures
from tillwise.privacy import ledger
from tillwise.privacy.gate import Gate
from tillwise.privacy.ledger import Consent
from tillwise.rights.asked import Asked
from tillwise.rights.request import Kind
from tillwise.rights.scan import forms, key_forms, scan
from tillwise.use_cases.churn import FEATURES
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

ACTIONS = ("view", "visit", "identify", "search", "order", "pay", "coupon", "broken", "consent", "decide", "served")
OTHERS = ("other-1", "other-2")
HOT = """\
from tillwise.features.feature import DAY, Agg, Aggregate
from tillwise.vocabulary.purpose import Purpose

EXTRA_FEATURES = {
    "fraud": (
        Aggregate(
            name="item_sold_30d", key="item", events=("Order Completed",), lines=True, agg=Agg.SUM, window=30 * DAY,
            of="quantity", meaning="sold in 30 days", purposes=frozenset({Purpose.FRAUD_PREVENTION}),
        ),
    )
}
"""
_numbers = count()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("history") / "shop"
    create_shop(folder)
    (folder / "shop.py").write_text(HOT, "utf-8")
    app = build_app(folder)
    yield app
    app.close()


def message(action: str, who: str, number: int) -> dict[str, Any] | None:
    """Return what is sent for an action; None for what is no message."""
    user, visitor = {"userId": who, "messageId": f"message-{who}-{number}"}, {"anonymousId": f"visitor-{who}"}
    order = {"order_id": f"order-{who}-{number}", "currency": "EUR"}
    track = {"type": "track", **user}
    return {
        "view": {**track, "event": "Product Viewed", "properties": {"product_id": "p-1"}},
        "visit": {**track, "userId": None, **visitor, "event": "Product Viewed", "properties": {"product_id": "p-2"}},
        "identify": {"type": "identify", **user, **visitor, "traits": {"country": "DE", "language": f"de-{who}"}},
        "search": {**track, "event": "Products Searched", "properties": {"query": f"wish of {who}"}},
        "order": {**track, "event": "Order Completed",
                  "properties": {**order, "products": [{"product_id": "p-1", "quantity": 2, "price": 3.5}]}},
        "pay": {**track, "event": "Payment Attempted", "context": {"ip": "192.0.2.7"},
                "properties": {**order, "amount": 7.0, "device_id": f"device-{who}", "email": f"{who}@example.org"}},
        "coupon": {**track, "event": "Coupon Applied", "properties": {"coupon_id": f"coupon-{who}", **order}},
        "broken": {**track, "event": "Products Searched", "properties": {"quary": f"wish of {who}"}},
    }.get(action)  # fmt: skip


def do(app: App, action: str, who: str, number: int) -> None:
    """Let somebody do something."""
    sent = message(action, who, number)
    if sent is not None:
        app.log.append([read_message(sent, received=app.clock.now())]).result()
    elif action == "decide":
        body = {"order": {"id": f"order-{who}-{number}", "amount": 700, "currency": "EUR", "items": []}}
        request = Request(f"request-{who}-{number}", body, subject=who, place=Place("DE"), deadline_ms=20_000)
        app.road.decide(app.use_case("fraud"), request, "key")
    else:
        state = ledger.State.GIVEN if action == "consent" else ledger.State.REFUSED

        def said(transaction: Transaction) -> None:
            person = pseudonym_for(transaction, app.secrets, who)
            consent = Consent(person, Purpose.MARKETING, state, place="DE", evidence=f"letter of {who}")
            ledger.record(transaction, consent, app.clock.now())

        app.store.commit(said).result()


def seen(app: App, at: Point) -> list[Any]:
    """Return the features of everybody else at a point, and what is known of them."""
    rows: list[Any] = []
    gate = Gate(default_place="US")
    with app.store.snapshot() as snapshot:
        for who in OTHERS:
            person = find_pseudonym(snapshot, app.secrets, who)
            permit = gate.permit(snapshot, purpose=Purpose.MARKETING, subject=person, country="US", point=at)
            if permit.granted and person is not None:
                rows.append(OnlineFeatures(FEATURES).read(snapshot, permit, {"subject": person}, {}))
            rows.append(snapshot.all("SELECT * FROM by_subject WHERE subject = ? ORDER BY at, seq, line", (person,)))
            rows.append(snapshot.all("SELECT * FROM consents WHERE subject = ? ORDER BY seq", (person,)))
            rows.append(snapshot.all("SELECT * FROM receipts WHERE subject = ? ORDER BY seq", (person,)))
            rows.append(snapshot.all("SELECT * FROM subjects WHERE pseudonym = ?", (person,)))
    return rows


def rows_with(app: App, keys: set[int]) -> list[tuple[str, str]]:
    """Return every table and column that holds one of these keys."""
    found = []
    marks = ", ".join("?" for _ in keys)
    with app.store.snapshot() as snapshot:
        for (table,) in snapshot.all(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ):
            for column in snapshot.all(f"PRAGMA table_info({table})"):
                sql = f'SELECT 1 FROM "{table}" WHERE "{column[1]}" IN ({marks}) LIMIT 1'
                if snapshot.one(sql, tuple(keys)) is not None:
                    found.append((str(table), str(column[1])))
    return found


def tiles(app: App) -> list[Any]:
    with app.store.snapshot() as snapshot:
        return snapshot.all("SELECT * FROM tiles ORDER BY 1, 2, 3, 4, 5, 6, 7")


histories = st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(("canary", *OTHERS))), min_size=3, max_size=14)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, exported=st.booleans())
def test_nothing_is_left_and_nobody_else_is_touched(
    app: App, history: list[tuple[str, str]], *, exported: bool
) -> None:
    """No row, no byte; others bit for bit; a retry brings nobody back, and a new visit is a new person."""
    run = next(_numbers)
    canary = f"canary-{run:04d}-zq"
    for number, (action, who) in enumerate([("view", "canary"), *history]):
        do(app, action, canary if who == "canary" else who, run * 1_000 + number)
    if exported:
        app.segments.export(app.store)
    with app.store.snapshot() as snapshot:
        pairs = ((canary, False), (f"visitor-{canary}", True))
        known = {find_pseudonym(snapshot, app.secrets, text, anonymous=anonymous) for text, anonymous in pairs}
        head = snapshot.one("SELECT seq, at, epoch FROM head")
    keys = {int(key) for key in known if key is not None}
    assert head is not None
    point = Point(head[2], head[1], 2 * head[0] + 1)
    before = seen(app, point)
    app.rights.erase(Asked(canary, Kind.ERASURE, place="DE", identity=True))
    if ("identify", "canary") not in history:  # a visit nobody signed in from is another person's to erase
        visitor = Asked(f"visitor-{canary}", Kind.ERASURE, place="DE", anonymous=True, identity=True)
        app.rights.erase(visitor)
    assert seen(app, point) == before
    assert rows_with(app, keys) == []
    wanted = [*forms(canary), *(form for key in keys for form in key_forms(key))]
    assert scan(app.folder.path, wanted) == []
    subtracted = tiles(app)
    app.store.commit(lambda t: app.tiles.rebuild(t, everything=True)).result()
    assert tiles(app) == subtracted
    for number, (action, who) in enumerate([("view", "canary"), *history]):
        if who == "canary" and message(action, canary, 0) is not None and action != "broken":
            do(app, action, canary, run * 1_000 + number)
    with app.store.snapshot() as snapshot:
        assert find_pseudonym(snapshot, app.secrets, canary) is None
    do(app, "view", canary, run * 1_000 + 999)
    with app.store.snapshot() as snapshot:
        again = find_pseudonym(snapshot, app.secrets, canary)
    assert again is not None
    assert again not in keys
    app.rights.erase(Asked(canary, Kind.ERASURE, place="DE", identity=True))
