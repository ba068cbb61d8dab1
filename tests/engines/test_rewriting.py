"""Erased rows leave the exported log: only the files that hold them are written anew, nothing half-written stays."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb

from tillwise.engines.rewriting import rewrite
from tillwise.engines.segments import COLUMNS, write_part, writing


def exported(folder: Path, parts: int, rows: int) -> Path:
    """Write one segment of several files; `seq` counts through."""
    segment = folder / f"facts-{0:019d}-{parts * rows:019d}"
    segment.mkdir(parents=True)
    width = len(COLUMNS["facts"])
    for part in range(parts):
        numbers = range(part * rows + 1, (part + 1) * rows + 1)
        write_part(
            segment / f"{part:05d}.parquet",
            COLUMNS["facts"],
            [(0, seq * 10, seq, 0, *([None] * (width - 4))) for seq in numbers],
        )
    return segment


def seqs(segment: Path) -> list[int]:
    with duckdb.connect() as connection:
        return [row[0] for row in connection.execute(f"SELECT seq FROM '{segment}/*.parquet' ORDER BY 1").fetchall()]


def test_only_the_files_that_hold_a_position_are_written_anew(tmp_path: Path) -> None:
    """The others keep their very bytes; repeating it finds nothing."""
    segment = exported(tmp_path, parts=4, rows=50)
    before = {part.name: part.stat().st_mtime_ns for part in segment.iterdir()}
    assert rewrite(tmp_path, [7, 9, 120, 5_000]) == 2
    after = {part.name: part.stat().st_mtime_ns for part in segment.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"00000.parquet", "00002.parquet"}
    assert seqs(segment) == [seq for seq in range(1, 201) if seq not in (7, 9, 120)]
    assert rewrite(tmp_path, [7, 9, 120]) == 0


def test_rows_stay_in_their_order(tmp_path: Path) -> None:
    """Whoever reads a file from its beginning finds the same rows in the same order, but for those erased."""
    segment = exported(tmp_path, parts=1, rows=3_000)
    rewrite(tmp_path, range(2, 3_000, 3))
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT seq FROM read_parquet('{segment}/00000.parquet')").fetchall()
    assert [row[0] for row in rows] == [seq for seq in range(1, 3_001) if seq % 3 != 2 or seq == 3_000]


def test_a_file_may_end_up_without_rows(tmp_path: Path) -> None:
    """Its columns stay, so that the log can still be read."""
    segment = exported(tmp_path, parts=2, rows=3)
    assert rewrite(tmp_path, [1, 2, 3]) == 1
    assert seqs(segment) == [4, 5, 6]


def test_what_a_crash_left_goes(tmp_path: Path) -> None:
    """Half-written segments and files, and what a process that is gone spilled."""
    segment = exported(tmp_path, parts=1, rows=3)
    half = tmp_path / ".facts-0000000000000000000-0000000000000000003.99999999"
    half.mkdir()
    (half / "00000.parquet").write_text("rows")
    (segment / "00000.parquet.rewriting").write_text("rows")
    (tmp_path / ".spill" / "99999999").mkdir(parents=True)
    (tmp_path / ".spill" / "99999999" / "block").write_text("rows")
    rewrite(tmp_path, [9])
    assert not half.exists()
    assert [part.name for part in segment.iterdir()] == ["00000.parquet"]
    assert list((tmp_path / ".spill").iterdir()) == []


def test_an_erasure_waits_for_an_export(tmp_path: Path) -> None:
    """An export may have read rows just before they were erased: it ends first, and is then cleaned."""
    segment = tmp_path / f"facts-{0:019d}-{3:019d}"
    done = threading.Event()

    def erase() -> None:
        rewrite(tmp_path, [2])
        done.set()

    with writing(tmp_path):
        eraser = threading.Thread(target=erase)
        eraser.start()
        assert not done.is_set()
        exported(tmp_path, parts=1, rows=3)
    eraser.join()
    assert seqs(segment) == [1, 3]


def test_a_shop_that_never_exported_has_nothing_to_write(tmp_path: Path) -> None:
    """No folder appears."""
    assert rewrite(tmp_path / "segments", [1]) == 0
    assert not (tmp_path / "segments").exists()
