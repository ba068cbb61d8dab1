"""A million decisions through the running service: is what each was served what training would compute? Bit for bit.

    python benchmarks/skew_service.py [--decisions 1000000] [--workers 2] [--folder DIR]

Protocol. The shop of decision_latency.py (40 000 payments of the last month, 15 windowed features over person, device,
card and address, 300 trees), served by real processes. 16 keep-alive connections send, over HTTP, decisions and, after
each tenth of them, a batch of payments: the payment of an order just decided about or about to be, 5 % of them held
back for up to 3 000 further orders and dated when they happened, 2 % sent twice, 10 % shuffled within the batch. Some
therefore arrive before their own decision, some in the same commit, some after. Then the server is stopped, the log is
exported, and the training SQL computes the rows of all recorded decisions at their log positions, 100 000 at a time:
every value that differs in any bit is counted. The last 100 000 are also computed as an event-time join would (a row
counts from the time it happened, whenever it arrived), which is what most feature stores do.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import heapq
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import decision_latency as shop
import numpy as np
from http_load import closed_loop, post
from skew import KEYS, Served, _permit, compare, event_time_segments

from tillwise.access.keys import create_key
from tillwise.app import build_app
from tillwise.decisions.receipt import decode
from tillwise.engines.duckdb import Segments
from tillwise.features.points import Points
from tillwise.stores.sqlite import SqliteStore

CHUNK = 100_000
EVERY = 10


class Traffic:
    """Yields decisions and batches of payments, seeded; counts the decisions."""

    def __init__(self, decide: str, ingest: str, seed: int) -> None:
        self._decide, self._draw = decide, random.Random(seed)
        self._auth = base64.b64encode(f"{ingest}:".encode()).decode()
        self._held: list[tuple[int, int, dict[str, Any]]] = []
        self.decisions = self.events = self.late = self.twice = 0

    def __iter__(self) -> Iterator[bytes]:
        for number in itertools.count():
            person = shop.somebody(self._draw)
            body = self._question(number, person)
            self._pay(number, person, body["order"]["amount"])
            if number % EVERY == 0:
                yield self._batch(number)
            self.decisions += 1
            yield post("/predict/fraud", self._decide, json.dumps(body).encode())

    def _question(self, number: int, person: int) -> dict[str, Any]:
        order = {"id": f"o-{number}", "amount": self._draw.randrange(500, 20_000), "currency": "EUR",
                 "items": [{"item_id": "sku-1", "quantity": 1}]}  # fmt: skip
        return {
            "request_id": f"r-{number}", "subject": f"u-{person}", "place": {"country": "DE"}, "order": order,
            "payment": {"method": "card", "card_hash": f"c-{person}"}, "billing": {"country": "DE"},
            "shipping": {"country": "DE", "address_hash": f"a-{person // 3}"}, "device_id": f"d-{person // 2}",
            "explain": "none", "deadline_ms": 5000,
        }  # fmt: skip

    def _pay(self, number: int, person: int, amount: int) -> None:
        """Note the payment of an order; it is sent a little before, with or after its decision, or much later."""
        late = self._draw.random() < 0.05
        self.late += late
        wait = self._draw.randrange(20, 3000) if late else self._draw.randrange(-EVERY, EVERY)
        now = time.time_ns() // 1_000_000
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // 1000))}.{now % 1000:03d}Z"
        event = {
            "type": "track", "event": "Payment Attempted", "userId": f"u-{person}", "messageId": f"live-{number}",
            "timestamp": stamp, "properties": {
                "order_id": f"o-{number}", "amount": amount / 100, "currency": "EUR", "status": "accepted",
                "method": "card", "device_id": f"d-{person // 2}", "card_hash": f"c-{person}",
                "address_hash": f"a-{person // 3}", "billing_country": "DE", "shipping_country": "DE",
            },
        }  # fmt: skip
        heapq.heappush(self._held, (number + wait, number, event))

    def _batch(self, number: int) -> bytes:
        due = []
        while self._held and self._held[0][0] <= number:
            due.append(heapq.heappop(self._held)[2])
        again = [event for event in due if self._draw.random() < 0.02]
        self.twice += len(again)
        due += again
        if self._draw.random() < 0.1:
            self._draw.shuffle(due)
        self.events += len(due)
        body = json.dumps({"batch": due}).encode()
        head = f"POST /v1/batch HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Basic {self._auth}\r\n"
        return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def drive(folder: Path, asked: argparse.Namespace) -> None:
    """Serve the shop and send the traffic; print what came back."""
    app = build_app(folder)
    traffic = Traffic(create_key(app.store, "decide", days=1)[1], create_key(app.store, "server", days=1)[1], 7)
    # The month before was dated by hand: it happened when the log says it arrived.
    app.store.commit(lambda transaction: transaction.run("UPDATE events SET ts = at")).result()
    app.close()
    port = shop.free_port()
    command = [sys.executable, shop.__file__, "--serve", str(folder), "--port", str(port),
               "--workers", str(asked.workers)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), *sys.path))}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    statuses: dict[int, int] = {}
    began = time.perf_counter()
    try:
        shop.wait_ready(port, process)
        requests = iter(traffic)
        with asyncio.Runner() as runner:
            while traffic.decisions < asked.decisions and time.perf_counter() - began < 60 * asked.minutes:
                done = runner.run(closed_loop(port, requests, seconds=10, connections=16))
                for status, n in done.statuses.items():
                    statuses[status] = statuses.get(status, 0) + n
                print(f"\r{traffic.decisions} decisions", end="", file=sys.stderr, flush=True)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
    print(f"\n{traffic.decisions} decisions and {traffic.events} payments ({traffic.late} late, {traffic.twice} twice)"
          f" in {time.perf_counter() - began:.0f} s; answers by status {statuses}")  # fmt: skip


def recorded(store: SqliteStore, columns: tuple[str, ...], after: int) -> tuple[Served, int]:
    """Return the next decisions on record and the position of the last of them."""
    served = Served()
    with store.snapshot() as snapshot:
        rows = snapshot.all(
            "SELECT seq, subject, order_ref, body FROM receipts WHERE seq > ? AND use_case = 'fraud' ORDER BY seq"
            f" LIMIT {CHUNK}", (after,),
        )  # fmt: skip
    for _, subject, order, body in rows:
        receipt = decode(body)
        row = receipt.features
        if row is None or row.columns != columns:
            continue
        served.points.append(receipt.point)
        served.keys.append({**receipt.facts.get("keys", {}), "subject": subject})
        served.orders.append(order)
        served.requests.append(receipt.facts.get("numbers", {}))
        served.values.append(row.values)
        served.worlds.append(int(receipt.simulated))
    return served, rows[-1][0] if rows else after


def check(folder: Path) -> None:
    """Compute every recorded row as training does, and compare."""
    features = shop.small_features()
    store = SqliteStore(folder / "tillwise.db")
    segments = Segments(folder / "segments")
    segments.export(store)
    wrong = total = after = 0
    last: tuple[Served, Points] | None = None
    while True:
        served, after = recorded(store, features.columns, after)
        if not served.values:
            break
        points = served.as_points(features.request)
        trained = segments.training_table(features, points, _permit(served.points[0], None)).values
        table = served.table()
        differ = (table.view(np.int32) != trained.view(np.int32)) & ~(np.isnan(table) & np.isnan(trained))
        wrong, total = wrong + int(differ.sum()), total + len(table)
        last = (served, points)
        print(f"{total} decisions × {table.shape[1]} values: {wrong} values differ", flush=True)
    if last is not None:
        served, points = last
        late = event_time_segments(store, folder / "segments", folder / "event_time")
        past = Points.build(epoch=points.epoch, at=points.at, mark=np.full(len(points), 2**62), keys=points.keys,
                            request=points.request, order_ref=points.order_ref)  # fmt: skip
        trained = late.training_table(features, past, _permit(served.points[0], None)).values
        compare(served, features, trained, "by event time")
    store.close()


def main() -> None:
    """Build, drive, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=120, help="stop sending after so long")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = asked.folder or Path(made) / "shop"
        shop.build(folder)
        print(f"keys {', '.join(KEYS)}; {len(shop.small_features().columns)} columns")
        drive(folder, asked)
        check(folder)


if __name__ == "__main__":
    main()
