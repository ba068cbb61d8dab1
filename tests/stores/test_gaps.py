"""What deleted rows leave between the cells of the pages is overwritten, while others go on writing."""

from __future__ import annotations

import random
import sqlite3
import threading
from pathlib import Path

import pytest

from tillwise.rights.scan import scan
from tillwise.stores.gaps import main
from tillwise.stores.sqlite import SqliteStore

TABLE = "CREATE TABLE IF NOT EXISTS marks (mark BLOB PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID"


def filled(path: Path, n: int) -> tuple[SqliteStore, list[bytes]]:
    store = SqliteStore(path)
    store.create((TABLE,))
    draw = random.Random(3)
    marks = [draw.randbytes(24) for _ in range(n)]
    for start in range(0, n, 50):
        rows = [(mark, start) for mark in marks[start : start + 50]]
        store.commit(lambda t: t.run_many("INSERT INTO marks (mark, n) VALUES (?, ?)", rows)).result()  # noqa: B023
    return store, marks


def leftovers(path: Path, marks: list[bytes]) -> int:
    return len({hit.form for hit in scan(path.parent, [(mark.hex(), mark) for mark in marks])})


def test_no_byte_of_a_deleted_row_is_left_between_the_cells(tmp_path: Path) -> None:
    """Rows that were moved when their page was full leave copies; after scrubbing there is none, and the rest is."""
    path = tmp_path / "rows.db"
    store, marks = filled(path, 3_000)
    gone, kept = marks[::2], marks[1::2]
    store.commit(lambda t: t.run_many("DELETE FROM marks WHERE mark = ?", [(mark,) for mark in gone])).result()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert leftovers(path, gone) > 0, "secure_delete alone leaves some: if it no longer does, this room can go"
    store.scrub()
    assert leftovers(path, gone) == 0
    assert leftovers(path, kept) == len(kept)
    with store.snapshot() as snapshot:
        assert {bytes(row[0]) for row in snapshot.all("SELECT mark FROM marks")} == set(kept)
        assert snapshot.all("PRAGMA integrity_check") == [("ok",)]
    store.close()


def test_others_go_on_writing_and_lose_nothing(tmp_path: Path) -> None:
    """Every acknowledged row is there afterwards, and the file is sound."""
    path = tmp_path / "rows.db"
    store, marks = filled(path, 1_000)
    ended = threading.Event()
    draw = random.Random(5)
    written: list[bytes] = []

    def write() -> None:
        while not ended.is_set():
            mark = draw.randbytes(24)
            store.commit(lambda t: t.run("INSERT INTO marks (mark, n) VALUES (?, 0)", (mark,))).result()  # noqa: B023
            written.append(mark)

    writer = threading.Thread(target=write)
    writer.start()
    gone: list[bytes] = []
    for start in range(0, 200, 100):
        page = marks[start : start + 100]
        store.commit(lambda t: t.run_many("DELETE FROM marks WHERE mark = ?", [(m,) for m in page])).result()  # noqa: B023
        gone += page
        store.scrub()
        assert leftovers(path, gone) == 0
    ended.set()
    writer.join()
    with store.snapshot() as snapshot:
        found = {bytes(row[0]) for row in snapshot.all("SELECT mark FROM marks")}
        assert snapshot.all("PRAGMA integrity_check") == [("ok",)]
    assert found == set(marks[200:]) | set(written)
    assert len(written) > 10
    store.close()


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    """Nothing is written into what is no SQLite file."""
    path = tmp_path / "other"
    path.write_bytes(b"x" * 9_000)
    with pytest.raises(ValueError, match="no plain SQLite file"):
        main(path)
    assert path.read_bytes() == b"x" * 9_000
