"""An answer on its way: decided, its receipt not yet on disk. Exactly one of three things settles it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from tillwise.decisions.answer import Answer


class Pending:
    """What `Road.begin` returns.

    `future` resolves to the Answer once the receipt is durable, or raises InvalidInput or Conflict. Whoever waits
    calls `expire()` when `remaining()` seconds have passed: the declared unrecorded answer then settles it. In an
    asyncio server: `loop.call_later(pending.remaining(), pending.expire)` beside `asyncio.wrap_future(pending.future)`.
    """

    __slots__ = ("_expire", "_lock", "_remaining", "future")

    def __init__(self, remaining: Callable[[], float], expire: Callable[[], Answer]) -> None:
        self.future: Future[Answer] = Future()
        self._remaining = remaining
        self._expire = expire
        self._lock = threading.Lock()

    def remaining(self) -> float:
        """Return the seconds until the deadline, 0 at least."""
        return self._remaining()

    def expire(self) -> None:
        """Answer without a receipt, unless the answer is there already."""
        if not self.future.done():
            self.settle(self._expire())

    def settle(self, answer: Answer) -> bool:
        """Give the answer; return False when there is one already, which then stands."""
        with self._lock:
            if self.future.done():
                return False
            self.future.set_result(answer)
            return True

    def fail(self, error: Exception) -> None:
        """Give what only the caller can mend instead of an answer."""
        with self._lock:
            if not self.future.done():
                self.future.set_exception(error)
