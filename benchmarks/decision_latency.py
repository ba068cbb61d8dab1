"""How long a decision takes over HTTP, all included: decode, permit, live features, model, policy, reasons, receipt.

    python benchmarks/decision_latency.py                    the protocol below, in a folder of its own
    python benchmarks/decision_latency.py --shop DIR         a shop's own fraud use case, whatever is released there

Protocol. 40 000 payment attempts of 2 000 invented people in the last 30 days; fraud with 15 windowed features over
person, device, card and address read live from SQLite, and a 300-tree LightGBM model (depth 6); rules, cost policy,
reasons, a durable receipt (one full sync, shared by group commit) before every answer. Server and generator share the
machine; the generator's CPU share is printed.
  open    Poisson arrivals at `--rate` (500/s), latency from the moment a request was due (no coordinated omission),
          `explain: top`: exact contributions on every answer. Target p50 ≤ 2 ms, p99 ≤ 10 ms.
  closed  `--clients` keep-alive connections, `explain: none`. Target p50 ≤ 0.5 ms with one, ≥ 2 500/s with all.
One fsync of the run's own disk may be taken off; its p50 and p99 are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import itertools
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from http_load import Measured, closed_loop, open_loop, post

from tillwise.access.keys import create_key
from tillwise.api.create import create_api
from tillwise.api.door import Door
from tillwise.api.serve import tune
from tillwise.app import App, build_app
from tillwise.cli.init import create_shop
from tillwise.events.ingest import read_message
from tillwise.features.feature import DAY, FeatureSet
from tillwise.models.model import Design, Rows
from tillwise.models.tabular import fit_tabular
from tillwise.releases.gate import Choice
from tillwise.use_cases.fraud.features import AGGREGATES, REQUEST
from tillwise.vocabulary.store import Store

FOLDER = "TILLWISE_BENCHMARK_FOLDER"
PEOPLE, ATTEMPTS, FEATURES, TREES = 2_000, 40_000, 15, 300
WANTED = (
    "attempts_1h_subject", "attempts_24h_subject", "attempts_7d_subject", "amount_24h_subject",
    "mean_amount_180d_subject", "max_amount_180d_subject", "since_attempt_subject", "attempts_1h_device",
    "attempts_24h_device", "cards_7d_device", "people_30d_device", "attempts_24h_card", "people_30d_card",
    "attempts_7d_address", "since_attempt_address",
)  # fmt: skip


def _activity() -> list[float]:
    draw = random.Random(11)
    return list(itertools.accumulate(draw.lognormvariate(0, 1.2) for _ in range(PEOPLE)))


_ACTIVITY = _activity()


def somebody(draw: random.Random) -> int:
    """Return a person, the busy ones more often (activity lognormal, σ = 1.2)."""
    return bisect.bisect(_ACTIVITY, draw.random() * _ACTIVITY[-1])


def small_features() -> FeatureSet:
    """Return 15 of the declared windowed fraud features: those of WANTED that exist, then the next ones."""
    named = [each for each in AGGREGATES if each.name in WANTED]
    rest = [each for each in AGGREGATES if each.name not in WANTED]
    return FeatureSet("fraud", tuple((named + rest)[:FEATURES]), REQUEST)


def small_app(app: App) -> App:
    """Return the app with fraud reduced to the protocol's 15 windowed features."""
    fraud = app.use_cases["fraud"]
    features = small_features()
    steps: Any = fraud.steps
    use_case = replace(fraud, features=features, steps=replace(steps, features=features))
    return replace(app, use_cases={**app.use_cases, "fraud": use_case})


def build(folder: Path, seed: int = 7) -> None:
    """Make the protocol's shop: its log, its model, its release."""
    create_shop(folder)
    app = small_app(build_app(folder))
    draw = random.Random(seed)
    now = app.clock.now()
    moments = sorted(now - draw.randrange(30 * DAY) for _ in range(ATTEMPTS))
    for start in range(0, ATTEMPTS, 2_000):
        messages = [_attempt(draw, number) for number in range(start, start + 2_000)]
        intake = [read_message(m, received=at) for m, at in zip(messages, moments[start:], strict=False)]
        app.log.append(intake).result()
    spread_over_time(app.store, now - 30 * DAY, now)
    release(app, seed)
    app.close()


def _attempt(draw: random.Random, number: int) -> dict[str, Any]:
    person = somebody(draw)
    amount = draw.randrange(500, 20_000) / 100
    return {
        "type": "track", "event": "Payment Attempted", "userId": f"u-{person}", "messageId": f"m-{number}",
        "properties": {
            "order_id": f"past-{number}", "amount": amount, "currency": "EUR", "status": "accepted", "method": "card",
            "device_id": f"d-{person // 2}", "card_hash": f"c-{person}", "ip": f"198.18.{person % 256}.{person // 256}",
            "address_hash": f"a-{person // 3}", "billing_country": "DE", "shipping_country": "DE",
        },
    }  # fmt: skip


def spread_over_time(store: Store, start: int, end: int) -> None:
    """Date the log as if it had grown over a month: windows then hold what they would hold in a shop."""

    def work(transaction: Any) -> None:
        last = transaction.one("SELECT max(seq) FROM events")[0]
        for table in ("events", "facts", "by_subject", "by_device", "by_card", "by_ip", "by_address", "by_email"):
            transaction.run(f"UPDATE {table} SET at = ? + seq * ? / ?", (start, end - start, last))

    store.commit(work).result()


def release(app: App, seed: int) -> None:
    """Fit 300 trees on seeded noise with a signal in it, and let them answer: only the speed matters here."""
    features = app.use_cases["fraud"].features
    draw = np.random.default_rng(seed)
    x = draw.lognormal(1.0, 1.5, (20_000, len(features.columns))).astype(np.float32)
    x[draw.random(x.shape) < 0.1] = np.nan
    y = (draw.random(len(x)) < 1 / (1 + np.exp(3 - np.nan_to_num(np.log1p(x[:, 0] * x[:, 1]))))).astype(np.float64)
    # Without validation rows every one of the 300 trees is kept.
    design = Design("fraud", features.columns, features.hash, seed)
    artifact = fit_tabular(design, Rows(x, y), Rows(x[:0], y[:0]), rounds=TREES)
    artifact.save(app.folder.models)
    app.releases.release("fraud", Choice("model", "trees", artifact.version, "benchmark", ()), who="benchmark")


def worker() -> Door:
    """Build the door of one server process."""
    door = create_api(small_app(build_app(Path(os.environ[FOLDER]))))
    tune()
    return door


def serve(folder: Path, port: int, workers: int) -> None:
    """Serve the protocol's shop as `tillwise serve` would."""
    os.environ[FOLDER] = str(folder)
    uvicorn.run(
        "decision_latency:worker", factory=True, host="127.0.0.1", port=port, workers=workers, log_level="warning",
        access_log=False, server_header=False, http="httptools", loop="uvloop", ws="none",
    )  # fmt: skip


def questions(key: str, explain: str, seed: int) -> Iterator[bytes]:
    """Yield orders of people the log knows, each with an id of its own."""
    draw = random.Random(seed)
    run = os.urandom(4).hex()
    for number in itertools.count():
        person = somebody(draw)
        body = {
            "request_id": f"{run}-{number}", "subject": f"u-{person}", "place": {"country": "DE", "postcode": "10115"},
            "order": {"id": f"{run}-o-{number}", "amount": draw.randrange(500, 20_000), "currency": "EUR",
                      "items": [{"item_id": "sku-1", "quantity": 2}]},
            "payment": {"method": "card", "card_hash": f"c-{person}", "bin": "411111"},
            "billing": {"country": "DE", "postcode": "10115"},
            "shipping": {"country": "DE", "postcode": "10115", "address_hash": f"a-{person // 3}"},
            "device_id": f"d-{person // 2}", "ip": f"198.18.{person % 256}.{person // 256}", "explain": explain,
        }  # fmt: skip
        yield post("/predict/fraud", key, json.dumps(body).encode())


def fsyncs(folder: Path, times: int = 200) -> tuple[float, float]:
    """Return the p50 and p99, in milliseconds, of appending 4 KB and syncing, on the disk of the run."""
    spent: list[float] = []
    with (folder / "fsync.bin").open("wb", buffering=0) as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            spent.append(1000 * (time.perf_counter() - began))
    (folder / "fsync.bin").unlink()
    spent.sort()
    return statistics.median(spent), spent[int(0.99 * times)]


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def wait_ready(port: int, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Wait until the server says it is ready."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except urllib.error.HTTPError as error:
            raise SystemExit(f"not ready: {error.read().decode()}") from None
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not get ready")


class Tally:
    """What the answers said, so that a fast fallback does not pass for a fast decision."""

    def __init__(self) -> None:
        self.actions: dict[str, int] = {}
        self.sample: list[bytes] = []
        self._seen = 0

    def __call__(self, status: int, body: bytes) -> None:
        """Look at one answer in 50."""
        self._seen += 1
        if self._seen % 50:
            return
        answer = json.loads(body)
        word = f"{answer.get('action')}{'' if answer.get('recorded') else ' UNRECORDED'}"
        word += f" ({answer['degraded']})" if answer.get("degraded") else ""
        self.actions[word] = self.actions.get(word, 0) + 1


def show(name: str, measured: Measured, tally: Tally, target: str) -> None:
    """Print one line of the results."""
    figures = " ".join(f"p{100 * q:g} {measured.quantile(q):.2f}" for q in (0.5, 0.9, 0.99, 0.999))
    print(f"{name:<34} {measured.rate:8.0f}/s  {figures} ms   generator {100 * measured.generator_cpu:.0f} % CPU")
    print(f"{'':<34} answers {measured.statuses}, sampled {tally.actions}   target: {target}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, help="a shop folder with a released fraud model")
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve, asked.port, asked.workers)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = asked.shop or Path(made) / "shop"
        if asked.shop is None:
            print(f"building the protocol's shop ({ATTEMPTS} events, {FEATURES} features, {TREES} trees) …")
            build(folder)
        measure(folder, asked, own=asked.shop is not None)


def measure(folder: Path, asked: argparse.Namespace, *, own: bool) -> None:
    """Run the loops against a server of this folder."""
    app = build_app(folder)
    key = create_key(app.store, "decide", days=1)[1]
    app.close()
    p50, p99 = fsyncs(folder)
    print(f"fsync of this disk: p50 {p50:.3f} ms, p99 {p99:.3f} ms; {os.cpu_count()} CPUs, {asked.workers} workers")
    port = free_port()
    command = [sys.executable, __file__, "--serve", str(folder), "--port", str(port), "--workers", str(asked.workers)]
    if own:
        command = [sys.executable, "-m", "tillwise", "serve", "--shop", str(folder), "--port", str(port),
                   "--workers", str(asked.workers)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        wait_ready(port, process)
        run_loops(port, key, asked)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def run_loops(port: int, key: str, asked: argparse.Namespace) -> None:
    """Warm up, then measure every loop."""
    run = asyncio.Runner
    with run() as runner:
        runner.run(closed_loop(port, questions(key, "top", 1), seconds=3, connections=asked.clients))
        tally = Tally()
        opened = open_loop(port, questions(key, "top", 2), rate=asked.rate, seconds=asked.seconds, on_answer=tally)
        show(f"open {asked.rate:.0f}/s, exact reasons", runner.run(opened), tally, "p50 ≤ 2, p99 ≤ 10 ms")
        for clients in (1, asked.clients):
            tally = Tally()
            closed = closed_loop(
                port, questions(key, "none", 3), seconds=asked.seconds / 2, connections=clients, on_answer=tally
            )
            target = "p50 ≤ 0.5 ms" if clients == 1 else "≥ 2 500/s"
            show(f"closed, {clients} clients, no explanation", runner.run(closed), tally, target)


if __name__ == "__main__":
    main()
