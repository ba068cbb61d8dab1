"""Rows of the log that labels are made of, read page by page as integer columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.events.types import event_code
from tillwise.privacy.permit import Permit
from tillwise.vocabulary.store import Store

NULL: Final = -(2**63)
"""Null in an integer column."""
PAGE: Final = 200_000
Columns = dict[str, NDArray[np.int64]]
_WANTED: Final = (
    "epoch", "at", "seq", "subject", "device", "card", "ip", "address", "email", "merchant", "order_ref", "amount",
    "billing_country", "shipping_country", "kind", "simulated", "flag",
)  # fmt: skip


def rows_of(
    store: Store,
    events: Sequence[str],
    permit: Permit,
    *,
    before: int,
    after: int = NULL,
    columns: Sequence[str] = _WANTED,
) -> Columns:
    """Return the events' own rows (no product lines), `after` < `at` < `before`, in order (at, seq); NULL is unknown.

    Only rows that may be read for the permit's purpose, and to train, are returned, and none of an import that was not
    visible at the permit's point. No snapshot stays open for longer than one page.
    """
    if not permit.granted:
        return {name: np.empty(0, dtype=np.int64) for name in columns}
    codes = sorted({event_code(event) for event in events})
    marks = ", ".join("?" for _ in codes)
    wanted = ("seq", *columns)
    sql = (
        f"SELECT {', '.join(wanted)} FROM facts WHERE seq > ? AND line = 0 AND type IN ({marks})"
        f" AND (purposes & ?) = ? AND epoch <= ? AND at > ? AND at < ? ORDER BY seq LIMIT {PAGE}"
    )
    pages: list[NDArray[np.int64]] = []
    last = 0
    while True:
        with store.snapshot() as snapshot:
            rows = snapshot.all(sql, (last, *codes, permit.mask, permit.mask, permit.point.epoch, after, before))
        if not rows:
            break
        last = int(rows[-1][0])
        pages.append(np.array([[NULL if value is None else value for value in row] for row in rows], dtype=np.int64))
    table = np.concatenate(pages) if pages else np.empty((0, len(wanted)), dtype=np.int64)
    found = dict(zip(wanted, table.T, strict=True))
    order = np.lexsort((table[:, 0], found["at"] if "at" in columns else table[:, 0]))
    return {name: np.ascontiguousarray(found[name][order]) for name in columns}
