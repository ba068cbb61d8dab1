"""Is the shop ready to answer? What `readyz` and the doctor say: models, their features, the store, the clock."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Final

from tillwise.decisions.use_case import UseCase
from tillwise.errors import TillwiseError
from tillwise.events.log import read_head
from tillwise.features.shelf import SnapshotShelf
from tillwise.releases.cache import ModelCache
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.store import Snapshot, Store, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS probes (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS probe_pages (one INTEGER PRIMARY KEY CHECK (one = 1), filler BLOB NOT NULL) STRICT",
)
PROBE_BYTES: Final = 128 * 1024
"""What the larger probe writes: about a turn of decisions."""
PATIENCE_SECONDS: Final = 0.5
"""How long a write may take before the store counts as locked."""
BEHIND_MS: Final = 60_000
"""How far the machine's clock may stand behind the log: several machines never agree to the second."""


def model_problems(models: ModelCache, use_cases: Mapping[str, UseCase], snapshot: Snapshot) -> dict[str, str]:
    """Return, by use case, why a released model does not answer: damaged, ended, or of other feature definitions."""
    found = models.problems(snapshot)
    for name, use_case in use_cases.items():
        if name in found:
            continue
        in_force = models.current(snapshot, name)
        if in_force is not None and in_force.features and in_force.features != use_case.definition:
            found[name] = f"{name}: its features were changed after the model was trained; run `tillwise train {name}`"
    return found


def item_problem(shelf: SnapshotShelf, clock: LogClock, snapshot: Snapshot) -> str | None:
    """Have the item snapshot of this hour ready, building it if need be; say why there is none.

    The first ranking after a start must not wait for it.
    """
    head = read_head(snapshot)
    try:
        shelf.current(snapshot, max(head.at, clock.now()), head.epoch)
    except TillwiseError as error:
        return str(error)
    return None


def clock_problem(clock: LogClock, snapshot: Snapshot) -> str | None:
    """Say when the machine's clock has jumped back behind the log; the log itself keeps its order meanwhile."""
    behind = read_head(snapshot).at - clock.now()
    if behind <= BEHIND_MS:
        return None
    return f"this machine's clock stands {behind // 1000} seconds behind the log: set it right"


def store_problem(store: Store) -> str | None:
    """Say why nothing can be put on record; None once a write is on disk, a large one when one has just failed."""
    probe: Future[int] = store.commit(_write_more if store.trouble() else _write)
    try:
        probe.result(timeout=PATIENCE_SECONDS)
    except TimeoutError:
        probe.cancel()
        return f"the row store has taken no write for {PATIENCE_SECONDS} seconds: another process may hold it locked"
    except TillwiseError as error:
        return str(error)
    return None


def _write_more(transaction: Transaction) -> int:
    # A disk may be too full for a decision and still take one page.
    return transaction.run(
        "INSERT INTO probe_pages (one, filler) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET filler = excluded.filler",
        (os.urandom(PROBE_BYTES),),
    )


def _write(transaction: Transaction) -> int:
    # SQLite writes no page whose bytes stay the same, so the probe has to change something.
    return transaction.run("INSERT INTO probes (one, n) VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET n = probes.n + 1")
