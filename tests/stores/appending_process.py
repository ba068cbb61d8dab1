"""A process that appends events until it is killed, and names each acknowledged one on its output.

python appending_process.py DATABASE PREFIX FIRST [LAST]
"""

from __future__ import annotations

import sys
from collections import deque
from concurrent.futures import Future
from pathlib import Path

from tillwise.events.event import Intake
from tillwise.events.ingest import read_message
from tillwise.events.log import Appended, EventLog
from tillwise.events.tables import TABLES
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.clock import LogClock, wall_now

SECRETS = Secrets(b"a log secret that is long enough")
IN_FLIGHT = 4


def message(name: str) -> Intake:
    """Return an order whose id and message id are `name`."""
    products = [{"product_id": "p", "price": 1, "quantity": 1}]
    body = {"type": "track", "event": "Order Completed", "messageId": name, "userId": f"user of {name}",
            "properties": {"order_id": name, "products": products}}  # fmt: skip
    return read_message(body, received=wall_now())


def main() -> None:
    """Append `PREFIX-FIRST`, `PREFIX-FIRST+1`, … with a few in flight; print each name once it is acknowledged."""
    path, prefix, first = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    last = int(sys.argv[4]) if len(sys.argv) > 4 else 10**9
    store = SqliteStore(path)
    store.create(TABLES)
    log = EventLog(store, SECRETS, LogClock())
    waiting: deque[tuple[str, Future[Appended]]] = deque()
    for number in range(first, last + 1):
        name = f"{prefix}-{number}"
        waiting.append((name, log.append([message(name)])))
        if len(waiting) >= IN_FLIGHT:
            acknowledge(*waiting.popleft())
    while waiting:
        acknowledge(*waiting.popleft())


def acknowledge(name: str, future: Future[Appended]) -> None:
    """Wait for the commit, then say so."""
    future.result()
    print(name, flush=True)


if __name__ == "__main__":
    main()
