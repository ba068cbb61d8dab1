"""The port to the row store: a snapshot to read, a commit queue to write, and nothing else.

Every room keeps its own tables and its own SQL beside the nouns they hold. That SQL stays within what SQLite and
PostgreSQL share (STRICT integer and text columns, `?` placeholders, `INSERT … ON CONFLICT`), so that a further store
is one file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]


class Snapshot(Protocol):
    """One consistent view of all tables."""

    def all(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Return every row of a query."""
        ...

    def one(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query, or None."""
        ...


class Transaction(Snapshot, Protocol):
    """A view that can also write; all of its writes become durable together or not at all."""

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Execute one statement and return the number of rows it touched."""
        ...

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute one statement for each row."""
        ...


class Store(Protocol):
    """Rows that survive `kill -9`."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Open a consistent read view; close it soon, a long reader keeps old pages alive."""
        ...

    def commit(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Run `work` in a write transaction.

        The future resolves to what `work` returned once its writes are on disk (full sync), or to the exception it
        raised; its own writes are then undone, those of others are not. Work of several callers shares one
        transaction (group commit) and one sync; it runs one after another, so that what it reads is current.
        """
        ...

    def hold(self) -> None:
        """Let commits of this process gather until `release`; whoever holds must release soon."""
        ...

    def release(self) -> Future[Any] | None:
        """Let what has gathered be committed; return the future of the last of it, None when nothing came."""
        ...

    def trouble(self) -> str | None:
        """Return what a commit of this process failed of within the last seconds, None when all went well."""
        ...

    def create(self, tables: Sequence[str]) -> None:
        """Execute the `CREATE … IF NOT EXISTS` statements of a room."""
        ...

    def close(self) -> None:
        """Finish the queued work and let go of the files."""
        ...
