"""The default row store: one SQLite file in WAL mode, one committing thread per process, full sync."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from tillwise.errors import ConfigurationError, StoreUnavailable
from tillwise.vocabulary.store import Row, Snapshot, Transaction

T = TypeVar("T")
Work = tuple[Callable[[Transaction], Any], "Future[Any]"]

GROUP_LIMIT = 256
"""Pieces of work in one transaction at most: bounds how long another process waits for the write lock."""


class SqliteSnapshot:
    """A connection inside a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql, params).fetchall()

    def one(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        row: Row | None = self._connection.execute(sql, params).fetchone()
        return row

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        return self._connection.execute(sql, params).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)


class SqliteStore:
    """Rows in one file: several processes read and write it; each groups its own commits.

    Raises ConfigurationError when the SQLite library is older than 3.37 (STRICT tables), StoreUnavailable when the
    file stays locked for longer than `busy_seconds`.
    """

    def __init__(self, path: Path, *, busy_seconds: float = 5.0) -> None:
        if sqlite3.sqlite_version_info < (3, 37):
            raise ConfigurationError(f"SQLite {sqlite3.sqlite_version} is too old: tillwise needs 3.37 or newer")
        self._path = path
        self._busy_seconds = busy_seconds
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        path.touch(mode=0o600, exist_ok=True)
        self._writer = self._connect()
        self._thread = threading.Thread(target=self._serve, name="tillwise-commit", daemon=True)
        self._thread.start()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._open(self._connect)
        try:
            connection.execute("BEGIN")
            yield SqliteSnapshot(connection)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"the row store {self._path.name} did not answer: {error}") from error
        finally:
            with suppress(sqlite3.Error):
                connection.rollback()
            self._idle.append(connection)

    def commit(self, work: Callable[[Transaction], T]) -> Future[T]:
        future: Future[T] = Future()
        if self._closed:
            future.set_exception(StoreUnavailable("the row store is closed"))
            return future
        self._queue.put((work, future))
        return future

    def create(self, tables: Sequence[str]) -> None:
        def work(transaction: Transaction) -> None:
            for statement in tables:
                transaction.run(statement)

        self.commit(work).result()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._writer.close()
        while self._idle:
            self._idle.pop().close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA mmap_size = 1073741824")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _open(self, connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        try:
            return connect()
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"the row store {self._path.name} did not answer: {error}") from error

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            last = False
            while len(group) < GROUP_LIMIT and not self._queue.empty():
                item = self._queue.get()
                if item is None:
                    last = True
                    break
                group.append(item)
            self._commit_group(group)
            if last:
                return

    def _commit_group(self, group: list[Work]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for work, future in group:
                if future.set_running_or_notify_cancel():
                    self._run_one(work, future, done)
            self._writer.execute("COMMIT")
        except Exception as error:
            with suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            failure = StoreUnavailable(f"the row store {self._path.name} could not commit: {error}")
            failure.__cause__ = error
            for _, future in group:
                if not future.done():
                    with suppress(Exception):
                        future.set_exception(failure)
            return
        for future, result in done:
            future.set_result(result)

    def _run_one(
        self, work: Callable[[Transaction], Any], future: Future[Any], done: list[tuple[Future[Any], Any]]
    ) -> None:
        self._writer.execute("SAVEPOINT work")
        try:
            result = work(SqliteSnapshot(self._writer))
        except sqlite3.OperationalError:
            raise  # disk full, I/O error: the whole group fails and every caller hears of it
        except Exception as error:
            self._writer.execute("ROLLBACK TO work")
            self._writer.execute("RELEASE work")
            future.set_exception(error)
            return
        self._writer.execute("RELEASE work")
        done.append((future, result))
