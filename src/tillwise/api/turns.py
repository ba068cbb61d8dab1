"""Turns of the event loop: decide everything that waits, then commit it together, then go on.

Deciding and committing at once would hand the interpreter lock to and fro between two threads, several times a
decision: on one core that costs more than the commit itself. So the commits of a turn gather until its decisions are
taken, and the loop gives them a moment alone. It never waits longer than PATIENCE: on a slow disk, or behind another
process's lock, decisions go on while the commit is on its way.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import wait
from typing import Final

from tillwise.vocabulary.store import Store

PATIENCE: Final = 0.002
"""Seconds the loop leaves to a commit."""
DECISIONS: Final = 16
"""Decisions of one turn at most: the first of them waits for the last."""


class Turns:
    """Gathers the commits of each turn of one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taken = 0

    def join(self) -> None:
        """Say that a decision is about to be taken in this turn."""
        if self._taken == DECISIONS:
            self._end()
        if self._taken == 0:
            self._store.hold()
            asyncio.get_running_loop().call_soon(self._end)
        self._taken += 1

    def _end(self) -> None:
        if self._taken:
            self._taken = 0
            last = self._store.release()
            if last is not None:
                wait((last,), PATIENCE)
