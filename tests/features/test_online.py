"""What a served row may see, and who may ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from oracle import FRAUD, NOW, fill, permit_at

from tillwise.engines.duckdb import Segments
from tillwise.errors import InvalidInput, NotPermitted
from tillwise.events.facts import Fact
from tillwise.events.types import event_code
from tillwise.features.feature import DAY, HOUR, Agg, Aggregate, FeatureSet
from tillwise.features.online import OnlineFeatures
from tillwise.features.points import NULL, Points
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.position import Head, Point
from tillwise.vocabulary.purpose import Purpose

PAID = event_code("Payment Attempted")
ORDER = 77
FEATURES = FeatureSet(
    "velocity",
    (
        Aggregate("tries_1h", "device", ("Payment Attempted",), Agg.COUNT, HOUR, "tries from a device", purposes=FRAUD),
        Aggregate("since_try", "subject", ("Payment Attempted",), Agg.TIME_SINCE, DAY, "time since a try",
                  purposes=FRAUD),
    ),
    request=("amount",),
    rows=(("amount_log", "log1p(amount)"), ("first", "isnull(since_try)")),
)  # fmt: skip


def attempt(seq: int, at: int, order: int | None = None, purposes: int = 511, simulated: int = 0) -> Fact:
    """Return a payment attempt of person 5 from device 9."""
    return Fact(0, at, seq, 0, PAID, purposes, simulated, subject=5, device=9, order_ref=order)


ROWS = [
    attempt(1, NOW - HOUR), attempt(2, NOW - HOUR + 1), attempt(3, NOW, ORDER), attempt(4, NOW),
    attempt(5, NOW, purposes=Purpose.MARKETING.bit), attempt(6, NOW, simulated=1),
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A log of a few attempts, three of them at the very same millisecond."""
    opened = SqliteStore(tmp_path / "log.db")
    fill(opened, ROWS)
    yield opened
    opened.close()


def read(store: SqliteStore, point: Point, order: int | None = None, *, simulated: bool = False) -> float | None:
    """Return tries_1h of device 9 at a point."""
    with store.snapshot() as snapshot:
        permit = permit_at(point, 5)
        keys = {"subject": 5, "device": 9}
        return OnlineFeatures(FEATURES).read(
            snapshot, permit, keys, {"amount": 1.0}, exclude_order=order, simulated=simulated
        )[0]


def test_the_scored_event_does_not_count_though_others_of_its_moment_do(store: SqliteStore) -> None:
    """The tie trap: rows of the same millisecond count up to the scored one, and it does not."""
    assert read(store, Point.before(epoch=0, at=NOW, seq=4)) == 2.0  # rows 2 and 3; row 1 lies on the open end
    assert read(store, Point.before(epoch=0, at=NOW, seq=3)) == 1.0
    assert read(store, Point.after(Head(6, NOW, 0), NOW)) == 3.0


def test_the_scored_orders_own_rows_never_count(store: SqliteStore) -> None:
    """Every row of the request's order is left out, whenever it was tracked; rows without an order stay."""
    assert read(store, Point.after(Head(6, NOW, 0), NOW), order=ORDER) == 2.0


def test_worlds_do_not_mix(store: SqliteStore) -> None:
    """Simulated rows are never part of a real value, nor the other way round."""
    assert read(store, Point.after(Head(6, NOW, 0), NOW), simulated=True) == 1.0


def test_training_sees_the_same(store: SqliteStore, tmp_path: Path) -> None:
    """The tie trap, own orders and worlds again, in the offline path; unknown keys read as empty."""
    segments = Segments(tmp_path / "segments")
    segments.export(store)
    after = 2 * 6 + 1
    points = Points.build(
        epoch=[0] * 6, at=[NOW] * 6, mark=[2 * 4 - 1, 2 * 3 - 1, after, after, after, after],
        keys={"device": [9, 9, 9, 9, 9, None], "subject": [5, 5, 5, 5, 5, NULL]},
        order_ref=[None, None, None, ORDER, None, None], simulated=[0, 0, 0, 0, 1, 0], request={"amount": [1.0] * 6},
    )  # fmt: skip
    table = segments.training_table(FEATURES, points, permit_at(Point(0, NOW, 1), training=True))
    assert table.column("tries_1h").tolist() == [2.0, 1.0, 3.0, 2.0, 1.0, 0.0]
    assert table.column("first").tolist() == [0, 0, 0, 0, 0, 1]
    assert table.definition == FEATURES.hash
    with pytest.raises(InvalidInput, match="amount"):
        segments.training_table(
            FEATURES, Points.build(epoch=[0], at=[NOW], mark=[1], keys={}), permit_at(Point(0, NOW, 1))
        )


def test_nothing_is_read_without_a_permit_for_it(store: SqliteStore, tmp_path: Path) -> None:
    """A refused permit, another purpose or another person's permit read nothing, in both paths."""
    online, point = OnlineFeatures(FEATURES), Point(0, NOW, 1)
    refused = [
        (permit_at(point, 5, granted=False), "refused"),
        (permit_at(point, 5, purpose=Purpose.MARKETING), "may not be read for marketing"),
        (permit_at(point, 6), "another person"),
    ]
    with store.snapshot() as snapshot:
        for permit, says in refused:
            with pytest.raises(NotPermitted, match=says):
                online.read(snapshot, permit, {"subject": 5}, {})
    points = Points.build(epoch=[0], at=[NOW], mark=[1], keys={}, request={"amount": [0.0]})
    for permit, _ in refused[:2]:
        with pytest.raises(NotPermitted):
            Segments(tmp_path / "segments").training_table(FEATURES, points, permit)


def test_unknown_keys_and_request_values_are_null(store: SqliteStore) -> None:
    """A key nobody knows counts 0 and is null otherwise; a value the request lacks is null."""
    with store.snapshot() as snapshot:
        row = OnlineFeatures(FEATURES).read(snapshot, permit_at(Point(0, NOW, 13), 5), {"device": 9}, {})
    assert row == (3.0, None, None, None, 1.0)
