"""Points of the log at which features are computed for training: one row each, as NumPy columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import InvalidInput
from tillwise.events.facts import HOT_KEYS, PERSON_KEYS

Integers = NDArray[np.int64]
NULL: Final = -(2**63)
"""Null in an int64 column: an unknown key, or no order of one's own. No code has this value in practice (p = 2⁻⁶⁴)."""


@dataclass(frozen=True, slots=True)
class Points:
    """Where the rows of a training table stand, and for whom.

    `id` is the caller's own number, carried along. `epoch`, `at` and `mark` are a Point each (vocabulary/position.py).
    `order_ref` is the order whose rows never count at that point, `simulated` 0 or 1 the world that is read. `keys`
    has one int64 column per key the features use (a missing one reads as unknown), `request` one float64 column
    per request value (NaN = null). Arrays are one-dimensional and of one length; NULL stands for null in integers.
    Raises InvalidInput otherwise.
    """

    id: Integers
    epoch: Integers
    at: Integers
    mark: Integers
    order_ref: Integers
    simulated: Integers
    keys: Mapping[str, Integers] = field(default_factory=dict)
    request: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, column in self._integers().items():
            if column.dtype != np.int64 or column.shape != (len(self.id),):
                raise InvalidInput(f"the points' '{name}' is not an int64 array of {len(self.id)} values", field=name)
        for name, values in self.request.items():
            if values.dtype != np.float64 or values.shape != (len(self.id),):
                raise InvalidInput(f"the points' '{name}' is not a float64 array of {len(self.id)} values", field=name)
        for name in self.keys:
            if name not in (*PERSON_KEYS, *HOT_KEYS):
                raise InvalidInput(f"'{name}' is no key of features: use {', '.join((*PERSON_KEYS, *HOT_KEYS))}")

    def __len__(self) -> int:
        return len(self.id)

    def _integers(self) -> dict[str, Integers]:
        own = {"id": self.id, "epoch": self.epoch, "at": self.at, "mark": self.mark}
        return {**own, "order_ref": self.order_ref, "simulated": self.simulated, **self.keys}

    def take(self, index: NDArray[np.intp] | slice) -> Points:
        """Return some of the points, in the order of `index`."""
        return Points(
            self.id[index], self.epoch[index], self.at[index], self.mark[index], self.order_ref[index],
            self.simulated[index], {name: column[index] for name, column in self.keys.items()},
            {name: column[index] for name, column in self.request.items()},
        )  # fmt: skip

    @classmethod
    def build(
        cls,
        *,
        epoch: Sequence[int] | Integers,
        at: Sequence[int] | Integers,
        mark: Sequence[int] | Integers,
        keys: Mapping[str, Sequence[int | None] | Integers],
        request: Mapping[str, Sequence[float | None] | NDArray[np.float64]] | None = None,
        order_ref: Sequence[int | None] | Integers | None = None,
        simulated: Sequence[int] | Integers | None = None,
        ids: Sequence[int] | Integers | None = None,
    ) -> Points:
        """Build points from lists (None = null) or arrays; `ids` default to the row number, `simulated` to 0."""
        n = len(at)
        return cls(
            id=integers(range(n) if ids is None else ids), epoch=integers(epoch), at=integers(at), mark=integers(mark),
            order_ref=integers([None] * n if order_ref is None else order_ref),
            simulated=integers([0] * n if simulated is None else simulated),
            keys={name: integers(column) for name, column in keys.items()},
            request={name: np.array(column, dtype=np.float64) for name, column in (request or {}).items()},
        )  # fmt: skip


def integers(values: Sequence[int | None] | Integers) -> Integers:
    """Return values as int64, NULL for None."""
    if isinstance(values, np.ndarray):
        return np.ascontiguousarray(values, dtype=np.int64)
    return np.array([NULL if value is None else value for value in values], dtype=np.int64)
