"""The default row store: one SQLite file in WAL mode, one committing thread per process, full sync."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from tillwise.errors import ConfigurationError, StoreUnavailable
from tillwise.stores.group_commit import GroupCommit
from tillwise.stores.sqlite_writer import SqliteWriter, connect, is_environment
from tillwise.vocabulary.store import Row, Snapshot, Transaction

T = TypeVar("T")
_IDLE_LIMIT: Final = 64
"""Reading connections kept open between snapshots."""


class SqliteSnapshot:
    """A connection inside a read transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql, params).fetchall()

    def one(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        row: Row | None = self._connection.execute(sql, params).fetchone()
        return row


class SqliteTransaction(SqliteSnapshot):
    """A connection inside a write transaction."""

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        return self._connection.execute(sql, params).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)


class SqliteStore:
    """Rows in one file: several processes read and write it; each groups its own commits.

    Raises ConfigurationError when the SQLite library is older than 3.37 (STRICT tables). Work fails with
    StoreUnavailable when the file stays locked for longer than `busy_seconds`, the disk is full or the file cannot be
    used; it was then not done, and later work is tried afresh.
    """

    def __init__(self, path: Path, *, busy_seconds: float = 5.0) -> None:
        if sqlite3.sqlite_version_info < (3, 37):
            raise ConfigurationError(f"SQLite {sqlite3.sqlite_version} is too old: tillwise needs 3.37 or newer")
        self._path = path
        self._busy_seconds = busy_seconds
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        try:
            path.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"the row store {path} cannot be opened: {error.strerror}") from error
        self._commits = GroupCommit(SqliteWriter(path, busy_seconds, SqliteTransaction))

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        connection = self._reader()
        healthy = True
        try:
            connection.execute("BEGIN")
            yield SqliteSnapshot(connection)
        except sqlite3.Error as error:
            healthy = not is_environment(error)
            if healthy:
                raise
            raise self._unavailable(error) from error
        finally:
            self._give_back(connection, healthy=healthy)

    def commit(self, work: Callable[[Transaction], T]) -> Future[T]:
        return self._commits.submit(work)

    def hold(self) -> None:
        self._commits.hold()

    def release(self) -> Future[Any] | None:
        return self._commits.release()

    def trouble(self) -> str | None:
        return self._commits.trouble()

    def create(self, tables: Sequence[str]) -> None:
        def work(transaction: Transaction) -> None:
            for statement in tables:
                transaction.run(statement)

        self.commit(work).result()

    def scrub(self, seconds: float = 30.0) -> None:
        """Leave no deleted byte: empty the write-ahead log, and overwrite what lies between the cells of the pages.

        The file itself overwrites what it frees (`secure_delete`), but not what it moves: see stores/gaps.py. Raises
        StoreUnavailable when readers or another process held on to the log for `seconds`.
        """
        self.commit(lambda transaction: None).result()
        connection = connect(self._path, self._busy_seconds, writing=True)
        try:
            deadline = time.monotonic() + seconds
            while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > deadline:
                    raise StoreUnavailable("the write-ahead log is being read and could not be emptied: try again")
                time.sleep(0.01)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        finally:
            connection.close()
        command = [sys.executable, "-m", "tillwise.stores.gaps", str(self._path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
        if done.returncode:
            raise StoreUnavailable(f"what lies between rows was not overwritten: {done.stderr.strip()[-300:]}")

    def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        self._commits.close()  # last, so that the writer's closing leaves one tidy file

    def _reader(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreUnavailable("the row store is closed")
        with suppress(IndexError):
            return self._idle.pop()
        try:
            return connect(self._path, self._busy_seconds, writing=False)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _give_back(self, connection: sqlite3.Connection, *, healthy: bool) -> None:
        try:
            connection.rollback()
        except sqlite3.Error:
            healthy = False
        if healthy and not self._closed and len(self._idle) < _IDLE_LIMIT:
            self._idle.append(connection)
        else:
            with suppress(sqlite3.Error):
                connection.close()

    def _unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        return StoreUnavailable(f"the row store {self._path.name} did not answer: {error}")
