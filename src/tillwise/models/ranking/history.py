"""What people did, as a ranking model reads it: items, how much each action says, and how long ago it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import InvalidInput
from tillwise.vocabulary.canonical import Json

if TYPE_CHECKING:
    import scipy.sparse as sp  # half a second to import, and only learning needs it: a server starts without


Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Decay:
    """How fast an action fades: by `step` per later moment of the same person, by half every `half_life` days.

    `half_life` 0 = time does not matter. The weights of an item are added up and then raised to `power`, so that the
    tenth purchase of the same thing may count for less than the first.
    """

    step: float = 1.0
    half_life: float = 0.0
    power: float = 1.0

    def describe(self) -> Json:
        """Return the three numbers for a manifest."""
        return {"step": self.step, "half_life": self.half_life, "power": self.power}

    @classmethod
    def read(cls, value: Json) -> Decay:
        """Return the decay of a manifest."""
        return cls(float(value["step"]), float(value["half_life"]), float(value["power"]))


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """The actions of `rows` people: person r owns the actions offsets[r]:offsets[r + 1], oldest first.

    `items` are dense indexes 0 … n−1; `weights` say how much an action means (a purchase more than a view); `steps`
    count the person's distinct later moments (0 = the newest), `days` the age when the list is asked for.
    """

    offsets: Ints
    items: Ints
    weights: Floats
    steps: Floats
    days: Floats

    def __post_init__(self) -> None:
        sizes = {len(self.items), len(self.weights), len(self.steps), len(self.days)}
        if sizes != {int(self.offsets[-1])}:
            raise InvalidInput(f"a history's columns have different lengths: {sorted(sizes)}")

    @property
    def rows(self) -> int:
        """Return the number of people."""
        return len(self.offsets) - 1

    @classmethod
    def one(cls, actions: Sequence[tuple[int, float, int, float]] | NDArray[np.float64]) -> Histories:
        """Return the history of one person from (item, weight, step, days) rows."""
        table = np.array(actions, dtype=np.float64).reshape(-1, 4)
        return cls(
            offsets=np.array([0, len(table)], dtype=np.int64),
            items=table[:, 0].astype(np.int64),
            weights=table[:, 1].astype(np.float32),
            steps=table[:, 2].astype(np.float32),
            days=table[:, 3].astype(np.float32),
        )

    @classmethod
    def of_sequences(cls, sequences: Sequence[NDArray[np.integer]]) -> Histories:
        """Return the histories of ordered item lists, oldest first, each item its own moment, age unknown."""
        sizes = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        items = np.concatenate([np.asarray(s, dtype=np.int64) for s in sequences] or [np.empty(0, dtype=np.int64)])
        steps = np.repeat(offsets[1:], sizes) - 1 - np.arange(offsets[-1])
        ones = np.ones(len(items), dtype=np.float32)
        return cls(offsets, items, ones, steps.astype(np.float32), np.zeros(len(items), dtype=np.float32))

    def take(self, rows: Ints) -> Histories:
        """Return the histories of some people, in that order."""
        sizes = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        index = np.repeat(self.offsets[rows] - offsets[:-1], sizes) + np.arange(offsets[-1])
        return Histories(offsets, self.items[index], self.weights[index], self.steps[index], self.days[index])

    def values(self, decay: Decay) -> Floats:
        """Return what each action is worth after fading (before `power`)."""
        worth = self.weights
        if decay.step != 1.0:
            worth = worth * np.float32(decay.step) ** self.steps
        if decay.half_life:
            worth = worth * np.exp2(-self.days / np.float32(decay.half_life))
        return worth.astype(np.float32)

    def matrix(self, decay: Decay, items: int) -> sp.csr_matrix:
        """Return people × items; each cell the faded sum of that person's actions on that item, to the power."""
        import scipy.sparse as sp  # noqa: PLC0415 - see above

        matrix = sp.csr_matrix((self.values(decay), self.items, self.offsets), shape=(self.rows, items))
        matrix.sum_duplicates()
        if decay.power != 1.0:
            matrix.data **= np.float32(decay.power)
        return matrix

    def people(self) -> Ints:
        """Return, for each action, whose it is."""
        return np.repeat(np.arange(self.rows), np.diff(self.offsets))

    def newest(self, limit: int) -> Histories:
        """Return the same people with at most their `limit` newest actions."""
        ends = np.repeat(self.offsets[1:], np.diff(self.offsets))
        kept = ends - np.arange(len(self.items)) <= limit
        sizes = np.minimum(np.diff(self.offsets), limit)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return Histories(offsets, self.items[kept], self.weights[kept], self.steps[kept], self.days[kept])

    def within(self, head: Ints, items: int) -> Histories:
        """Return the same people with only their actions on the items `head` (ascending), renumbered from 0."""
        places = np.full(items, -1, dtype=np.int64)
        places[head] = np.arange(len(head))
        moved = places[self.items]
        kept = moved >= 0
        sizes = np.bincount(self.people()[kept], minlength=self.rows)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return Histories(offsets, moved[kept], self.weights[kept], self.steps[kept], self.days[kept])

    def head(self, items: int, most: int) -> Ints:
        """Return the `most` most frequent of `items` items, ascending; equally frequent ones by index."""
        counts = np.bincount(self.items, minlength=items)
        return np.sort(np.argsort(-counts, kind="stable")[:most])

    def pairs(self) -> tuple[Ints, Ints]:
        """Return every ordered pair (left, right) of actions of the same person, an action with itself included.

        The number of pairs is the sum of squared history lengths: cut long histories with `newest` first.
        """
        sizes = np.diff(self.offsets)[self.people()]
        left = np.repeat(np.arange(len(self.items)), sizes)
        first = np.repeat(np.cumsum(sizes) - sizes, sizes)
        right = np.repeat(self.offsets[:-1][self.people()], sizes) + np.arange(len(left)) - first
        return left, right
