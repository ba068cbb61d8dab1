"""The log as Parquet: exported once, piece by piece, and never edited in place.

A segment is a folder `facts-<from>-<to>` or `stream-<from>-<to>` that holds every row with from < seq <= to. It appears
whole or not at all, so a crash leaves nothing half. Two processes that export at once may write overlapping segments;
readers follow one chain from 0 on. Segments are a copy: deleting the folder only means exporting again.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal

import duckdb
import numpy as np

from tillwise.events.facts import FACT_COLUMNS, STREAM_COLUMNS
from tillwise.vocabulary.store import Store

Kind = Literal["facts", "stream"]
COLUMNS: Final[dict[Kind, tuple[str, ...]]] = {"facts": FACT_COLUMNS, "stream": STREAM_COLUMNS}
PAGE: Final = 100_000
"""Rows read from the row store at once: no snapshot stays open for longer than one page."""
_NAME: Final = re.compile(r"(facts|stream)-(\d{19})-(\d{19})")


def chain(folder: Path, kind: Kind) -> list[Path]:
    """Return the segments that together hold the log once, oldest first."""
    found: dict[int, tuple[int, Path]] = {}
    for path in folder.glob(f"{kind}-*"):
        if match := _NAME.fullmatch(path.name):
            start, end = int(match[2]), int(match[3])
            if start not in found or found[start][0] < end:
                found[start] = (end, path)
    paths: list[Path] = []
    at = 0
    while at in found:
        at, path = found[at]
        paths.append(path)
    return paths


def end_of(folder: Path, kind: Kind) -> int:
    """Return the highest position exported."""
    paths = chain(folder, kind)
    return int(paths[-1].name.rsplit("-", 1)[1]) if paths else 0


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the folder for one writer of any process: an export reads rows that an erasure may just be deleting."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go of when the file is closed, by a crash as well
        yield


def export(store: Store, folder: Path) -> int:
    """Write the rows appended since the last export; return the position exported up to."""
    with writing(folder):
        with store.snapshot() as snapshot:
            row = snapshot.one("SELECT seq FROM head")
        end = int(row[0]) if row else 0
        for kind in COLUMNS:
            start = end_of(folder, kind)
            if start < end:
                _write_segment(store, folder, kind, start, end)
    return end


def spill_folder(folder: Path) -> Path:
    """Return where this process may put what does not fit into memory."""
    return folder / ".spill" / str(os.getpid())


def segments_of(folder: Path) -> list[tuple[Path, int, int]]:
    """Return every segment with the positions (from, to] it holds; some may overlap."""
    found = ((path, _NAME.fullmatch(path.name)) for path in sorted(folder.glob("*-*")))
    return [(path, int(match[2]), int(match[3])) for path, match in found if match]


def _write_segment(store: Store, folder: Path, kind: Kind, start: int, end: int) -> None:
    target = folder / f"{kind}-{start:019d}-{end:019d}"
    partial = _write_partial(store, folder, kind, start, end)
    try:
        os.rename(partial, target)
    except OSError:  # another process wrote the very same segment
        shutil.rmtree(partial)
        if not target.exists():
            raise


def _write_partial(store: Store, folder: Path, kind: Kind, start: int, end: int) -> Path:
    partial = folder / f".{kind}-{start:019d}-{end:019d}.{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    pages = _fact_pages(store, start, end) if kind == "facts" else _stream_pages(store, start, end)
    for number, rows in zip(count(), pages, strict=False):
        write_part(partial / f"{number:05d}.parquet", COLUMNS[kind], rows)
    return partial


def _fact_pages(store: Store, start: int, end: int) -> Iterator[Sequence[tuple[Any, ...]]]:
    columns = ", ".join(FACT_COLUMNS)
    place = (start, 2**62)
    while True:
        with store.snapshot() as snapshot:
            rows = snapshot.all(
                f"SELECT {columns} FROM facts WHERE (seq, line) > (?, ?) AND seq <= ? ORDER BY seq, line LIMIT {PAGE}",
                (*place, end),
            )
        if not rows:
            return
        yield rows
        place = (rows[-1][2], rows[-1][3])


def _stream_pages(store: Store, start: int, end: int) -> Iterator[Sequence[tuple[Any, ...]]]:
    # The stream lies in the order of `at`, and an import may add old rows late: so all of it is looked through.
    columns = ", ".join(STREAM_COLUMNS)
    place = (-(2**63), 0, 0)
    while True:
        with store.snapshot() as snapshot:
            rows = snapshot.all(
                f"SELECT {columns} FROM by_shop WHERE (at, seq, line) > (?, ?, ?) AND seq > ? AND seq <= ?"
                f" ORDER BY at, seq, line LIMIT {PAGE}",
                (*place, start, end),
            )
        if not rows:
            return
        yield rows
        place = (rows[-1][1], rows[-1][2], rows[-1][3])


def write_part(path: Path, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows of integers and nulls as one Parquet file."""
    arrays = {name: _masked(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}
    write_arrays(path, arrays)


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write int64 columns (masked = null) as one Parquet file; its path holds no quote."""
    with duckdb.connect(config=SETTINGS) as connection:
        connection.register("part", arrays)
        connection.execute(f"COPY part TO '{path}' (FORMAT PARQUET, COMPRESSION ZSTD)")


SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": False,
}
"""DuckDB as we run it: it never fetches code from anywhere."""


def _masked(values: Sequence[int | None]) -> Any:
    if None not in values:
        return np.array(values, dtype=np.int64)
    mask = np.fromiter((value is None for value in values), np.bool_, len(values))
    return np.ma.masked_array(np.array([0 if v is None else v for v in values], dtype=np.int64), mask=mask)
