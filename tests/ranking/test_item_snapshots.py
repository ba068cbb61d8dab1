"""Item snapshots: the same boundary has the same bytes, whenever it is built, and no small count leaves the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tillwise.errors import ArtifactDamaged
from tillwise.events.catalog import Item, remember_texts, set_stock, upsert_items
from tillwise.events.event import Event
from tillwise.events.ingest import read_message
from tillwise.events.record import record
from tillwise.events.tables import TABLES as LOG_TABLES
from tillwise.features.feature import DAY, HOUR
from tillwise.features.shelf import SnapshotShelf
from tillwise.features.snapshots import (
    SMALL_COUNT,
    UNKNOWN,
    WINDOWS,
    ItemSnapshot,
    boundary,
    build,
    read_item_snapshot,
)
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.codes import code_of

SECRETS = Secrets(log=b"0123456789abcdef0123456789abcdef")
EDGE = boundary(1_790_000_000_000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "log.db")
    opened.create(LOG_TABLES)
    items = [
        Item(item_id=f"i-{n}", title=f"Thing {n}", category="kind" if n else None, price=100 + n, in_stock=3)
        for n in range(5)
    ]
    opened.commit(lambda t: upsert_items(t, items, 0)).result()
    yield opened
    opened.close()


class Writer:
    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.seq = 0

    def __call__(self, name: str, item: str, at: int, *, simulated: bool = False, **more: Any) -> None:
        properties: dict[str, Any] = {"product_id": item, **more}
        if name == "Order Completed":
            product = {"product_id": item, "quantity": 1, "price": 1}
            properties = {"order_id": f"o-{self.seq}", "currency": "EUR", "products": [product]}
        message = {"type": "track", "event": name, "userId": "u-1", "properties": properties}
        if simulated:
            message["context"] = {"source": "simulated"}
        event = read_message(message, received=at)
        assert isinstance(event, Event), event
        self.seq += 1
        seq = self.seq
        self.store.commit(lambda t: record(t, SECRETS, [event], first_seq=seq, at=at, epoch=0)).result()


@pytest.fixture
def write(store: SqliteStore) -> Writer:
    return Writer(store)


def built(store: SqliteStore, at: int = EDGE, **more: Any) -> ItemSnapshot:
    with store.snapshot() as snapshot:
        return build(snapshot, at, 0, **more)


def row(items: ItemSnapshot, item: str) -> int:
    return items.places[code_of(item)]


def test_windows_are_half_open_and_end_before_the_boundary(store: SqliteStore, write: Writer) -> None:
    """[boundary − days, boundary): the row at the boundary is of the next hour, the one at the far end still counts."""
    for at in (EDGE, EDGE - 1, EDGE - DAY, EDGE - DAY - 1, EDGE - 30 * DAY, EDGE - 30 * DAY - 1):
        for _ in range(SMALL_COUNT):
            write("Order Completed", "i-1", at)
    items = built(store, EDGE + HOUR - 1)
    assert items.boundary == EDGE
    by_window = dict(zip(WINDOWS, items.bought[row(items, "i-1")].tolist(), strict=True))
    assert by_window == {1: 2 * SMALL_COUNT, 7: 3 * SMALL_COUNT, 30: 4 * SMALL_COUNT}


def test_small_counts_are_nothing(store: SqliteStore, write: Writer) -> None:
    """Fewer than SMALL_COUNT purchases look like none; views are counted apart and suppressed alike."""
    for _ in range(SMALL_COUNT - 1):
        write("Order Completed", "i-1", EDGE - HOUR)
        write("Product Viewed", "i-2", EDGE - HOUR)
    for _ in range(SMALL_COUNT):
        write("Product Viewed", "i-3", EDGE - HOUR)
    items = built(store)
    assert not items.bought.any()
    assert items.viewed[row(items, "i-3")].tolist() == [SMALL_COUNT] * len(WINDOWS)
    assert not items.viewed[row(items, "i-2")].any()


def test_what_comes_later_changes_nothing_for_a_past_boundary(store: SqliteStore, write: Writer) -> None:
    """The same boundary, built before and after the log went on, has the same name: training sees what serving saw."""
    for _ in range(4):
        write("Order Completed", "i-1", EDGE - HOUR)
    write("Price Changed", "i-1", EDGE - HOUR, price=7, currency="EUR")
    before = built(store, past=True)
    for _ in range(5):
        write("Order Completed", "i-1", EDGE + 1)
    write("Price Changed", "i-1", EDGE + 2, price=9, currency="EUR")
    write("Inventory Changed", "i-1", EDGE + 3, quantity=0)
    after = built(store, EDGE + 5, past=True)
    assert after.boundary == before.boundary
    assert (after.bought == before.bought).all()
    assert after.price[row(after, "i-1")] == before.price[row(before, "i-1")] == 700


def test_simulated_rows_live_in_another_world(store: SqliteStore, write: Writer) -> None:
    """Real popularity never counts simulated orders, nor the other way round."""
    for _ in range(5):
        write("Order Completed", "i-1", EDGE - HOUR, simulated=True)
    assert not built(store).bought.any()
    assert built(store, simulated=True).bought.any()


def test_a_snapshot_is_read_back_whole(store: SqliteStore, write: Writer) -> None:
    """Bytes → snapshot → the same bytes; damaged bytes are refused."""
    for _ in range(4):
        write("Order Completed", "i-1", EDGE - HOUR)
    items = built(store)
    again = read_item_snapshot(items.data)
    assert again.data == items.data
    assert again.name == items.name
    assert again.item_ids == items.item_ids
    assert again.titles[row(again, "i-2")] == "Thing 2"
    assert (again.popular(7) == np.log1p(items.bought[:, WINDOWS.index(7)]).astype(np.float32)).all()
    for data in (b"", items.data[:100], b"PK\x03\x04" + items.data[4:50]):
        with pytest.raises(ArtifactDamaged):
            read_item_snapshot(data)
    assert len(items.take(np.array([1, 3]))) == 2
    assert items.cost.tolist() == [UNKNOWN] * 5


def test_the_shelf_builds_a_boundary_once_and_finds_every_name(
    store: SqliteStore, write: Writer, tmp_path: Path
) -> None:
    """Within the hour all get the same snapshot; any process finds it by name; changed bytes are refused."""
    for _ in range(4):
        write("Order Completed", "i-1", EDGE - HOUR)
    folder = tmp_path / "snapshots"
    shelf = SnapshotShelf(folder)
    assert shelf.newest() is None
    with store.snapshot() as snapshot:
        first = shelf.current(snapshot, EDGE + 5, 0)
        assert shelf.current(snapshot, EDGE + HOUR - 1, 0) is first
        later = shelf.current(snapshot, EDGE + HOUR, 0)
    assert later.name != first.name
    other = SnapshotShelf(folder)
    assert other.load(first.name).data == first.data
    place = folder / f"{first.name.removeprefix('sha256:')}.npz"
    place.write_bytes(place.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactDamaged, match="changed"):
        SnapshotShelf(folder).load(first.name)
    with pytest.raises(ArtifactDamaged):
        other.load("sha256:" + "0" * 64)


def test_a_starting_process_takes_what_another_built_and_knows_where_the_log_stood(
    store: SqliteStore, write: Writer, tmp_path: Path
) -> None:
    """The note beside the snapshots saves the building; a note that is broken, or of another hour, is no harm."""
    write("Order Completed", "i-1", EDGE - HOUR)
    store.commit(lambda t: t.run("UPDATE head SET seq = 41")).result()
    folder = tmp_path / "snapshots"
    with store.snapshot() as snapshot:
        first = SnapshotShelf(folder).current(snapshot, EDGE, 0)
        store.commit(lambda t: upsert_items(t, [Item(item_id="i-new")], 42)).result()
    with store.snapshot() as snapshot:
        other = SnapshotShelf(folder)
        taken = other.current(snapshot, EDGE, 0)
        assert taken.name == first.name
        assert other.seen(taken) == 41
        assert code_of("i-new") in SnapshotShelf(folder).current(snapshot, EDGE + HOUR, 0).places
        (folder / "newest.json").write_bytes(b"{")
        assert code_of("i-new") in SnapshotShelf(folder).current(snapshot, EDGE, 0).places


def test_what_was_sold_without_a_catalogue_is_there_by_its_id(store: SqliteStore, write: Writer) -> None:
    """A shop that sends events and no catalogue still gets lists; what was only looked at is nobody's word."""
    write("Order Completed", "x-9", EDGE - HOUR)
    write("Product Viewed", "x-8", EDGE - HOUR)
    store.commit(lambda t: remember_texts(t, {"x-9", "x-8"})).result()
    items = built(store)
    assert items.item_ids[row(items, "x-9")] == "x-9"
    assert code_of("x-8") not in items.places
    assert items.codes.tolist() == sorted(items.codes.tolist())
    assert items.stock[row(items, "x-9")] == UNKNOWN


def test_a_kept_shelf_never_makes_a_request_build(store: SqliteStore) -> None:
    """Once refreshed from outside, a request gets the hour before until the new one is there, and not for ever."""
    shelf = SnapshotShelf()
    with store.snapshot() as snapshot:
        first = shelf.refresh(snapshot, EDGE, 0)
        assert shelf.current(snapshot, EDGE + HOUR, 0) is first
        assert shelf.current(snapshot, EDGE + 3 * HOUR, 0) is not first
        store.commit(lambda t: set_stock(t, "i-2", 0, 9)).result()
    with store.snapshot() as snapshot:
        fresh = shelf.refresh(snapshot, EDGE + 4 * HOUR, 0)
    assert fresh.stock[row(fresh, "i-2")] == 0
