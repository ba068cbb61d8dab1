"""Is what was served what is trained on? Every value, bit for bit.

    python benchmarks/skew.py [--decisions 100000] [--folder DIR]    a generated shop, replayed in order of arrival
    python benchmarks/skew.py --shop DIR [--use-case fraud]          the decisions a running service has recorded

The first form sends seeded events through the real event log in the order they arrive: 5 % late by an exponential time
of mean six hours, 10 % shuffled by seconds, 2 % delivered twice. At each order's arrival the features are read as a
decision reads them and stored; some events of the order itself have arrived before, and some come in the same moment.
The second form takes point, keys, request values and served values from the receipts of a shop, whatever drove it.

Both then compute the same rows with the training SQL at the stored log positions and count values that differ in any
bit. The first form also recomputes them as an event-time join would (a row counts from the time it happened, whenever
it arrived), which is what most feature stores do: its error is what log positions avoid.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from tillwise.decisions import receipts
from tillwise.engines.duckdb import Segments
from tillwise.engines.segments import COLUMNS, chain
from tillwise.events.ingest import read_message
from tillwise.events.keys import order_code, person_code
from tillwise.events.log import EventLog, read_head
from tillwise.events.people import find_pseudonym
from tillwise.events.tables import TABLES
from tillwise.features.feature import DAY, HOUR, Agg, Aggregate, FeatureSet, Key
from tillwise.features.online import OnlineFeatures
from tillwise.features.points import Points
from tillwise.features.tiles import TABLES as TILE_TABLES
from tillwise.features.tiles import TileWriter
from tillwise.privacy.permit import Permit, seal
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.use_cases.fraud.features import FEATURES as FRAUD_FEATURES
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.codes import code_of
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose

SEED = 7
START = 1_767_225_600_000
SECRETS = Secrets(log=b"only for this benchmark, 32 byte")
KEYS: tuple[Key, ...] = ("subject", "device", "card", "ip", "address", "email", "item", "merchant")
FRAUD = frozenset({Purpose.FRAUD_PREVENTION})
PAID, BOUGHT, VIEWED = ("Payment Attempted",), ("Order Completed",), ("Product Viewed",)


def _feature(
    name: str, key: Key, events: tuple[str, ...], agg: Agg, window: int, of: str | None = None, *, lines: bool = False
) -> Aggregate:
    return Aggregate(name, key, events, agg, window, name, of=of, lines=lines, purposes=FRAUD)


FEATURES = FeatureSet(
    "skew",
    (
        _feature("tries_1h", "subject", PAID, Agg.COUNT, HOUR),
        _feature("tries_30d", "subject", PAID, Agg.COUNT, 30 * DAY),
        _feature("paid_30d", "subject", PAID, Agg.SUM, 30 * DAY, "amount"),
        _feature("mean_90d", "subject", PAID, Agg.MEAN, 90 * DAY, "amount"),
        _feature("most_90d", "subject", PAID, Agg.MAX, 90 * DAY, "amount"),
        _feature("last_paid", "subject", PAID, Agg.LAST, 90 * DAY, "amount"),
        _feature("since_order", "subject", BOUGHT, Agg.TIME_SINCE, 90 * DAY),
        _feature("views_24h", "subject", VIEWED, Agg.COUNT, DAY),
        _feature("items_7d", "subject", VIEWED, Agg.DISTINCT, 7 * DAY, "item"),
        _feature("people_30d", "device", PAID, Agg.DISTINCT, 30 * DAY, "subject"),
        _feature("tries_24h_card", "card", PAID, Agg.COUNT, DAY),
        _feature("tries_24h_ip", "ip", PAID, Agg.COUNT, DAY),
        _feature("paid_merchant", "merchant", PAID, Agg.SUM, 30 * DAY, "amount"),
        _feature("tries_merchant", "merchant", PAID, Agg.COUNT, 3 * HOUR),
        _feature("sold_item", "item", BOUGHT, Agg.SUM, 7 * DAY, "quantity", lines=True),
        _feature("last_price", "item", BOUGHT, Agg.LAST, 7 * DAY, "amount", lines=True),
        _feature("orders_shop", "shop", BOUGHT, Agg.COUNT, DAY),
    ),
    request=("amount",),
    rows=(("ratio", "div(amount, mean_90d)"), ("paid_log", "log1p(paid_30d)"), ("new", "isnull(since_order)")),
)


@dataclass
class Served:
    """What decisions saw: where they stood, for whom, and the values they were given."""

    points: list[Point] = field(default_factory=list)
    keys: list[dict[str, int | None]] = field(default_factory=list)
    orders: list[int | None] = field(default_factory=list)
    requests: list[dict[str, float | None]] = field(default_factory=list)
    values: list[tuple[float | None, ...]] = field(default_factory=list)
    worlds: list[int] = field(default_factory=list)

    def table(self) -> NDArray[np.float32]:
        """Return the served values, NaN for null."""
        return np.array(self.values, dtype=np.float64).astype(np.float32)

    def as_points(self, request: tuple[str, ...]) -> Points:
        """Return the decisions as the points of a training table."""
        return Points.build(
            epoch=[p.epoch for p in self.points], at=[p.at for p in self.points], mark=[p.mark for p in self.points],
            keys={key: [found.get(key) for found in self.keys] for key in KEYS},
            request={name: [found.get(name) for found in self.requests] for name in request},
            order_ref=self.orders, simulated=self.worlds,
        )  # fmt: skip


def arrivals(decisions: int, draw: random.Random) -> Iterator[tuple[int, dict[str, Any] | None, dict[str, Any]]]:
    """Yield (arrival, message or None for a decision, order), sorted by arrival."""
    found: list[tuple[int, int, dict[str, Any] | None, dict[str, Any]]] = []
    step = 90 * DAY // decisions
    for number in range(decisions):
        order, at = _order(draw, number), START + number * step
        found.append((at, len(found), None, order))
        happened = [(at - draw.randrange(60_000, 3 * HOUR), name) for name in ("Product Viewed", "Product Viewed")]
        happened += [(at - 1000, "Checkout Started"), (at, "Payment Attempted"), (at + 500, "Order Completed")]
        for moment, name in happened:
            message = _message(draw, name, moment, order, len(found))
            chance = draw.random()
            late = draw.expovariate(1 / (6 * HOUR if chance < 0.05 else 5000)) if chance < 0.15 else 0
            found.append((moment + int(late), len(found), message, order))
            if draw.random() < 0.02:
                found.append((moment + int(late) + draw.randrange(DAY), len(found), message, order))
    found.sort(key=lambda each: each[:2])
    return ((arrival, message, order) for arrival, _, message, order in found)


def _order(draw: random.Random, number: int) -> dict[str, Any]:
    person = int(draw.lognormvariate(0, 1.2) * 4000)
    shared = person if draw.random() < 0.9 else draw.randrange(200)
    return {
        "id": f"o-{number}", "person": f"u-{person}", "device": f"d-{shared}", "card": f"c-{shared}",
        "ip": f"198.51.{person % 40}.{shared % 250}", "merchant": f"m-{draw.randrange(20)}",
        "item": f"i-{min(int(draw.paretovariate(0.6)), 5000)}", "amount": draw.randrange(100, 50_000),
    }  # fmt: skip


def _message(draw: random.Random, name: str, moment: int, order: dict[str, Any], number: int) -> dict[str, Any]:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment // 1000)) + f".{moment % 1000:03d}Z"
    message: dict[str, Any] = {
        "type": "track", "event": name, "messageId": f"m-{number}", "userId": order["person"], "timestamp": stamp,
        "context": {"ip": order["ip"], "device": {"id": order["device"]}},
    }  # fmt: skip
    price, product = order["amount"] / 100, {"product_id": order["item"], "quantity": draw.randint(1, 3)}
    if name == "Product Viewed":
        return {**message, "properties": {"product_id": f"i-{draw.randrange(3000)}", "currency": "EUR"}}
    properties = {"order_id": order["id"], "currency": "EUR"}
    if name == "Payment Attempted":
        more = {"amount": price, "card_hash": order["card"], "merchant_id": order["merchant"]}
        return {**message, "properties": {**properties, **more}}
    return {**message, "properties": {**properties, "total": price, "products": [{**product, "price": price}]}}


class Clock:
    """The log clock of the replay: the arrival of whatever is appended next, in the order of the store's queue."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.now = START

    def advance(self, arrival: int) -> None:
        """Let everything that is appended from here on arrive at `arrival`."""
        self._store.commit(lambda _: setattr(self, "now", arrival))


def replay(store: SqliteStore, decisions: int) -> Served:
    """Append what arrives, each at its own time, and decide as orders arrive."""
    store.create((*TABLES, *TILE_TABLES))
    writer, online, served, clock = TileWriter([FEATURES]), OnlineFeatures(FEATURES), Served(), Clock(store)
    store.commit(writer.rebuild).result()
    log = EventLog(store, SECRETS, LogClock(wall=lambda: clock.now), [writer])
    last: Future[Any] = store.commit(lambda _: None)
    for arrival, message, order in arrivals(decisions, random.Random(SEED)):
        if message is not None:
            clock.advance(arrival)
            last = log.append([read_message(message, received=arrival)])
            continue
        last.result()
        at = _decide(store, online, served, order, arrival)
        # as the receipts' transaction does: nothing later may be dated before a decision
        store.commit(lambda transaction, at=at: transaction.run("UPDATE head SET at = MAX(at, ?)", (at,)))
    last.result()
    return served


def _decide(store: SqliteStore, online: OnlineFeatures, served: Served, order: dict[str, Any], now: int) -> int:
    with store.snapshot() as snapshot:
        point = Point.after(read_head(snapshot), now)
        subject = find_pseudonym(snapshot, SECRETS, order["person"])
        keys = {"subject": subject, "item": code_of(order["item"]), "merchant": code_of(order["merchant"])}
        keys |= {key: person_code(SECRETS, key, order[key]) for key in ("device", "card", "ip")}
        reference, request = order_code(SECRETS, order["id"]), {"amount": float(order["amount"])}
        values = online.read(snapshot, _permit(point, subject), keys, request, exclude_order=reference)
    served.points.append(point)
    served.keys.append(keys)
    served.orders.append(reference)
    served.requests.append(request)
    served.values.append(values)
    served.worlds.append(0)
    return point.at


def _permit(point: Point, subject: Pseudonym | None) -> Permit:
    return Permit(seal(), Purpose.FRAUD_PREVENTION, "DE", "legitimate_interest", point, granted=True, subject=subject)


def recorded(store: SqliteStore, use_case: str, columns: tuple[str, ...], limit: int) -> Served:
    """Return the decisions of a use case as its receipts hold them."""
    served = Served()
    with store.snapshot() as snapshot:
        for kept in receipts.latest(snapshot, since=0, limit=limit):
            receipt, row = kept.receipt, kept.receipt.features
            if receipt.use_case != use_case or row is None or row.given or row.columns != columns or not row.values:
                continue
            served.points.append(receipt.point)
            who = kept.subject if kept.subject is not None else kept.anonymous
            served.keys.append({**receipt.facts.get("keys", {}), "subject": who})
            served.orders.append(kept.order_ref)
            served.requests.append(receipt.facts.get("numbers", {}))
            served.values.append(row.values)
            served.worlds.append(int(receipt.simulated))
    return served


def event_time_segments(store: SqliteStore, source: Path, target: Path) -> Segments:
    """Write the same log with each row at the time it happened instead of the time it was known."""
    with store.snapshot() as snapshot:
        happened = np.array(snapshot.all("SELECT seq, ts FROM events"), dtype=np.int64)
    with duckdb.connect() as connection:
        connection.register("happened", {"seq": happened[:, 0].copy(), "ts": happened[:, 1].copy()})
        for kind in COLUMNS:
            for segment in chain(source, kind):
                (target / segment.name).mkdir(parents=True)
                connection.execute(
                    f"COPY (SELECT e.* REPLACE (h.ts AS \"at\") FROM read_parquet('{segment}/*.parquet') e"
                    f" JOIN happened h ON h.seq = e.seq) TO '{target / segment.name}/00000.parquet' (FORMAT PARQUET)"
                )
    return Segments(target)


def compare(served: Served, features: FeatureSet, trained: NDArray[np.float32], what: str) -> None:
    """Print how many values and decisions differ in any bit."""
    table = served.table()
    differ = (table.view(np.int32) != trained.view(np.int32)) & ~(np.isnan(table) & np.isnan(trained))
    rows = int(differ.any(axis=1).sum())
    print(f"{what:16} {int(differ.sum())} of {differ.size} values differ, in {rows} of {len(table)} decisions"
          f" ({100 * rows / max(1, len(table)):.2f} %)")  # fmt: skip
    worst = sorted(zip(differ.sum(axis=0).tolist(), features.columns, strict=True), reverse=True)[:5]
    print("                 " + ", ".join(f"{name} {n}" for n, name in worst if n))


def main() -> None:
    """Replay or read, recompute, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--shop", type=Path)
    parser.add_argument("--use-case", default="fraud")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        features = FRAUD_FEATURES if given.shop else FEATURES
        store = SqliteStore((given.shop or folder) / ("tillwise.db" if given.shop else "skew.db"))
        started = time.perf_counter()
        if given.shop:
            served = recorded(store, given.use_case, features.columns, given.decisions)
        else:
            served = replay(store, given.decisions)
            print(f"{len(served.values)} decisions served in {time.perf_counter() - started:.0f} s, seed {SEED}")
        if not served.values:
            raise SystemExit("no decisions with the features of today are on record")
        segments = Segments(folder / "segments")
        segments.export(store)
        points, permit = served.as_points(features.request), _permit(served.points[0], None)
        compare(served, features, segments.training_table(features, points, permit).values, "by log position")
        if not given.shop:
            late = event_time_segments(store, folder / "segments", folder / "event_time")
            past = Points.build(epoch=points.epoch, at=points.at, mark=np.full(len(points), 2**62), keys=points.keys,
                                request=points.request, order_ref=points.order_ref)  # fmt: skip
            compare(served, features, late.training_table(features, past, permit).values, "by event time")
        store.close()


if __name__ == "__main__":
    main()
