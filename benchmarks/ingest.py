"""How fast events come in: parsed, validated, deduplicated, keyed, and acknowledged after the disk's sync.

    python benchmarks/ingest.py                                    in process: reading bodies, then EventLog.append
    python benchmarks/ingest.py --http http://127.0.0.1:8420 --key KEY     over HTTP, batches posted to /v1/batch

Protocol. `--events` events (default 60 000) of a shop's day, seeded: half product views, the rest searches, carts,
orders of one to four lines and payments with all person-like keys; all keyed tables, and hour and day tiles of
merchants, items and the whole shop. Batches of 100, `--clients` of them in flight.
In the same run and folder: the raw SQLite insert of the very same rows into the same tables and indexes, one
transaction and one full sync per batch, nothing else (`executemany` on ready tuples), and the disk's own fsync.
Targets: at least 0.35 × raw and 8 000 events/s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import httpx

from tillwise.events.ingest import read_body, read_message
from tillwise.events.log import Appended, EventLog
from tillwise.events.tables import TABLES
from tillwise.features.feature import DAY, Agg, Aggregate, FeatureSet, Key
from tillwise.features.tiles import TABLES as TILE_TABLES
from tillwise.features.tiles import TileWriter
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.use_cases.fraud.features import FEATURES as FRAUD
from tillwise.vocabulary.clock import LogClock, wall_now
from tillwise.vocabulary.purpose import Purpose

BATCH = 100
ALL_TABLES = (*TABLES, *TILE_TABLES)
HOT_EVENTS = (("Order Completed", True), ("Product Viewed", False), ("Product Added", False))


def _hot(agg: Agg, key: Key, event: str, of: str | None, *, lines: bool) -> Aggregate:
    name = f"{agg}_{key}_{event.split()[1].lower()}"
    purposes = frozenset({Purpose.OPERATIONS})
    return Aggregate(name, key, (event,), agg, 30 * DAY, "for the benchmark", of, lines, purposes=purposes)


HOT = FeatureSet(
    "hot",
    (
        *(_hot(Agg.COUNT, "item", event, None, lines=lines) for event, lines in HOT_EVENTS),
        *(_hot(Agg.SUM, "item", event, "quantity", lines=lines) for event, lines in HOT_EVENTS),
        *(_hot(Agg.COUNT, "shop", event, None, lines=lines) for event, lines in HOT_EVENTS),
    ),
)
"""Hot keys as recommendations and monitors read them: two sums of three events by item, counts of the whole shop."""
SECRETS = Secrets(b"benchmark secret of 32 bytes ...")


def main() -> None:
    arguments = _arguments()
    bodies = list(make_bodies(arguments.events, arguments.seed))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        print(f"events           {arguments.events}, {len(bodies)} batches of {BATCH}, seed {arguments.seed}")
        print(f"fsync p50        {fsync_p50(Path(folder)) * 1e6:.0f} µs")
        if arguments.http:
            rate = over_http(bodies, arguments.http, arguments.key, arguments.clients)
            print(f"HTTP             {rate:,.0f} events/s")
        parsing = measure(len(bodies), lambda: [read_all(body) for body in bodies])
        print(f"read + validate  {parsing:,.0f} events/s")
        ours = in_process(bodies, Path(folder) / "ours.db", arguments.clients)
        print(f"append           {ours:,.0f} events/s (read, validated, acknowledged after sync)")
        raw = raw_inserts(Path(folder) / "ours.db", Path(folder) / "raw.db")
        print(f"raw SQLite       {raw:,.0f} events/s (same rows, tables and indexes)")
        print(f"ratio            {(rate if arguments.http else ours) / raw:.2f} × raw")


def make_bodies(events: int, seed: int) -> Iterator[bytes]:
    """Return JSON bodies for /v1/batch; the same seed gives the same shop's day."""
    draw = random.Random(seed)
    now = wall_now()
    for start in range(0, events, BATCH):
        messages = [_message(draw, start + index, seed) for index in range(min(BATCH, events - start))]
        yield json.dumps({"batch": messages, "sentAt": _iso(now)}).encode()


def _message(draw: random.Random, number: int, seed: int) -> dict[str, Any]:
    user = f"user-{int(draw.lognormvariate(0, 1.2) * 2000)}"
    message: dict[str, Any] = {
        "type": "track", "messageId": f"{seed}-{number}-{draw.getrandbits(64):x}", "userId": user,
        "anonymousId": f"anon-{user}", "timestamp": _iso(wall_now()), "integrations": {},
        "context": {"ip": f"198.51.{draw.randrange(100)}.{draw.randrange(250)}", "device": {"id": f"device-{user}"},
                    "library": {"name": "analytics-python", "version": "2.3.4"}},
    }  # fmt: skip
    kind = draw.random()
    if kind < 0.5:
        return {**message, "event": "Product Viewed", "properties": {**_product(draw), "currency": "EUR"}}
    if kind < 0.6:
        return {**message, "event": "Products Searched", "properties": {"query": f"blue roses {draw.randrange(500)}"}}
    if kind < 0.78:
        return {**message, "event": "Product Added", "properties": {**_product(draw), "cart_id": f"cart-{user}"}}
    order = f"order-{seed}-{number}"
    if kind < 0.9:
        products = [_product(draw) for _ in range(draw.randint(1, 4))]
        total = round(sum(line["price"] * line["quantity"] for line in products), 2)
        return {**message, "event": "Order Completed", "properties": {
            "order_id": order, "total": total, "currency": "EUR", "coupon": "MAY", "products": products,
            "billing_country": "DE", "shipping_country": "DE"}}  # fmt: skip
    return {**message, "event": "Payment Attempted", "properties": {
        "order_id": order, "amount": draw.randrange(100, 20000) / 100, "currency": "EUR", "method": "card",
        "status": "authorised", "card_hash": f"card-{user}", "bin": "411111", "merchant_id": f"m-{draw.randrange(50)}",
        "billing_country": "DE", "shipping_country": draw.choice(("DE", "PL")), "email": f"{user}@example.com",
        "address_hash": f"address-{user}"}}  # fmt: skip


def _product(draw: random.Random) -> dict[str, Any]:
    item = min(int(draw.paretovariate(0.6)), 50_000)
    return {"product_id": f"sku-{item}", "category": f"category-{item % 40}", "brand": f"brand-{item % 200}",
            "price": draw.randrange(100, 10_000) / 100, "quantity": draw.randint(1, 3)}  # fmt: skip


def _iso(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000)) + f".{ms % 1000:03d}Z"


def read_all(body: bytes) -> list[Any]:
    """Decode and validate one body, as the API does."""
    delivery = read_body(body, "batch")
    now = wall_now()
    return [read_message(message, received=now, sent_at=delivery.sent_at) for message in delivery.messages]


def hooks() -> tuple[TileWriter, ...]:
    """Return what keeps the tiles of hot keys: merchants as fraud reads them, items and the shop by their orders."""
    return (TileWriter((FRAUD, HOT)),)


def in_process(bodies: list[bytes], path: Path, clients: int) -> float:
    """Read and append every body with `clients` batches in flight; return events per second."""
    store = SqliteStore(path)
    store.create(ALL_TABLES)
    log = EventLog(store, SECRETS, LogClock(), hooks())

    def run() -> None:
        waiting: list[Future[Appended]] = []
        for body in bodies:
            waiting.append(log.append(read_all(body)))
            if len(waiting) >= clients:
                assert waiting.pop(0).result().accepted
        assert all(future.result().accepted for future in waiting)

    rate = measure(len(bodies), run)
    store.close()
    return rate


def raw_inserts(source: Path, target: Path) -> float:
    """Insert the rows of `source` into the same empty tables; return events per second of it."""
    read = sqlite3.connect(source)
    names = [row[0] for row in read.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'head'")]
    with_seq = [name for name in names if name in ("events", "facts") or name.startswith("by_")]
    rows = {name: read.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    read.close()
    batches = max(1, len(rows["events"]) // BATCH)
    write = sqlite3.connect(target, isolation_level=None)
    write.execute("PRAGMA journal_mode = WAL")
    write.execute("PRAGMA synchronous = FULL")
    for statement in ALL_TABLES:
        write.execute(statement)
    work = {name: _in_batches(name, rows[name], batches, by_seq=name in with_seq) for name in names}
    holes = {name: ",".join("?" * len(rows[name][0])) for name in names if rows[name]}

    def run() -> None:
        for index in range(batches):
            write.execute("BEGIN IMMEDIATE")
            for name, hole in holes.items():
                write.executemany(f"INSERT INTO {name} VALUES ({hole})", work[name][index])
            write.execute("COMMIT")

    started = time.perf_counter()
    run()
    seconds = time.perf_counter() - started
    write.close()
    return len(rows["events"]) / seconds


def _in_batches(name: str, rows: list[Any], batches: int, *, by_seq: bool) -> list[list[Any]]:
    """Deal a table's rows out in the order they were written."""
    dealt: list[list[Any]] = [[] for _ in range(batches)]
    column = {"events": 0, "facts": 2}.get(name, 2)
    for index, row in enumerate(rows):
        place = (row[column] - 1) // BATCH if by_seq else index * batches // max(1, len(rows))
        dealt[min(place, batches - 1)].append(row)
    return dealt


def over_http(bodies: list[bytes], url: str, key: str, clients: int) -> float:
    """Post every body with keep-alive connections, `clients` at a time; return acknowledged events per second."""
    queue: SimpleQueue[bytes] = SimpleQueue()
    for body in bodies:
        queue.put(body)

    def post() -> None:
        with httpx.Client(base_url=url, auth=(key, ""), timeout=30) as client:
            while True:
                try:
                    body = queue.get_nowait()
                except Empty:
                    return
                answer = client.post("/v1/batch", content=body, headers={"Content-Type": "application/json"})
                if answer.status_code != 200:
                    raise SystemExit(f"a batch failed: {answer.status_code} {answer.text[:200]}")

    def run() -> None:
        with ThreadPoolExecutor(clients) as pool:
            for posting in [pool.submit(post) for _ in range(clients)]:
                posting.result()

    return measure(len(bodies), run)


def measure(batches: int, run: Callable[[], Any]) -> float:
    """Return events per second of `run`."""
    started = time.perf_counter()
    run()
    return batches * BATCH / (time.perf_counter() - started)


def fsync_p50(folder: Path) -> float:
    """Return the median seconds to append 4 KB and sync."""
    times = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(200):
            started = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return sorted(times)[len(times) // 2]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--folder", default=None, help="where to write; the disk that is measured")
    parser.add_argument("--http", default="", help="URL of a running server")
    parser.add_argument("--key", default="", help="its server key")
    return parser.parse_args()


if __name__ == "__main__":
    main()
