"""Kill the process that appends, again and again: nothing acknowledged may be lost or doubled.

    python benchmarks/kill9.py [--rounds 100] [--folder DIR]

Protocol. A child process appends orders through the event log, four in flight, and names each acknowledged one on its
output. At a random moment it gets SIGKILL; the next child opens the same file and first sends again what was not
acknowledged, as a client's retry would. At the end every acknowledged order must be in the log exactly once, with all
of its rows in `facts` and the keyed tables. Prints the longest time from start to first acknowledgement.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import Future
from pathlib import Path

from tillwise.events.ingest import read_message
from tillwise.events.log import Appended, EventLog
from tillwise.events.tables import TABLES
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.clock import LogClock, wall_now

SECRETS = Secrets(b"benchmark secret of 32 bytes ...")
IN_FLIGHT = 4


def main() -> None:
    arguments = _arguments()
    if arguments.child:
        append_until_killed(Path(arguments.child), arguments.first)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "log.db"
        store = SqliteStore(path)
        store.create(TABLES)
        store.close()
        acknowledged, slowest = kill_again_and_again(path, arguments.rounds, arguments.seed)
        lost, doubled, torn = check(path, acknowledged)
        print(f"rounds {arguments.rounds}, acknowledged {acknowledged}, lost {lost}, doubled {doubled}, torn {torn}")
        print(f"slowest start to first acknowledgement {slowest:.2f} s")
        if lost or doubled or torn:
            raise SystemExit(1)


def kill_again_and_again(path: Path, rounds: int, seed: int) -> tuple[int, float]:
    """Return how many orders were acknowledged, and the longest wait for the first one after a start in seconds."""
    draw = random.Random(seed)
    acknowledged, slowest = 0, 0.0
    for _ in range(rounds):
        started = time.monotonic()
        command = [sys.executable, __file__, "--child", str(path), "--first", str(acknowledged)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        slowest = max(slowest, time.monotonic() - started)
        acknowledged += 1
        time.sleep(draw.uniform(0, 0.3))
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
        acknowledged += rest.count("\n")
        child.wait()
    return acknowledged, slowest


def check(path: Path, acknowledged: int) -> tuple[int, int, int]:
    """Return how many acknowledged orders are missing, how many orders are there twice, and how many rows are torn."""
    store = SqliteStore(path)
    with store.snapshot() as snapshot:
        names = [json.loads(body)["order_id"] for (body,) in snapshot.all("SELECT body FROM events")]
        rows = [snapshot.one(f"SELECT count(*) FROM {table}") for table in ("facts", "by_subject", "by_shop")]
    store.close()
    lost = len({f"order-{n}" for n in range(acknowledged)} - set(names))
    torn = sum(1 for row in rows if row != (2 * len(names),))
    return lost, len(names) - len(set(names)), torn


def append_until_killed(path: Path, first: int) -> None:
    """Append `order-FIRST`, `order-FIRST+1`, … and print each once it is acknowledged."""
    log = EventLog(SqliteStore(path), SECRETS, LogClock())
    waiting: deque[tuple[str, Future[Appended]]] = deque()
    for number in range(first, 10**9):
        name = f"order-{number}"
        products = [{"product_id": f"p-{number % 100}", "price": 1, "quantity": 1}]
        message = {"type": "track", "event": "Order Completed", "messageId": name, "userId": f"u-{number % 50}",
                   "properties": {"order_id": name, "products": products}}  # fmt: skip
        waiting.append((name, log.append([read_message(message, received=wall_now())])))
        if len(waiting) >= IN_FLIGHT:
            name, future = waiting.popleft()
            future.result()
            print(name, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
