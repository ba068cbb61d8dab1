"""The contract of a row store, for every technology: snapshots are consistent, commits all or nothing and durable."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tillwise.errors import StoreUnavailable
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.store import Store, Transaction

STORES: dict[str, Callable[[Path], Store]] = {"sqlite": lambda folder: SqliteStore(folder / "store.db")}
TABLE = ("CREATE TABLE IF NOT EXISTS numbers (n INTEGER PRIMARY KEY) STRICT",)


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = STORES[request.param](tmp_path)
    store.create(TABLE)
    yield store
    store.close()


def add(*numbers: int) -> Callable[[Transaction], int]:
    def work(transaction: Transaction) -> int:
        transaction.run_many("INSERT INTO numbers (n) VALUES (?)", [(n,) for n in numbers])
        return len(numbers)

    return work


def numbers_in(store: Store) -> list[int]:
    with store.snapshot() as snapshot:
        return [n for (n,) in snapshot.all("SELECT n FROM numbers ORDER BY n")]


def test_a_commit_answers_with_what_its_work_returned(store: Store) -> None:
    assert store.commit(add(1, 2)).result() == 2
    assert numbers_in(store) == [1, 2]


def test_creating_tables_twice_changes_nothing(store: Store) -> None:
    store.commit(add(1)).result()
    store.create(TABLE)
    assert numbers_in(store) == [1]


def test_one_piece_of_work_fails_alone(store: Store) -> None:
    """Its writes are undone and its caller hears why; work before and after it in the same group stands."""

    def fail(transaction: Transaction) -> None:
        add(20, 21)(transaction)
        raise ValueError("on second thought")

    def wrong(transaction: Transaction) -> None:
        add(30)(transaction)
        transaction.run("INSERT INTO no_such_table VALUES (1)")

    gate = threading.Event()
    first = store.commit(lambda _: gate.wait(10))
    group = [store.commit(work) for work in (add(1), fail, add(2), wrong, add(2), add(3))]
    gate.set()
    assert first.result()
    failures = [type(future.exception()).__name__ for future in group]
    assert failures[0] == failures[2] == failures[5] == "NoneType"
    assert failures[1] == "ValueError"
    assert failures[3] != "StoreUnavailable"
    assert failures[4] == "IntegrityError"
    assert numbers_in(store) == [1, 2, 3]


@pytest.mark.parametrize("n", [0, 1, 2, 7, 127, 128, 129, 500])
def test_many_rows_are_inserted_each_once_and_in_order(store: Store, n: int) -> None:
    """However many rows, and whatever follows the values, a statement runs for each of them."""
    store.create(("CREATE TABLE pairs (k INTEGER PRIMARY KEY, times INTEGER NOT NULL) STRICT",))
    upsert = (
        "INSERT INTO pairs (k, times) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET times = pairs.times + excluded.times"
    )
    rows = [(k, 1) for k in range(n)]
    store.commit(lambda t: t.run_many(upsert, iter(rows))).result()
    store.commit(lambda t: t.run_many(upsert, rows)).result()
    store.commit(
        lambda t: t.run_many("UPDATE pairs SET times = times * ? WHERE k = ?", [(2, k) for k in range(n)])
    ).result()
    with store.snapshot() as snapshot:
        assert snapshot.all("SELECT k, times FROM pairs ORDER BY k") == [(k, 4) for k in range(n)]


def test_a_row_of_another_length_is_refused(store: Store) -> None:
    with pytest.raises((ValueError, sqlite3.ProgrammingError)):
        store.commit(lambda t: t.run_many("INSERT INTO numbers (n) VALUES (?)", [(1, 2), ()])).result()
    assert numbers_in(store) == []


def test_work_runs_one_after_another_and_sees_what_came_before(store: Store) -> None:
    def append_next(transaction: Transaction) -> int:
        row = transaction.one("SELECT coalesce(max(n), 0) + 1 FROM numbers")
        assert row is not None
        add(row[0])(transaction)
        return int(row[0])

    futures: list[Future[int]] = []
    threads = [
        threading.Thread(target=lambda: futures.extend(store.commit(append_next) for _ in range(50))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(future.result() for future in futures) == list(range(1, 201))


def test_a_snapshot_does_not_move(store: Store) -> None:
    store.commit(add(1)).result()
    with store.snapshot() as snapshot:
        assert snapshot.one("SELECT count(*) FROM numbers") == (1,)
        store.commit(add(2)).result()
        assert snapshot.one("SELECT count(*) FROM numbers") == (1,)
    assert numbers_in(store) == [1, 2]


def test_an_acknowledged_commit_is_in_the_next_snapshot(store: Store) -> None:
    for n in range(50):
        store.commit(add(n)).result()
        assert numbers_in(store)[-1] == n


def test_a_cancelled_commit_is_not_done(store: Store) -> None:
    gate = threading.Event()
    first = store.commit(lambda _: gate.wait(10))
    cancelled, kept = store.commit(add(1)), store.commit(add(2))
    assert cancelled.cancel()
    gate.set()
    assert first.result()
    assert kept.result() == 1
    assert numbers_in(store) == [2]


def test_even_an_exit_in_a_piece_of_work_leaves_the_store_working(store: Store) -> None:
    def leave(_: Transaction) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        store.commit(leave).result()
    assert store.commit(add(1)).result() == 1


def test_an_error_inside_a_snapshot_is_the_callers_own(store: Store) -> None:
    with pytest.raises(KeyError), store.snapshot():
        raise KeyError("mine")
    assert numbers_in(store) == []


def test_closing_finishes_what_is_queued_and_refuses_what_comes_after(store: Store) -> None:
    futures = [store.commit(add(n)) for n in range(300)]
    store.close()
    store.close()
    assert all(future.result() == 1 for future in futures)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.commit(add(999)).result()
    with pytest.raises(StoreUnavailable, match="closed"), store.snapshot():
        pass
