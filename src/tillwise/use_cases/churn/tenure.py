"""The time since a person's first order: the one number of churn that is no window. Same rule in both paths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tillwise.events.types import event_code
from tillwise.features.feature import FeatureSet
from tillwise.outcomes.rows import Columns
from tillwise.privacy.permit import Permit
from tillwise.use_cases.churn.features import MEMORY, ORDER
from tillwise.vocabulary.store import Snapshot

_FIRST = (
    "SELECT min(at) FROM by_subject WHERE subject = ? AND type = ? AND line = 0 AND (purposes & ?) = ? AND epoch <= ?"
    " AND at > ? AND (at < ? OR (at = ? AND 2 * seq < ?)) AND simulated = ?"
)


def memory_of(features: FeatureSet) -> int:
    """Return how far back, in milliseconds, a first order counts: what the features declare of it."""
    return next((reading.window for reading in features.readings if reading.name == "tenure"), MEMORY)


def tenure_now(snapshot: Snapshot, permit: Permit, memory: int = MEMORY, *, simulated: bool = False) -> float | None:
    """Return the milliseconds since the permit's subject first ordered within `memory`, None without an order."""
    if not permit.granted or permit.subject is None:
        return None
    point = permit.point
    row = snapshot.one(
        _FIRST,
        (permit.subject, event_code(ORDER), permit.mask, permit.mask, point.epoch, point.at - memory, point.at,
         point.at, point.mark, int(simulated)),
    )  # fmt: skip
    return None if row is None or row[0] is None else float(point.at - row[0])


def tenure_then(
    orders: Columns, subjects: NDArray[np.int64], at: NDArray[np.int64], memory: int = MEMORY
) -> NDArray[np.float64]:
    """Return the same for many points: `orders` are rows sorted by (subject, at), one world only; NaN without one."""
    start = np.searchsorted(orders["subject"], subjects, side="left")
    result = np.full(len(subjects), np.nan)
    for i, (person, first, moment) in enumerate(zip(subjects.tolist(), start.tolist(), at.tolist(), strict=True)):
        place = first
        while place < len(orders["at"]) and orders["subject"][place] == person:
            when = int(orders["at"][place])
            if when > moment:
                break
            if when > moment - memory:
                result[i] = float(moment - when)
                break
            place += 1
    return result
