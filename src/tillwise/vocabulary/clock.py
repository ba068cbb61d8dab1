"""A shop has two clocks: the log clock orders and dates what happened, the wall clock rules keys and deadlines."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Milliseconds = int


def wall_now() -> Milliseconds:
    """Return Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class LogClock:
    """Real time, or time started at T: `offset` milliseconds are added to the wall clock.

    It may be asked in any process; the log itself keeps `at` from ever decreasing.
    """

    offset: Milliseconds = 0
    wall: Callable[[], Milliseconds] = wall_now

    def now(self) -> Milliseconds:
        """Return the log clock's present."""
        return self.wall() + self.offset
