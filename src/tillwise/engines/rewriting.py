"""Taking erased rows out of the exported log: only the files that hold them are written anew.

Each segment consists of files of a hundred thousand rows. Those without an erased position stay as they are, so that
the cost of an erasure does not grow with the log. A reader that opened a file before keeps what it opened.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

import duckdb
import numpy as np

from tillwise.engines.segments import SETTINGS, segments_of, writing

_HALF: Final = ".rewriting"


def rewrite(folder: Path, seqs: Collection[int]) -> int:
    """Write every file anew that holds a row at one of these positions; return how many.

    What a crash left half-written, and what a process that is gone spilled, goes too. Repeating it does no harm.
    """
    if not folder.is_dir():
        return 0
    gone = np.unique(np.fromiter(seqs, np.int64, len(seqs)))
    with writing(folder):
        _remove_leftovers(folder)
        files = [
            part
            for segment, start, end in segments_of(folder)
            if np.searchsorted(gone, start, "right") < np.searchsorted(gone, end, "right")
            for part in sorted(segment.glob("*.parquet"))
        ]
        if not files:
            return 0
        with duckdb.connect(config={**SETTINGS, "preserve_insertion_order": True}) as connection:
            connection.register("gone", {"seq": gone})
            held = [part for part in files if _holds(connection, part)]
            for part in held:
                _without(connection, part)
    return len(held)


def _holds(connection: duckdb.DuckDBPyConnection, part: Path) -> bool:
    sql = f"SELECT 1 FROM read_parquet('{part}') e SEMI JOIN gone g ON g.seq = e.seq LIMIT 1"
    return connection.execute(sql).fetchone() is not None


def _without(connection: duckdb.DuckDBPyConnection, part: Path) -> None:
    half = part.with_name(part.name + _HALF)
    rest = f"SELECT e.* FROM read_parquet('{part}') e ANTI JOIN gone g ON g.seq = e.seq ORDER BY file_row_number"
    rest = rest.replace(f"read_parquet('{part}')", f"read_parquet('{part}', file_row_number = true)")
    connection.execute(
        f"COPY (SELECT * EXCLUDE (file_row_number) FROM ({rest})) TO '{half}' (FORMAT PARQUET, COMPRESSION ZSTD)"
    )
    with half.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(half, part)


def _remove_leftovers(folder: Path) -> None:
    """Remove what was left half-written: whoever holds the folder knows that nobody is writing."""
    for path in (*folder.glob(".facts-*"), *folder.glob(".stream-*")):
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(f"*/*{_HALF}"):
        path.unlink(missing_ok=True)
    for path in folder.glob(".spill/*"):
        if not path.name.isdecimal() or not _alive(int(path.name)):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
