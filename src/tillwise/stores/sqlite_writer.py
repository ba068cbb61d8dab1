"""The writing connection of a SQLite file: waits for the lock with a bound, and is replaced once it may be broken."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from tillwise.errors import StoreUnavailable
from tillwise.stores.sqlite_checkpoint import Checkpointer
from tillwise.vocabulary.store import Transaction

T = TypeVar("T")
_ENVIRONMENT: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
     sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL,
     sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOTADB}
)  # fmt: skip
_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_FIRST_PAUSE: Final = 0.0002
_LONGEST_PAUSE: Final = 0.002
"""SQLite's own busy handler sleeps up to 100 ms; short pauses keep two busy processes fair to each other."""


def is_environment(error: sqlite3.Error) -> bool:
    """Return True when the file, disk, memory or lock is at fault, False when the statement or its values are."""
    return _primary(error) in _ENVIRONMENT


def connect(path: Path, busy_seconds: float, *, writing: bool) -> sqlite3.Connection:
    """Open a connection in WAL mode with full sync; a reading one cannot write.

    Waits `busy_seconds` for a locked file, also where SQLite itself does not: turning a new file to WAL mode while
    another process does the same.
    """
    return patiently(busy_seconds, lambda: _connect(path, busy_seconds, writing=writing))


def _connect(path: Path, busy_seconds: float, *, writing: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA temp_store = MEMORY")
        if writing:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        else:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def patiently(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns, trying again while the file is locked, for `seconds` at most."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while True:
        try:
            return call()
        except sqlite3.Error as error:
            if _primary(error) not in _LOCKED or time.monotonic() >= deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


class SqliteWriter:
    """Begins, runs, undoes and commits, for `GroupCommit`.

    `transaction` wraps the connection for the work. Every failure of file, disk or lock is a StoreUnavailable that
    says so; what a piece of work raises itself is undone up to its own savepoint and passed on.
    """

    def __init__(
        self,
        path: Path,
        busy_seconds: float,
        transaction: Callable[[sqlite3.Connection], Transaction],
        checkpointer: Checkpointer | None = None,
    ) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._wrap = transaction
        self._connection: sqlite3.Connection | None = None
        self._transaction: Transaction | None = None
        self._checkpointer = checkpointer or Checkpointer(lambda: connect(path, busy_seconds, writing=True))
        with suppress(StoreUnavailable):
            self._open()

    def begin(self) -> None:
        connection, _ = self._open()
        self._checkpointer.before_writing(connection)
        try:
            patiently(self._busy_seconds, lambda: connection.execute("BEGIN IMMEDIATE"))
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def run(self, work: Callable[[Transaction], Any]) -> Any:
        connection, transaction = self._open()
        self._execute(connection, "SAVEPOINT work")
        try:
            result = work(transaction)
        except BaseException as error:
            if isinstance(error, sqlite3.Error) and is_environment(error):
                raise self._unavailable(error) from error
            self._execute(connection, "ROLLBACK TO work")
            self._execute(connection, "RELEASE work")
            raise
        self._execute(connection, "RELEASE work")
        return result

    def commit(self) -> None:
        connection, _ = self._open()
        self._execute(connection, "COMMIT")
        self._checkpointer.committed()

    def close(self) -> None:
        self._checkpointer.close()
        self.abandon()

    def abandon(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = self._transaction = None

    def _open(self) -> tuple[sqlite3.Connection, Transaction]:
        if self._connection is None or self._transaction is None:
            try:
                self._connection = connect(self._path, self._busy_seconds, writing=True)
                self._connection.execute("PRAGMA busy_timeout = 0")
            except sqlite3.Error as error:
                self._connection = None
                raise self._unavailable(error) from error
            self._transaction = self._wrap(self._connection)
        return self._connection, self._transaction

    def _execute(self, connection: sqlite3.Connection, statement: str) -> None:
        try:
            connection.execute(statement)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        return StoreUnavailable(f"the row store {self._path.name} could not commit: {error}")


def _primary(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
