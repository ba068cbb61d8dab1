"""The catalogue and the counts: what codes mean, what was taken, what was refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tillwise.events.catalog import Item, find_items, read_items, texts_of, upsert_items
from tillwise.events.event import Dropped, Quarantined
from tillwise.events.ingest import read_message
from tillwise.events.log import EventLog
from tillwise.events.quality import count, newest_quarantined, quality
from tillwise.events.tables import TABLES
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.codes import code_of

SECRETS = Secrets(b"a log secret that is long enough")
NOW = 1_795_253_400_000
LAMP = Item(item_id="lamp", title="Lamp", category="Light", brand="Lux", price=1999, cost=900, currency="EUR",
            in_stock=4, created=NOW, attributes={"colour": "red"})  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "catalog.db")
    store.create(TABLES)
    yield store
    store.close()


def track(event: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": "u", "properties": properties}


def append(store: SqliteStore, *messages: dict[str, Any]) -> None:
    log = EventLog(store, SECRETS, LogClock(wall=lambda: NOW))
    log.append([read_message(message, received=NOW) for message in messages]).result()


def test_items_come_back_as_they_went_in_and_a_second_upsert_replaces(store: SqliteStore) -> None:
    assert store.commit(lambda t: upsert_items(t, [LAMP, Item(item_id="shade")], 0)).result() == 2
    with store.snapshot() as snapshot:
        assert read_items(snapshot) == {LAMP.code: LAMP, code_of("shade"): Item(item_id="shade")}
    gone = Item(item_id="lamp", active=False)
    store.commit(lambda t: upsert_items(t, [gone], 1)).result()
    with store.snapshot() as snapshot:
        assert find_items(snapshot, ["lamp", "unheard of"]) == {"lamp": gone}


def test_stock_and_price_events_move_the_catalogue(store: SqliteStore) -> None:
    store.commit(lambda t: upsert_items(t, [LAMP], 0)).result()
    append(store, track("Inventory Changed", {"product_id": "lamp", "quantity": 0}),
           track("Price Changed", {"product_id": "lamp", "price": 24.5}))  # fmt: skip
    with store.snapshot() as snapshot:
        lamp = find_items(snapshot, ["lamp"])["lamp"]
    assert (lamp.in_stock, lamp.price, lamp.title) == (0, 2450, "Lamp")


def test_a_code_can_be_shown_as_what_it_means(store: SqliteStore) -> None:
    """Public texts only: items, categories, brands, countries, methods."""
    append(store, track("Product Viewed", {"product_id": "p-é", "category": "Games", "country": "de"}))
    append(store, track("Product Viewed", {"product_id": "p-é", "category": "Books"}))
    codes = [code_of(text) for text in ("p-é", "Games", "DE", "Books", "never seen")]
    with store.snapshot() as snapshot:
        assert sorted(texts_of(snapshot, codes).values()) == ["Books", "DE", "Games", "p-é"]


def test_doctor_sees_what_was_refused_and_why(store: SqliteStore) -> None:
    append(
        store,
        track("Product Viewed", {"product_id": "p", "shoe": 1}),
        track("Order Completed", {"order_id": "o", "products": [{"product_id": "p", "quantity": 0, "price": 1}]}),
        track("Order Completed", {"order_id": "o", "products": [{"product_id": "p"}, {"price": 1.999}]}),
        track("Order Completed", {"order_id": "o", "products": [{"price": 1}]}),
        track("Video Playback Started", {}),
        {"type": "group", "userId": "u"},
        {"type": "track", "event": "Product Viewed", "properties": {"product_id": "p"}},
    )
    with store.snapshot() as snapshot:
        counts = quality(snapshot)
        newest = newest_quarantined(snapshot, 2)
    assert (counts.accepted, counts.duplicate) == (2, 0)
    assert counts.undeclared == {"Product Viewed.shoe": 1}
    assert counts.unknown == {"Video Playback Started": 1}
    assert counts.flagged == {"zero_quantity": 1}
    assert counts.not_stored == {"group": 1}
    assert counts.quarantined == {
        "Order Completed.products[].price: has more decimals than EUR allows (2)": 1,
        "Order Completed.products[].product_id: is missing": 1,
        "Product Viewed.userId: neither userId nor anonymousId is given": 1,
    }  # fmt: skip
    assert [(row.type, row.field) for row in newest] == [
        ("Product Viewed", "userId"), ("Order Completed", "products[0].product_id")]  # fmt: skip


def test_a_sender_cannot_fill_the_store_with_names(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counter names and quarantined rows are bounded; what is over is still counted."""
    monkeypatch.setattr("tillwise.events.quality.COUNTER_NAMES", 5)
    monkeypatch.setattr("tillwise.events.quality.QUARANTINE_ROWS", 3)
    log = EventLog(store, SECRETS, LogClock(wall=lambda: NOW))
    for number in range(9):
        log.append([Dropped(counter=f"unknown event: {number}"), Quarantined(reason="bad")]).result()
    with store.snapshot() as snapshot:
        counts = quality(snapshot)
        rows = len(newest_quarantined(snapshot, 99))
    assert sum(counts.unknown.values()) == sum(counts.quarantined.values()) == 9
    assert "(others)" in counts.unknown
    assert len(counts.unknown) <= 6
    assert rows == 3


def test_counting_nothing_is_nothing(store: SqliteStore) -> None:
    store.commit(lambda t: count(t, {})).result()
    with store.snapshot() as snapshot:
        assert quality(snapshot).accepted == 0
