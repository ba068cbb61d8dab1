"""Where a reader stands in the log: what is visible, and in which order.

Rows are ordered by (`at`, `seq`). A point stands between two rows: `mark` is 2·seq + 1 just after a row and
2·seq − 1 just before it, so a point never ties with a row, and the event being scored can stand just behind it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log in one snapshot.

    `seq` is the highest position, `at` the log clock of the last row in Unix milliseconds (never decreasing live),
    `epoch` the highest import that is visible as a whole.
    """

    seq: int
    at: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Point:
    """What a decision or a training row may see.

    A row (`at`, `seq`, `epoch`) is visible when `row.epoch <= epoch` and `(row.at, 2 * row.seq) < (at, mark)`.
    Windows are half-open: (at − window, at].
    """

    epoch: int
    at: int
    mark: int

    @classmethod
    def after(cls, head: Head, now: int) -> Point:
        """Return the point of a decision taken now: everything in the snapshot is visible."""
        return cls(epoch=head.epoch, at=max(head.at, now), mark=2 * head.seq + 1)

    @classmethod
    def before(cls, *, epoch: int, at: int, seq: int) -> Point:
        """Return the point just before the row (`at`, `seq`): ties with earlier rows are visible, the row is not."""
        return cls(epoch=epoch, at=at, mark=2 * seq - 1)
