"""Leftovers in the pages of a SQLite file: what `secure_delete` does not overwrite is overwritten here.

When SQLite spreads the cells of a full page over its neighbours, the old bytes stay in the page's gap, between its list
of cells and its first cell: a row that is deleted later leaves a copy there. Only the gap is written, which no reader
ever looks at (https://www.sqlite.org/fileformat2.html, 1.6).

It runs as a process of its own, `python -m tillwise.stores.gaps FILE`: a process that closes a SQLite file it opened by
itself loses its locks on it (https://www.sqlite.org/howtocorrupt.html, 2.2). Pages are written only while this process
alone may write and the write-ahead log is empty; its own commit afterwards makes everybody read their pages again.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

AT_ONCE: Final = 4_096
"""Pages looked at in one step."""
WRITTEN_AT_ONCE: Final = 256
"""Pages written while others wait: a few milliseconds."""
MOST_PAGES: Final = 1 << 24
"""Below this many pages the first byte alone tells a page of cells from one that continues a long row."""
_INTERIOR: Final = (2, 5)
_LEAF: Final = (10, 13)
Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


def main(path: Path, seconds: float = 30.0) -> int:
    """Overwrite every gap that holds anything; return how many pages that were. Raises TimeoutError, ValueError."""
    deadline = time.monotonic() + seconds
    descriptor = os.open(path, os.O_RDWR)
    size = _page_size(descriptor)
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    _open_until_the_end.append(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    _empty_log(connection, deadline)
    dirty = [page for pages in _looked_through(descriptor, size) for page in pages]
    for start in range(0, len(dirty), WRITTEN_AT_ONCE):
        _alone(connection, path, deadline)
        try:
            for page in dirty[start : start + WRITTEN_AT_ONCE]:
                _overwrite(descriptor, page, size)
            os.fsync(descriptor)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute(f"PRAGMA user_version = {version}")  # writes page 1: a commit others notice
        finally:
            connection.execute("COMMIT")
    _empty_log(connection, deadline)
    return len(dirty)


_open_until_the_end: Final[list[sqlite3.Connection]] = []
"""Nothing is closed: the process ends, and leaves log and shared memory of the file to those who use them."""


def _page_size(descriptor: int) -> int:
    header = os.pread(descriptor, 100, 0)
    if header[:16] != b"SQLite format 3\x00" or header[20]:
        raise ValueError("this is no plain SQLite file")
    size = int.from_bytes(header[16:18], "big")
    size = 65_536 if size == 1 else size
    if os.fstat(descriptor).st_size // size >= MOST_PAGES:
        raise ValueError("the row store is too large to be cleaned page by page: run VACUUM")
    return size


def _looked_through(descriptor: int, size: int) -> Iterator[list[int]]:
    """Yield the pages whose gap holds anything; page 1, which holds the schema, is left alone."""
    start = 1
    while raw := os.pread(descriptor, AT_ONCE * size, start * size):
        pages = np.frombuffer(raw, np.uint8, len(raw) // size * size).reshape(-1, size)
        first, last = _gaps(pages, size)
        where = np.arange(size, dtype=np.int64)
        filled = (pages != 0) & (where >= first[:, None]) & (where < last[:, None])
        yield [start + int(place) for place in np.flatnonzero(filled.any(axis=1))]
        start += AT_ONCE


def _gaps(pages: Bytes, size: int) -> tuple[Places, Places]:
    """Return where each page's gap begins and ends; both are 0 for a page that holds no cells."""
    head = pages[:, :8].astype(np.int64)
    interior, leaf = np.isin(head[:, 0], _INTERIOR), np.isin(head[:, 0], _LEAF)
    first = np.where(interior, 12, 8) + 2 * (head[:, 3] * 256 + head[:, 4])
    last = head[:, 5] * 256 + head[:, 6]
    last = np.where(last == 0, 65_536, last)
    sound = (interior | leaf) & (first <= last) & (last <= size)
    return np.where(sound, first, 0), np.where(sound, last, 0)


def _overwrite(descriptor: int, page: int, size: int) -> None:
    """Overwrite the gap of one page as it is now."""
    raw = np.frombuffer(os.pread(descriptor, size, page * size), np.uint8)
    if len(raw) == size:
        first, last = (int(found[0]) for found in _gaps(raw.reshape(1, size), size))
        if first < last:
            os.pwrite(descriptor, bytes(last - first), page * size + first)


def _empty_log(connection: sqlite3.Connection, deadline: float) -> None:
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > deadline:
            raise TimeoutError("the write-ahead log is being read and could not be emptied")
        time.sleep(0.005)


def _alone(connection: sqlite3.Connection, path: Path, deadline: float) -> None:
    """Begin a write transaction over an empty write-ahead log: the file is then all there is, and nobody changes it."""
    log = path.with_name(path.name + "-wal")
    while True:
        _empty_log(connection, deadline)
        connection.execute("BEGIN IMMEDIATE")
        if not log.exists() or not log.stat().st_size:
            return
        connection.execute("ROLLBACK")


if __name__ == "__main__":
    try:
        print(main(Path(sys.argv[1])), flush=True)
    except (TimeoutError, ValueError, sqlite3.Error, OSError) as failure:
        sys.exit(str(failure))
    os._exit(0)
