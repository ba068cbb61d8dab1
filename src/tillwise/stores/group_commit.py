"""Group commit: work of many callers, one after another in one transaction, one sync for all of them.

Knows no database: a `Writer` begins, runs, undoes and commits. Whatever a writer or a piece of work does, the thread
goes on and every caller hears what became of its work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

from tillwise.errors import StoreUnavailable
from tillwise.vocabulary.store import Transaction

T = TypeVar("T")
Work = tuple[Callable[[Transaction], Any], "Future[Any]"]
GROUP_LIMIT: Final = 256
"""Pieces of work in one transaction at most: bounds how long another process waits for the write lock."""


TROUBLE_SECONDS: Final = 10.0
"""How long a failed commit is remembered: a small one may pass on a disk that is too full for the next."""


class Writer(Protocol):
    """One writing connection, used by one thread."""

    def begin(self) -> None:
        """Open a write transaction; raise StoreUnavailable when it cannot be had in time."""
        ...

    def run(self, work: Callable[[Transaction], Any]) -> Any:
        """Run one piece of work; raise StoreUnavailable when the transaction is lost, else what it raised, undone."""
        ...

    def commit(self) -> None:
        """Make everything durable; raise StoreUnavailable when that failed."""
        ...

    def abandon(self) -> None:
        """Undo everything and forget a connection that may be broken; never raises."""
        ...

    def close(self) -> None:
        """Let go of everything; nothing follows."""
        ...


class GroupCommit:
    """A thread that owns a writer. Work waits in a queue while the one before it is committed."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._held: list[Work] | None = None
        self._failed: tuple[float, str] | None = None
        self._thread = threading.Thread(target=self._serve, name="tillwise-commit", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Queue a piece of work; the future resolves after its commit."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed or not self._thread.is_alive():
                future.set_exception(StoreUnavailable("the row store is closed"))
            elif self._held is None:
                self._queue.put((work, future))
            else:
                self._held.append((work, future))
        return future

    def trouble(self) -> str | None:
        """Return what a commit of the last TROUBLE_SECONDS failed of, None when all went well."""
        failed = self._failed
        return failed[1] if failed is not None and monotonic() - failed[0] < TROUBLE_SECONDS else None

    def hold(self) -> None:
        """Let work gather until `release`; whoever holds must release soon."""
        with self._lock:
            if self._held is None:
                self._held = []

    def release(self) -> Future[Any] | None:
        """Hand over what has gathered; return the future of the last piece, None when nothing came."""
        with self._lock:
            held, self._held = self._held, None
            for work in held or ():
                self._queue.put(work)
        return held[-1][1] if held else None

    def close(self) -> None:
        """Finish what is queued, then end the thread; repeating it does nothing."""
        self.release()
        with self._lock:
            closing, self._closed = not self._closed, True
        if closing:
            self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        last = False
        while not last:
            first = self._queue.get()
            if first is None:
                break
            group = [first]
            last = self._gather(group)
            self._commit(group)
        self._writer.close()

    def _gather(self, group: list[Work]) -> bool:
        """Add what is waiting; return True when the end was among it."""
        with suppress(Empty):
            while len(group) < GROUP_LIMIT:
                item = self._queue.get_nowait()
                if item is None:
                    return True
                group.append(item)
        return False

    def _commit(self, group: list[Work]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            self._writer.begin()
        except BaseException as error:
            self._writer.abandon()
            self._fail([*group, *self._waiting()], error)
            return
        try:
            for work, future in group:
                if future.set_running_or_notify_cancel():
                    self._run(work, future, done)
            self._writer.commit()
        except BaseException as error:
            self._writer.abandon()
            self._fail(group, error)
            return
        for future, result in done:
            future.set_result(result)

    def _run(
        self, work: Callable[[Transaction], Any], future: Future[Any], done: list[tuple[Future[Any], Any]]
    ) -> None:
        try:
            result = self._writer.run(work)
        except StoreUnavailable:
            raise  # the transaction is lost: everyone in the group hears of it
        except BaseException as error:
            future.set_exception(error)
        else:
            done.append((future, result))

    def _waiting(self) -> list[Work]:
        """Take what waits behind a store that does not answer: it would only wait as long again."""
        waiting: list[Work] = []
        with suppress(Empty):
            for _ in range(self._queue.qsize()):
                item = self._queue.get_nowait()
                if item is None:
                    self._queue.put(None)
                    break
                waiting.append(item)
        return waiting

    def _fail(self, group: list[Work], error: BaseException) -> None:
        failure = error
        if not isinstance(error, StoreUnavailable):
            failure = StoreUnavailable(f"the row store could not commit: {error}")
            failure.__cause__ = error
        self._failed = (monotonic(), str(failure))
        for _, future in group:
            if not future.done():
                with suppress(InvalidStateError):
                    future.set_exception(failure)
