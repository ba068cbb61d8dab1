"""How long a list of 20 from 50 000 items takes over HTTP, all included: permit, history, ranking, rules, receipt.

    python benchmarks/recommend_latency.py [--rate 200] [--seconds 20] [--workers 2] [--parts]

Protocol. 50 000 invented items in 400 categories and 1 500 brands; 3 000 people with 4 to 8 orders of 6 to 18 lines in
half a year, skewed towards popular items. The blend has every part switched on: neighbours and EASE on the head, 64
factors with the person folded in, own history, content, two popularity windows. Rules, variety, exploration, the
strongest reasons of every item, and a durable receipt (one full sync) before every answer. Placements home, product
and cart in turn. Poisson arrivals, latency from the moment a request was due. Server and generator share the machine.
Target: p99 ≤ 20 ms at 200 requests/s on two cores. `--parts` prints where the time goes in one process instead.
"""

from __future__ import annotations

import argparse
import asyncio
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
from dataclasses import replace
from pathlib import Path

import numpy as np
import uvicorn
from decision_latency import FOLDER, Tally, free_port, fsyncs, show, spread_over_time, wait_ready
from http_load import closed_loop, open_loop, post

from tillwise.access.keys import create_key
from tillwise.api.create import create_api
from tillwise.api.door import Door
from tillwise.api.serve import tune
from tillwise.app import build_app
from tillwise.cli.init import create_shop
from tillwise.decisions.decision import Place, Request
from tillwise.events.catalog import Item, upsert_items
from tillwise.events.ingest import read_message
from tillwise.events.log import read_head
from tillwise.features.feature import DAY
from tillwise.features.snapshots import build as build_items
from tillwise.jobs.learning import Material
from tillwise.models.ranking.blend import BlendModel
from tillwise.models.ranking.fit import fit_components
from tillwise.releases.gate import Choice
from tillwise.use_cases.recommendations import FEATURES
from tillwise.use_cases.recommendations.learner import SETTINGS, attributes
from tillwise.use_cases.recommendations.material import read_behaviour

ITEMS, CATEGORIES, BRANDS, PEOPLE = 50_000, 400, 1_500, 3_000
WEIGHTS = {"knn": 0.15, "ease": 0.15, "als": 0.2, "own": 0.3, "content": 0.1, "popular_7d": 0.05, "popular_30d": 0.05}


def make(folder: Path, seed: int = 7) -> None:
    """Make the protocol's shop: catalogue, log, model, release."""
    create_shop(folder)
    app = build_app(folder)
    rng = np.random.default_rng(seed)
    items = [
        Item(item_id=f"sku-{n}", title=f"Thing {n}", category=f"kind {n % CATEGORIES}", brand=f"brand {n % BRANDS}",
             price=int(rng.integers(100, 20_000)), cost=50, in_stock=int(rng.random() > 0.05))
        for n in range(ITEMS)
    ]  # fmt: skip
    app.store.commit(lambda transaction: upsert_items(transaction, items, 0)).result()
    now = app.clock.now()
    orders = [order for person in range(PEOPLE) for order in _orders(rng, person)]
    rng.shuffle(orders)
    for start in range(0, len(orders), 1_000):
        app.log.append([read_message(m, received=now) for m in orders[start : start + 1_000]]).result()
    spread_over_time(app.store, now - 180 * DAY, now)
    app.store.commit(_spread_stream).result()
    _release(folder, seed)
    app.close()


def _orders(rng: np.random.Generator, person: int) -> list[dict[str, object]]:
    taste = rng.integers(0, ITEMS, 40)
    orders = []
    for number in range(int(rng.integers(4, 9))):
        popular = (ITEMS * rng.random(12) ** 6).astype(int)
        lines = rng.choice(np.concatenate([taste, popular]), int(rng.integers(6, 19)), replace=False)
        products = [{"product_id": f"sku-{n}", "quantity": 1, "price": 10} for n in lines.tolist()]
        properties = {"order_id": f"o-{person}-{number}", "currency": "EUR", "products": products}
        orders.append({"type": "track", "event": "Order Completed", "userId": f"u-{person}", "properties": properties})
    return orders


def _spread_stream(transaction) -> None:  # type: ignore[no-untyped-def]
    for table in ("by_shop", "by_item"):
        transaction.run(f"UPDATE {table} SET at = (SELECT f.at FROM facts f WHERE f.seq = {table}.seq LIMIT 1)")


def _release(folder: Path, seed: int) -> None:
    app = build_app(folder)
    with app.store.snapshot() as snapshot:
        head = read_head(snapshot)
        items = build_items(snapshot, head.at, head.epoch)
    gate = type(app.gate)(default_place="US")
    material = Material(app.store, app.segments, gate, app.clock, folder, seed)
    _, histories = read_behaviour(material, items, head.at + 1).before(head.at + 1, days=365, limit=1000)
    components = fit_components(histories, items.codes, SETTINGS, seed, attributes(items))
    parts = tuple(replace(part, weight=WEIGHTS[part.name]) for part in SETTINGS.parts())
    manifest = {"use_case": "recommendations", "features": FEATURES.hash, "params": SETTINGS.describe()}
    artifact = BlendModel(components, parts).artifact(manifest)
    artifact.save(app.folder.models)
    app.releases.release(
        "recommendations", Choice("model", "blend", artifact.version, "benchmark", ()), who="benchmark"
    )
    app.close()


def bodies(seed: int, explain: str = "top") -> Iterator[dict[str, object]]:
    """Yield questions of known people, placements in turn."""
    draw = random.Random(seed)
    run = os.urandom(4).hex()
    for number in itertools.count():
        body: dict[str, object] = {
            "request_id": f"{run}-{number}", "subject": f"u-{draw.randrange(PEOPLE)}", "place": {"country": "US"},
            "placement": ("home", "product", "cart")[number % 3], "k": 20, "explain": explain, "deadline_ms": 1000,
        }  # fmt: skip
        if number % 3 == 1:
            body["item_id"] = f"sku-{draw.randrange(ITEMS)}"
        if number % 3 == 2:
            body["cart"] = [{"item_id": f"sku-{draw.randrange(ITEMS)}", "quantity": 1} for _ in range(3)]
        yield body


def questions(key: str, seed: int) -> Iterator[bytes]:
    """Yield the same as HTTP requests."""
    return (post("/rank/recommendations", key, json.dumps(body).encode()) for body in bodies(seed))


def worker() -> Door:
    """Build the door of one server process."""
    door = create_api(build_app(Path(os.environ[FOLDER])))
    tune()
    return door


def in_process(folder: Path, times: int = 300) -> None:
    """Print the receipt's own split of the time, in one process and thread."""
    app = build_app(folder)
    latencies = []
    receipt = None
    for number, body in zip(range(times + 20), bodies(5), strict=False):
        asked = {name: value for name, value in body.items() if name not in ("subject", "request_id", "place")}
        asked.pop("deadline_ms")
        request = Request(None, asked, subject=str(body["subject"]), place=Place("US"), deadline_ms=10_000)
        answer = app.road.decide(app.use_case("recommendations"), request, "benchmark")
        if number >= 20:
            latencies.append(answer.receipt.latency)
        receipt = answer
    for step in ("permit", "know", "think", "act", "total"):
        spent = np.array([getattr(latency, step) for latency in latencies]) / 1000
        print(f"{step:8s} p50 {np.median(spent):6.2f} ms   p99 {np.quantile(spent, 0.99):6.2f} ms")
    print(
        f"degraded {receipt.decision.degraded}, {len(receipt.decision.items)} items, answer {len(receipt.body)} bytes"
    )
    app.close()


def measure(folder: Path, asked: argparse.Namespace) -> None:
    """Serve the shop and load it."""
    app = build_app(folder)
    key = create_key(app.store, "decide", days=1)[1]
    app.close()
    p50, p99 = fsyncs(folder)
    print(f"fsync of this disk: p50 {p50:.3f} ms, p99 {p99:.3f} ms; {os.cpu_count()} CPUs, {asked.workers} workers")
    port = free_port()
    command = [sys.executable, __file__, "--serve", str(folder), "--port", str(port), "--workers", str(asked.workers)]
    here = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": here, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        wait_ready(port, process)
        with asyncio.Runner() as runner:
            runner.run(closed_loop(port, questions(key, 1), seconds=4, connections=8))
            time.sleep(1)
            tally = Tally()
            loop = open_loop(port, questions(key, 2), rate=asked.rate, seconds=asked.seconds, on_answer=tally)
            show(f"open {asked.rate:.0f}/s, list of 20 of {ITEMS}", runner.run(loop), tally, "p99 ≤ 20 ms at 200/s")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--parts", action="store_true", help="one process, where the time goes")
    parser.add_argument("--shop", type=Path, help="keep the shop here, and use it again")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        os.environ[FOLDER] = str(asked.serve)
        uvicorn.run(
            "recommend_latency:worker", factory=True, host="127.0.0.1", port=asked.port, workers=asked.workers,
            log_level="warning", access_log=False, server_header=False, http="httptools", loop="uvloop", ws="none",
        )  # fmt: skip
        return
    with tempfile.TemporaryDirectory() as made:
        folder = asked.shop or Path(made) / "shop"
        if not folder.exists():
            print(f"building the protocol's shop ({ITEMS} items, {PEOPLE} people) …")
            make(folder)
        if asked.parts:
            in_process(folder)
        else:
            measure(folder, asked)


if __name__ == "__main__":
    main()
