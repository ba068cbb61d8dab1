"""Our whole decision beside what others need for a part of it, in one run, on one machine.

    python benchmarks/peers.py --peer mlserver=PYTHON --peer bentoml=PYTHON --peer mlflow=PYTHON --peer feast=PYTHON

PYTHON is the interpreter of an environment in which that peer (and lightgbm) is installed. Protocol: the shop and the
model of decision_latency.py. Ours answers a fraud decision: permit, 15 live windowed features, the 300 trees, rules and
policy, a receipt on disk before the answer. MLServer, BentoML and mlflow answer with the same trees' score for values
the caller must already have: no features, no policy, no record. Feast reads 15 stored values of one person from its
SQLite online store: no model, no windows, no record. Each is loaded by the same generator, with one connection and with
16, for `--seconds` each after a warm-up; peers start as their documentation says.
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
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import decision_latency as shop
from http_load import Measured, closed_loop, post

from tillwise.access.keys import create_key
from tillwise.app import build_app

ROUTES = {
    "mlserver": "/v2/models/fraud/infer",
    "bentoml": "/predict",
    "mlflow": "/invocations",
    "feast": "/get-online-features",
}
READY = {"mlserver": "/v2/models/fraud/ready", "bentoml": "/readyz", "mlflow": "/ping", "feast": "/health"}


def asks(peer: str, columns: int) -> Iterator[bytes]:
    """Yield questions as the peer's protocol has them."""
    draw = random.Random(3)
    for _ in itertools.count():
        row = [round(draw.lognormvariate(1, 1.5), 3) for _ in range(columns)]
        body = {
            "mlserver": {"inputs": [{"name": "x", "shape": [1, columns], "datatype": "FP32", "data": row}]},
            "bentoml": {"rows": [row]},
            "mlflow": {"inputs": [row]},
            "feast": {"features": [f"fraud:f{n}" for n in range(15)], "entities": {"person": [draw.randrange(2_000)]}},
        }[peer]
        yield post(ROUTES[peer], "none", json.dumps(body).encode())


def load(port: int, questions: Iterator[bytes], seconds: float) -> list[Measured]:
    """Measure one connection, then 16."""
    with asyncio.Runner() as runner:
        runner.run(closed_loop(port, questions, seconds=2, connections=4))
        return [runner.run(closed_loop(port, questions, seconds=seconds, connections=n)) for n in (1, 16)]


def show(name: str, what: str, found: list[Measured]) -> None:
    """Print a line of the table."""
    one, many = found
    print(f"{name:10} {what:52} p50 {one.quantile(0.5):6.2f} ms  p99 {one.quantile(0.99):7.2f} ms"
          f"   {many.rate:6.0f}/s with 16   {dict(one.statuses)} {dict(many.statuses)}", flush=True)  # fmt: skip


def wait(port: int, path: str, process: subprocess.Popen[bytes], seconds: float = 120) -> bool:
    """Return True when the server answers on `path`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2):
                return True
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.2)
    return False


def served(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a server in a process group of its own."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env=environment, start_new_session=True, stdout=quiet, stderr=quiet)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and what it started."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
    except (subprocess.TimeoutExpired, ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def ours(folder: Path, seconds: float, workers: int) -> None:
    """Measure the whole decision."""
    app = build_app(folder)
    key = create_key(app.store, "decide", days=1)[1]
    app.close()
    for explain in ("none", "top"):
        port = shop.free_port()
        command = [
            sys.executable,
            shop.__file__,
            "--serve",
            str(folder),
            "--port",
            str(port),
            "--workers",
            str(workers),
        ]
        process = served(
            command, {**os.environ, "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent), *sys.path))}
        )
        try:
            shop.wait_ready(port, process)
            found = load(port, shop.questions(key, explain, 3), seconds)
            show("tillwise", f"whole decision, receipt on disk, explain {explain}, {workers} worker(s)", found)
        finally:
            stop(process)


def main() -> None:
    """Build, measure ours, measure the peers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--seconds", type=float, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "shop"
        shop.build(folder)
        p50, p99 = shop.fsyncs(folder)
        print(f"fsync of this disk: p50 {p50:.3f} ms, p99 {p99:.3f} ms; {os.cpu_count()} CPUs")
        for workers in (1, 2):
            ours(folder, asked.seconds, workers)
        (trees,) = folder.glob("models/*/trees.txt")
        columns = len(shop.small_features().columns)
        for peer, _, python in (each.partition("=") for each in asked.peer):
            own = Path(made) / peer
            own.mkdir()
            (own / "trees.txt").write_bytes(trees.read_bytes())
            port = shop.free_port()
            home = {**os.environ, "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"}
            process = served([python, str(Path(__file__).parent / "peer_servers.py"), peer, str(own), str(port)], home)
            try:
                if wait(port, READY[peer], process):
                    what = (
                        "15 stored values, no model" if peer == "feast" else "score of given values, nothing recorded"
                    )
                    show(peer, what, load(port, asks(peer, columns), asked.seconds))
                else:
                    print(f"{peer:10} did not start")
            finally:
                stop(process)


if __name__ == "__main__":
    main()
