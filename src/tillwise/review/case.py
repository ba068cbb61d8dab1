"""A case: a decision that waits for a person, what it may cost, who looks at it, and what they found."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tillwise.events.lookup import rows_in
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Row, Snapshot

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS reviews (decision_id TEXT PRIMARY KEY, use_case TEXT NOT NULL, order_ref INTEGER,"
    " subject INTEGER, opened INTEGER NOT NULL, value INTEGER NOT NULL, simulated INTEGER NOT NULL,"
    " state TEXT NOT NULL, reviewer TEXT, held_until INTEGER NOT NULL, verdict TEXT, reason TEXT, decided INTEGER)"
    " STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS reviews_next ON reviews (value DESC, opened, decision_id) WHERE state = 'open'",
    "CREATE INDEX IF NOT EXISTS reviews_opened ON reviews (use_case, simulated, opened)",
    "CREATE INDEX IF NOT EXISTS reviews_subject ON reviews (subject) WHERE subject IS NOT NULL",
)
COLUMNS: Final = (
    "decision_id, use_case, order_ref, opened, value, simulated, state, reviewer, held_until, verdict, reason, decided"
)


class Verdict(StrEnum):
    """What a reviewer found."""

    APPROVE = "approve"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True)
class Case:
    """One entry of the queue.

    `opened` is the log clock, `held_until` and `decided` the wall clock, all Unix ms. `value` is the loss, in minor
    units, that a review is expected to prevent: probability × amount, or the whole amount when only a rule spoke.
    """

    decision_id: str
    use_case: str
    order_ref: int | None
    opened: Milliseconds
    value: int
    simulated: bool
    state: str
    reviewer: str | None
    held_until: Milliseconds
    verdict: Verdict | None
    reason: str | None
    decided: Milliseconds | None

    def held(self, wall: Milliseconds) -> bool:
        """Return True while somebody is looking at it."""
        return self.state == "open" and self.reviewer is not None and self.held_until > wall


def case_of(row: Row) -> Case:
    """Return the case in a row of COLUMNS."""
    return Case(
        row[0], row[1], row[2], row[3], row[4], bool(row[5]), row[6], row[7], row[8],
        None if row[9] is None else Verdict(row[9]), row[10], row[11],
    )  # fmt: skip


def subjects_of(snapshot: Snapshot, decision_ids: Collection[str]) -> list[int]:
    """Return the pseudonyms of the people these cases are about; a case about nobody known has none."""
    rows = rows_in(snapshot, "SELECT subject FROM reviews WHERE decision_id IN", decision_ids)
    return [row[0] for row in rows if row[0] is not None]
