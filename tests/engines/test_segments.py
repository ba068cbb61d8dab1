"""The exported log: piece by piece, whole or not at all, and the same as the row store."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tillwise.engines.duckdb import Segments
from tillwise.engines.segments import chain, end_of, export
from tillwise.events.facts import FACT_COLUMNS, STREAM_COLUMNS
from tillwise.events.tables import TABLES
from tillwise.features.feature import DAY, Agg, Aggregate, FeatureSet
from tillwise.features.points import Points
from tillwise.privacy.permit import Permit, seal
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

VIEWED = 1
FEATURES = FeatureSet(
    "views",
    tuple(
        Aggregate(f"views_{key}", key, ("Product Viewed",), Agg.COUNT, DAY, "views",
                  purposes=frozenset({Purpose.RECOMMEND}))
        for key in ("subject", "item")
    ),
)  # fmt: skip
PERMIT = Permit(seal(), Purpose.RECOMMEND, "DE", "consent", Point(0, 0, 1), granted=True)


def append(store: SqliteStore, first: int, last: int) -> None:
    """Append rows at the positions first … last; later positions have earlier times, as after an import."""

    def work(transaction: Transaction) -> None:
        for seq in range(first, last + 1):
            row = dict.fromkeys(FACT_COLUMNS) | {
                "epoch": 0, "at": 10**9 - seq, "seq": seq, "line": 0, "type": VIEWED, "purposes": 511, "simulated": 0,
                "shop": 0, "item": 3, "subject": 4,
            }  # fmt: skip
            for table, columns in (("facts", FACT_COLUMNS), ("by_shop", STREAM_COLUMNS)):
                transaction.run(
                    f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                    [row[name] for name in columns],
                )
        transaction.run("UPDATE head SET seq = ?", (last,))

    store.commit(work).result()


def opened(folder: Path) -> SqliteStore:
    """Return a row store with the log's tables."""
    store = SqliteStore(folder / "log.db")
    store.create(TABLES)
    return store


def exported(folder: Path, kind: str) -> list[tuple[object, ...]]:
    """Return every exported row, in order of position."""
    files = [str(part) for segment in chain(folder, kind) for part in segment.iterdir()]  # type: ignore[arg-type]
    with duckdb.connect() as connection:
        return connection.execute("SELECT * FROM read_parquet(?) ORDER BY seq, line", [files]).fetchall()


def test_each_row_is_exported_once(tmp_path: Path) -> None:
    """What was appended since the last export is added; a second export with nothing new writes nothing."""
    store, folder = opened(tmp_path), tmp_path / "segments"
    assert export(store, folder) == 0
    for first, last in ((1, 5), (6, 6), (7, 20)):
        append(store, first, last)
        assert export(store, folder) == last
        assert export(store, folder) == last
    assert len(chain(folder, "facts")) == len(chain(folder, "stream")) == 3
    with store.snapshot() as snapshot:
        assert exported(folder, "facts") == snapshot.all(f"SELECT {', '.join(FACT_COLUMNS)} FROM facts ORDER BY seq")
        assert exported(folder, "stream") == snapshot.all(
            f"SELECT {', '.join(STREAM_COLUMNS)} FROM by_shop ORDER BY seq"
        )
    store.close()


def test_an_overlapping_or_unfinished_segment_is_not_read_twice(tmp_path: Path) -> None:
    """Two processes exported at once, a third one crashed: readers still follow one chain."""
    store, folder = opened(tmp_path), tmp_path / "segments"
    append(store, 1, 5)
    export(store, folder)
    append(store, 6, 10)
    export(store, tmp_path / "other")  # a second process that started from nothing
    export(store, folder)
    for segment in chain(tmp_path / "other", "facts"):
        segment.rename(folder / segment.name)
    (folder / f".facts-{10:019d}-{20:019d}.99").mkdir()
    (folder / f"facts-{12:019d}-{20:019d}").mkdir()  # does not join on
    assert end_of(folder, "facts") == 10
    assert [row[2] for row in exported(folder, "facts")] == list(range(1, 11))
    store.close()


def test_a_table_needs_no_rows_and_no_segments(tmp_path: Path) -> None:
    """Before anything was exported every feature is that of an empty log; no points give an empty table."""
    segments = Segments(tmp_path / "segments", threads=1)
    points = Points.build(epoch=[0, 0], at=[5, 6], mark=[1, 1], keys={"subject": [4, None], "item": [3, 3]})
    assert segments.training_table(FEATURES, points, PERMIT).values.tolist() == [[0, 0], [0, 0]]
    assert segments.training_table(FEATURES, points.take(slice(0, 0)), PERMIT).values.shape == (0, 2)


def test_later_imports_do_not_change_earlier_points(tmp_path: Path) -> None:
    """A point sees what its epoch saw: rows of a later import, even of an earlier time, stay invisible to it."""
    store, folder = opened(tmp_path), tmp_path / "segments"
    append(store, 1, 8)
    store.commit(lambda t: t.run("UPDATE facts SET epoch = 1 WHERE seq > 5")).result()
    store.commit(lambda t: t.run("UPDATE by_shop SET epoch = 1 WHERE seq > 5")).result()
    segments = Segments(folder)
    segments.export(store)
    points = Points.build(epoch=[0, 1], at=[10**9] * 2, mark=[99] * 2, keys={"subject": [4, 4], "item": [3, 3]})
    assert segments.training_table(FEATURES, points, PERMIT).values.tolist() == [[5, 5], [8, 8]]
    store.close()
