"""Time splits: learn from the past, choose on what came next, judge once on what came last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import InvalidInput

Integers = NDArray[np.int64]
FEWEST: int = 20
"""Positives a training or test period needs before a model of it deserves the name."""


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Half-open periods of the log clock: train, then validation, then the untouched test.

    Between the end of each period and the start of the next lies `embargo`: labels of the earlier one are certain only
    after it, so without it a model would be judged with knowledge it could not have had.
    """

    start: int
    train_end: int
    validation_start: int
    validation_end: int
    test_start: int
    end: int
    embargo: int

    def train(self, at: Integers) -> NDArray[np.bool_]:
        """Return which rows to fit on."""
        return (at >= self.start) & (at < self.train_end)

    def validation(self, at: Integers) -> NDArray[np.bool_]:
        """Return which rows to choose and calibrate on."""
        return (at >= self.validation_start) & (at < self.validation_end)

    def test(self, at: Integers) -> NDArray[np.bool_]:
        """Return the untouched rows."""
        return (at >= self.test_start) & (at < self.end)


def split_in_time(at: Integers, *, embargo: int = 0, validation: float = 0.15, test: float = 0.25) -> TimeSplit:
    """Split rows by their time so that about these shares of them are for validation and test.

    The embargo is kept where the history is long enough to leave half of it for learning, and is 0 elsewhere. Raises
    InvalidInput without rows at two different times.
    """
    if len(at) == 0 or at.min() == at.max():
        raise InvalidInput("there is not enough mature history to split by time yet")
    start, end = int(at.min()), int(at.max()) + 1
    kept = embargo if 4 * embargo <= end - start else 0
    test_start = int(np.quantile(at, 1 - test))
    before = at[at < test_start - kept]
    if len(before) < 2 or before.min() == before.max():
        kept, before = 0, at[at < test_start]
    if len(before) == 0:
        raise InvalidInput("there is not enough mature history to split by time yet")
    validation_start = int(np.quantile(before, 1 - validation / (1 - test)))
    return TimeSplit(
        start, max(start, validation_start - kept), validation_start, test_start - kept, test_start, end, kept
    )
