"""Hot keys: tiles plus raw ends give what raw rows give, whatever the windows, epochs, purposes and own orders."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import FRAUD, NOW, READABLE, expected, fill, permit_at, random_features, random_rows, random_spots

from tillwise.errors import ConfigurationError
from tillwise.events.facts import HOT_KEYS, Fact
from tillwise.events.types import event_code
from tillwise.features.feature import DAY, HOUR, Agg, Aggregate, FeatureSet
from tillwise.features.online import OnlineFeatures
from tillwise.features.tiles import TileWriter
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.position import Point

SOLD = FeatureSet(
    "sold",
    (
        Aggregate("sold_30d", "item", ("Order Completed",), Agg.SUM, 30 * DAY, "units sold", of="quantity", lines=True,
                  purposes=FRAUD),
        Aggregate("orders_3h", "shop", ("Order Completed",), Agg.COUNT, 3 * HOUR, "orders", purposes=FRAUD),
    ),
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), late=st.booleans())
def test_tiles_equal_raw_rows(seed: int, *, late: bool) -> None:
    """Tiles written beside the rows, or rebuilt after them, give the oracle's values."""
    draw = random.Random(seed)
    features, rows = random_features(draw, 10, HOT_KEYS), random_rows(draw, 120)
    spots = random_spots(draw, rows, 15)
    writer = TileWriter([features])
    with TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "log.db")
        fill(store, rows, None if late else writer, batch=40)
        if late:
            assert store.commit(writer.rebuild).result() == len(writer.accumulators)
        online = OnlineFeatures(features)
        with store.snapshot() as snapshot:
            found = [
                list(online.read(snapshot, permit_at(s.point, s.keys["subject"]), s.keys, {},
                                 exclude_order=s.order_ref, simulated=bool(s.simulated)))
                for s in spots
            ]  # fmt: skip
        assert found == expected(features, rows, spots, READABLE)
        before = tiles(store)
        store.commit(lambda transaction: writer.rebuild(transaction, everything=True)).result()
        assert tiles(store) == before
        store.close()


def tiles(store: SqliteStore) -> list[tuple[int, ...]]:
    """Return every tile."""
    with store.snapshot() as snapshot:
        return snapshot.all("SELECT * FROM tiles")


def test_tiles_that_were_never_built_are_no_zeros(tmp_path: Path) -> None:
    """A reader without tiles says so; it never reports that nothing happened."""
    store = SqliteStore(tmp_path / "log.db")
    fill(store, random_rows(random.Random(1), 20))
    with store.snapshot() as snapshot, pytest.raises(ConfigurationError, match="rebuild"):
        OnlineFeatures(SOLD).read(snapshot, permit_at(Point(0, NOW, 1)), {"item": 501}, {})
    store.close()


def test_rebuild_forgets_what_is_no_longer_declared(tmp_path: Path) -> None:
    """An accumulator that left and comes back is filled afresh, with what was appended meanwhile."""
    store = SqliteStore(tmp_path / "log.db")
    both, none = TileWriter([SOLD]), TileWriter([])
    sold = event_code("Order Completed")
    rows = [Fact(0, NOW + i, i, 0, sold, 511, 0, subject=1) for i in range(1, 4)]
    fill(store, rows[:1], both)
    assert store.commit(none.rebuild).result() == 0
    assert tiles(store) == []
    fill(store, rows[1:], none)
    assert store.commit(both.rebuild).result() == 2
    assert store.commit(both.rebuild).result() == 0
    with store.snapshot() as snapshot:
        values = OnlineFeatures(SOLD).read(snapshot, permit_at(Point(0, NOW + 2 * HOUR, 7)), {"item": None}, {})
    assert values == (None, 3.0)
    store.close()
