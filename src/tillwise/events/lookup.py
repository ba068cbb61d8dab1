"""Reading many rows by key at once, with few distinct statements so that each stays prepared."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from tillwise.vocabulary.store import Row, Snapshot

_SIZES: Final = (1, 8, 64, 512)


def rows_in(snapshot: Snapshot, sql: str, values: Collection[Any]) -> list[Row]:
    """Return the rows of `sql`, which ends in `IN`, for all `values`; the list is padded to one of a few lengths."""
    wanted = list(values)
    rows: list[Row] = []
    start = 0
    while start < len(wanted):
        size = next((size for size in _SIZES if len(wanted) - start <= size), _SIZES[-1])
        chunk = wanted[start : start + size]
        chunk.extend(chunk[-1:] * (size - len(chunk)))
        rows.extend(snapshot.all(f"{sql} ({','.join('?' * size)})", chunk))
        start += size
    return rows
