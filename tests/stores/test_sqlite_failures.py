"""A full disk, a held lock, a damaged file: work fails with a clear error, and works again when the cause is gone."""

from __future__ import annotations

import os
import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tillwise.errors import StoreUnavailable
from tillwise.stores.sqlite import SqliteStore, SqliteTransaction
from tillwise.stores.sqlite_checkpoint import Checkpointer
from tillwise.stores.sqlite_writer import SqliteWriter, connect
from tillwise.vocabulary.store import Transaction

TABLE = ("CREATE TABLE IF NOT EXISTS blobs (n INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT",)
BOUND = 0.2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db", busy_seconds=BOUND)
    store.create(TABLE)
    yield store
    store.close()


def insert(transaction: Transaction, n: int, size: int = 10) -> None:
    transaction.run("INSERT INTO blobs (n, content) VALUES (?, zeroblob(?))", (n, size))


def count(store: SqliteStore) -> int:
    with store.snapshot() as snapshot:
        row = snapshot.one("SELECT count(*) FROM blobs")
    assert row is not None
    return int(row[0])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock from another connection, as another process would."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: what a full disk looks like from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_held_lock_is_waited_for_with_a_bound(store: SqliteStore, tmp_path: Path) -> None:
    """Everyone who waits hears StoreUnavailable, also those queued behind the first; reading goes on."""
    with locked(tmp_path / "store.db"):
        started = time.monotonic()
        futures = [store.commit(lambda t, n=n: insert(t, n)) for n in range(600)]
        failures = [future.exception() for future in futures]
        waited = time.monotonic() - started
        assert all(isinstance(failure, StoreUnavailable) for failure in failures)
        assert count(store) == 0
    assert waited < 20 * BOUND
    store.commit(lambda t: insert(t, 1)).result()
    assert count(store) == 1


def test_a_full_disk_fails_the_work_and_not_the_store(store: SqliteStore, tmp_path: Path) -> None:
    """Nothing of the failed work is kept; once there is room the same store works again."""
    store.commit(lambda t: insert(t, 1)).result()
    size = max(os.path.getsize(file) for file in tmp_path.iterdir())
    with file_size_limit(size + 20_000):
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                store.commit(lambda t: insert(t, 2, 10_000_000)).result()
        assert count(store) == 1
    store.commit(lambda t: insert(t, 3, 10_000_000)).result()
    assert count(store) == 2
    with store.snapshot() as snapshot:
        assert snapshot.one("PRAGMA integrity_check") == ("ok",)


def test_a_page_limit_reached_midway_undoes_the_whole_group(store: SqliteStore) -> None:
    """SQLITE_FULL may end the transaction by itself: the connection is replaced, never reused half-way."""

    def fill(transaction: Transaction) -> None:
        transaction.one("PRAGMA max_page_count = 20")
        insert(transaction, 1, 10_000_000)

    with pytest.raises(StoreUnavailable, match="full"):
        store.commit(fill).result()
    store.commit(lambda t: insert(t, 2, 10_000_000)).result()
    assert count(store) == 1


def test_a_snapshot_cannot_write(store: SqliteStore) -> None:
    with pytest.raises(StoreUnavailable, match="readonly"), store.snapshot() as snapshot:
        snapshot.all("DELETE FROM blobs")
    assert count(store) == 0


def test_a_mistake_in_a_query_is_no_failure_of_the_store(store: SqliteStore) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such column"), store.snapshot() as snapshot:
        snapshot.all("SELECT shoe_size FROM blobs")


def test_a_damaged_file_is_named_and_nothing_hangs(tmp_path: Path) -> None:
    """A file that is no database refuses reading and writing, each with the file's name."""
    path = tmp_path / "damaged.db"
    path.write_bytes(os.urandom(8192))
    store = SqliteStore(path, busy_seconds=BOUND)
    with pytest.raises(StoreUnavailable, match=r"damaged\.db"):
        store.create(TABLE)
    with pytest.raises(StoreUnavailable, match=r"damaged\.db"), store.snapshot() as snapshot:
        snapshot.one("SELECT 1 FROM sqlite_master")
    store.close()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        SqliteStore(tmp_path / "nowhere" / "store.db")


def test_only_its_owner_may_read_the_file(store: SqliteStore, tmp_path: Path) -> None:
    store.commit(lambda t: insert(t, 1)).result()
    assert {file.name: file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {
        "store.db": 0, "store.db-wal": 0, "store.db-shm": 0}  # fmt: skip


def test_the_write_ahead_log_is_started_over_under_load(tmp_path: Path) -> None:
    """Commits never wait for a checkpoint of their own making, and the log file still does not grow for ever."""
    path = tmp_path / "store.db"
    writer = SqliteWriter(path, BOUND, SqliteTransaction, Checkpointer(
        lambda: connect(path, BOUND, writing=True), interval=0.0, restart_frames=50))  # fmt: skip
    for statement in TABLE:
        writer.begin()
        writer.run(lambda t, s=statement: t.run(s))
        writer.commit()
    rows = 0
    while rows < 400 or os.path.getsize(f"{path}-wal") >= rows * 40_000 / 2:
        assert rows < 10_000, "the log only grew"  # a busy machine may let the checkpoints come late, not never
        writer.begin()
        writer.run(lambda t, n=rows: insert(t, n, 40_000))
        writer.commit()
        rows += 1
    writer.close()
    store = SqliteStore(path)
    assert count(store) == rows
    store.close()
