"""What everybody did, in time: cut at a moment into histories before it and purchases after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tillwise.models.ranking.history import Histories

DAY_MS = 86_400_000
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Behaviour:
    """Actions of all people, ordered by person and, within a person, oldest first.

    `person` is any integer per person, `item` a dense item index (−1 = not in the catalogue: left out), `worth` how
    much the action says, `bought` whether it was a purchase, `at` Unix milliseconds.
    """

    person: Ints
    item: Ints
    worth: NDArray[np.float32]
    bought: NDArray[np.bool_]
    at: Ints

    def before(self, moment: int, *, days: int, limit: int, people: Ints | None = None) -> tuple[Ints, Histories]:
        """Return who did something in the `days` before `moment`, and their newest `limit` actions as of then.

        `people` keeps those only, in ascending order, with an empty history for whoever has none.
        """
        kept = (self.at < moment) & (self.at > moment - days * DAY_MS) & (self.item >= 0)
        if people is not None:
            kept &= np.isin(self.person, people)
        person, at = self.person[kept], self.at[kept]
        known = np.unique(person) if people is None else people
        sizes = np.searchsorted(person, known, side="right") - np.searchsorted(person, known, side="left")
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        histories = Histories(
            offsets, self.item[kept], self.worth[kept], steps_back(offsets, at),
            np.round((moment - at) / DAY_MS, 4).astype(np.float32),
        )  # fmt: skip
        return known, histories.newest(limit)

    def bought_in(self, start: int, end: int, people: Ints) -> list[frozenset[int]]:
        """Return, for each of `people` (ascending), the distinct items they bought in [start, end)."""
        kept = self.bought & (self.at >= start) & (self.at < end) & (self.item >= 0)
        person, item = self.person[kept], self.item[kept]
        first, last = np.searchsorted(person, people, side="left"), np.searchsorted(person, people, side="right")
        return [frozenset(item[a:b].tolist()) for a, b in zip(first, last, strict=True)]

    def buyers(self, start: int, end: int) -> Ints:
        """Return who bought a known item in [start, end), ascending."""
        return np.unique(self.person[self.bought & (self.at >= start) & (self.at < end) & (self.item >= 0)])


def steps_back(offsets: Ints, at: Ints) -> NDArray[np.float32]:
    """Return, for each action (oldest first per person), how many distinct later moments its person has."""
    if not len(at):
        return np.empty(0, dtype=np.float32)
    fresh = np.ones(len(at), dtype=np.int64)
    fresh[1:] = np.diff(at) != 0
    starts = offsets[:-1][np.diff(offsets) > 0]
    fresh[starts] = 1
    count = np.cumsum(fresh)
    sizes = np.diff(offsets)
    last = np.repeat(count[np.maximum(offsets[1:] - 1, 0)], sizes)
    return (last - count).astype(np.float32)
