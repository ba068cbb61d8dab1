"""What every feature means, in the plainest Python there is: one loop over all rows, no SQL, no arrays.

Also the random shops the tests are run on: late, reordered, tied and repeated rows, several epochs and permissions,
real and simulated worlds, rows of the scored order, and points that stand just before the scored row itself.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tillwise.events.facts import FACT_COLUMNS, HOT_KEYS, PERSON_KEYS, STREAM_COLUMNS, Fact
from tillwise.events.tables import TABLES as LOG_TABLES
from tillwise.events.types import event_code, line_code
from tillwise.features.feature import DAY, HOUR, Agg, Aggregate, FeatureSet, Where
from tillwise.features.points import Points
from tillwise.features.tiles import TABLES as TILE_TABLES
from tillwise.features.tiles import TileWriter
from tillwise.privacy.permit import Permit, seal
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose

FRAUD = frozenset({Purpose.FRAUD_PREVENTION})
EVENTS = ("Product Viewed", "Order Completed", "Payment Attempted", "Chargeback Received")
WINDOWS = (1, 1000, HOUR, 2 * HOUR, 2 * HOUR + 1, 5 * HOUR + 17, DAY, 3 * DAY, 40 * DAY)
NOW = 1_790_000_000_000
READABLE = Purpose.FRAUD_PREVENTION.bit
MASKS = (0, READABLE, READABLE | Purpose.TRAIN.bit, Purpose.MARKETING.bit, 511, 511, 511)


@dataclass(frozen=True)
class Spot:
    """One point with its keys: what is asked for."""

    point: Point
    keys: Mapping[str, int | None]
    order_ref: int | None
    simulated: int


def float32(value: float | None) -> float | None:
    """Round to float32 by the struct module, not by NumPy."""
    return None if value is None else struct.unpack("f", struct.pack("f", value))[0]


def value_of(aggregate: Aggregate, rows: Sequence[Fact], spot: Spot, mask: int) -> float | None:
    """Compute one feature at one point."""
    key = 0 if aggregate.key == "shop" else spot.keys.get(aggregate.key)
    codes = {(line_code if aggregate.lines else event_code)(name) for name in aggregate.events}
    found = [] if key is None else [row for row in rows if _counts(row, aggregate, key, codes, spot, mask)]
    found.sort(key=lambda row: (row.at, row.seq, row.line))
    if aggregate.agg is Agg.COUNT:
        return float(len(found))
    if aggregate.agg is Agg.TIME_SINCE:
        return float(spot.point.at - found[-1].at) if found else None
    values = [value for row in found if (value := getattr(row, str(aggregate.of))) is not None]
    if aggregate.agg is Agg.COUNT_NONNULL:
        return float(len(values))
    if aggregate.agg is Agg.DISTINCT:
        return float(len(set(values)))
    if not values:
        return None
    return {
        Agg.SUM: lambda: float(sum(values)), Agg.MEAN: lambda: float(sum(values)) / float(len(values)),
        Agg.MIN: lambda: float(min(values)), Agg.MAX: lambda: float(max(values)), Agg.LAST: lambda: float(values[-1]),
    }[aggregate.agg]()  # fmt: skip


def _counts(row: Fact, aggregate: Aggregate, key: int, codes: set[int], spot: Spot, mask: int) -> bool:
    point = spot.point
    return (
        getattr(row, aggregate.key) == key
        and row.type in codes
        and point.at - aggregate.window < row.at
        and (row.at, 2 * row.seq) < (point.at, point.mark)
        and row.epoch <= point.epoch
        and (row.purposes & mask) == mask
        and row.simulated == spot.simulated
        and (spot.order_ref is None or row.order_ref is None or row.order_ref != spot.order_ref)
        and all(_meets(row, condition) for condition in aggregate.where)
    )


def _meets(row: Fact, condition: Where) -> bool:
    value = getattr(row, condition.column)
    if value is None:
        return False
    if isinstance(condition.value, int):
        return bool(value == condition.value)
    if condition.op == "between":
        return bool(condition.value[0] <= value <= condition.value[1])
    return value in condition.value


def expected(features: FeatureSet, rows: Sequence[Fact], spots: Sequence[Spot], mask: int) -> list[list[float | None]]:
    """Compute all aggregates of a set at all points, as float32."""
    return [[float32(value_of(a, rows, spot, mask)) for a in features.aggregates] for spot in spots]


def random_features(draw: random.Random, n: int, keys: Sequence[str] = (*PERSON_KEYS, *HOT_KEYS)) -> FeatureSet:
    """Declare `n` random features that can be computed."""
    return FeatureSet("random", tuple(_random_aggregate(draw, f"f{i}", draw.choice(keys)) for i in range(n)))


def _random_aggregate(draw: random.Random, name: str, key: str) -> Aggregate:
    hot = key in HOT_KEYS
    agg = draw.choice([Agg.COUNT, Agg.COUNT_NONNULL, Agg.SUM, Agg.MEAN, Agg.LAST, Agg.TIME_SINCE] if hot else list(Agg))
    of = None
    if agg not in (Agg.COUNT, Agg.TIME_SINCE):
        of = draw.choice(["amount", "quantity", "flag"])
        if agg in (Agg.LAST, Agg.COUNT_NONNULL, Agg.DISTINCT):
            of = draw.choice([of, "kind", "brand"] if hot else [of, "kind", "device", "subject"])
    where = []
    if draw.random() < 0.4:
        where.append(
            draw.choice([Where("flag", "=", 1), Where("kind", "in", (1, 2)), Where("amount", "between", (-50, 400))])
        )
    windows = [w for w in WINDOWS if w <= DAY] if key == "ip" else WINDOWS
    events = tuple(draw.sample(EVENTS, draw.randint(1, 3)))
    return Aggregate(name, key, events, agg, draw.choice(windows), "a random feature", of=of, where=tuple(where),
                     lines=draw.random() < 0.3, purposes=FRAUD)  # fmt: skip


def random_rows(draw: random.Random, n: int) -> list[Fact]:
    """Write a log of `n` rows or a few more: `at` jumps back for imports and stands still for ties."""
    codes = [event_code(name) for name in EVENTS]
    rows: list[Fact] = []
    at, epoch = NOW - 30 * DAY, 0
    seq = 0
    while len(rows) < n:
        seq += 1
        at += draw.choice([0, 0, 1, 999, 1000, 60_000, HOUR // 2, HOUR, 7 * HOUR])
        if draw.random() < 0.05:  # an import arrives: later positions, earlier times
            epoch, at = epoch + 1, at - draw.choice([HOUR, DAY, 9 * DAY])
        if draw.random() < 0.1 and at > NOW - 30 * DAY:  # exactly on the edge of an hour or day
            at -= at % draw.choice([HOUR, DAY])
        rows += _random_event(draw, draw.choice(codes), (epoch, at, seq))
    return rows


def _random_event(draw: random.Random, code: int, position: tuple[int, int, int]) -> list[Fact]:
    def maybe(values: Sequence[int]) -> int | None:
        return draw.choice([None, *values, *values, *values])

    purposes, simulated, subject = draw.choice(MASKS), int(draw.random() < 0.1), maybe([11, 12, 13])
    order = draw.choice([None, None, 901, 902, 903])
    made = []
    for line in range(draw.choice([1, 1, 2, 4])):
        person = dict.fromkeys(PERSON_KEYS[1:])
        if line == 0:
            person = {key: maybe([i * 10 + 1, -i * 10 - 2]) for i, key in enumerate(person, 2)}
        epoch, at, seq = position
        made.append(
            Fact(epoch, at, seq, line, code + (1000 if line else 0), purposes, simulated, subject=subject, **person,
                 item=maybe([501, -502]), merchant=maybe([601]), order_ref=order, brand=maybe([1, 2]),
                 kind=maybe([1, 2, 3]), amount=maybe([-300, 0, 5, 99, 2**53 + 1, 10**15 - 1]),
                 quantity=maybe([0, 1, 2]), flag=maybe([0, 1]))
        )  # fmt: skip
    return made


def random_spots(draw: random.Random, rows: Sequence[Fact], n: int) -> list[Spot]:
    """Choose points: half stand just before a row (the scored one), others after the head or anywhere."""
    return [_random_spot(draw, rows) for _ in range(n)]


def _random_spot(draw: random.Random, rows: Sequence[Fact]) -> Spot:
    row = draw.choice(rows)
    newest = max(rows, key=lambda r: (r.at, r.seq))
    top = max(r.epoch for r in rows)
    chance = draw.random()
    if chance < 0.6:
        point = Point.before(epoch=draw.choice([row.epoch, top]), at=row.at, seq=row.seq)
    elif chance < 0.8:
        point = Point(epoch=top, at=newest.at + draw.choice([0, 1, HOUR, DAY]), mark=2 * max(r.seq for r in rows) + 1)
    else:
        point = Point(epoch=draw.randint(0, top), at=row.at + draw.choice([0, 1000, HOUR]), mark=2 * row.seq + 1)
    keys = {key: getattr(row, key) for key in (*PERSON_KEYS, "item", "merchant")}
    if draw.random() < 0.2:
        keys[draw.choice(list(keys))] = draw.choice([None, 424242])
    order = draw.choice([None, row.order_ref, row.order_ref, 903])
    return Spot(point, keys, order, row.simulated if draw.random() < 0.9 else 1 - row.simulated)


def fill(store: SqliteStore, rows: Sequence[Fact], writer: TileWriter | None = None, *, batch: int = 17) -> None:
    """Write rows into the log's tables as the log does, in batches, with the tiles beside them."""
    store.create((*LOG_TABLES, *TILE_TABLES))
    if writer is not None:
        store.commit(writer.rebuild).result()
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]

        def work(transaction: object, part: Sequence[Fact] = part) -> None:
            _insert(transaction, "facts", FACT_COLUMNS, part)
            for key in PERSON_KEYS:
                _insert(transaction, f"by_{key}", FACT_COLUMNS, [row for row in part if getattr(row, key) is not None])
            for key in HOT_KEYS:
                kept = [row for row in part if getattr(row, key) is not None]
                _insert(transaction, f"by_{key}", STREAM_COLUMNS, kept)
            transaction.run("UPDATE head SET seq = ?, at = MAX(at, ?)", (part[-1].seq, part[-1].at))  # type: ignore[attr-defined]
            if writer is not None:
                writer(transaction, part)  # type: ignore[arg-type]

        store.commit(work).result()


def _insert(transaction: object, table: str, columns: Sequence[str], rows: Sequence[Fact]) -> None:
    text = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    transaction.run_many(text, [tuple(getattr(row, c) for c in columns) for row in rows])  # type: ignore[attr-defined]


def permit_at(point: Point, subject: int | None = None, *, granted: bool = True, training: bool = False,
              purpose: Purpose = Purpose.FRAUD_PREVENTION) -> Permit:  # fmt: skip
    """Return a permit for a person at a point."""
    who = None if subject is None else Pseudonym(subject)
    return Permit(seal(), purpose, "DE", "legitimate_interest", point, granted, subject=who, training=training)


def points_of(spots: Sequence[Spot]) -> Points:
    """Return spots as the points of a training table."""
    return Points.build(
        epoch=[s.point.epoch for s in spots], at=[s.point.at for s in spots], mark=[s.point.mark for s in spots],
        keys={key: [s.keys[key] for s in spots] for key in (*PERSON_KEYS, "item", "merchant")},
        order_ref=[s.order_ref for s in spots], simulated=[s.simulated for s in spots],
    )  # fmt: skip
