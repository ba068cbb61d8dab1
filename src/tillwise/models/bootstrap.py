"""How sure is a metric: people drawn again with replacement, always whole, always the same for the same seed.

Rows of one person are not independent, so persons are drawn, not rows (cluster bootstrap; Field & Welsh 2007).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tillwise.models.metrics import Measure, Vector

DRAWS: Final = 1000


class Interval(NamedTuple):
    """A metric and its 95 % percentile interval."""

    value: float
    low: float
    high: float


class Resamples:
    """Row weights of every draw: how often each row's person was drawn. Iterating twice gives the same draws."""

    def __init__(self, subjects: NDArray[np.int64], *, seed: int = 7, draws: int = DRAWS) -> None:
        """`subjects` names each row's person; rows without one should carry numbers of their own."""
        persons, self._who = np.unique(subjects, return_inverse=True)
        self._persons = len(persons)
        self._seed = seed
        self._draws = draws

    def __iter__(self) -> Iterator[Vector]:
        rng = np.random.default_rng(self._seed)
        for _ in range(self._draws):
            drawn = np.bincount(rng.integers(self._persons, size=self._persons), minlength=self._persons)
            yield drawn[self._who].astype(np.float64)


def intervals(
    measures: Mapping[str, Measure], subjects: NDArray[np.int64], *, seed: int = 7, draws: int = DRAWS
) -> dict[str, Interval]:
    """Return each measure with its 95 % interval over people; all measures see the same draws."""
    resampled = {name: np.empty(draws) for name in measures}
    for index, weights in enumerate(Resamples(subjects, seed=seed, draws=draws)):
        for name, measure in measures.items():
            resampled[name][index] = measure(weights)
    ones = np.ones(len(subjects))
    result = {}
    for name, measure in measures.items():
        low, high = np.quantile(resampled[name], (0.025, 0.975))
        result[name] = Interval(measure(ones), float(low), float(high))
    return result
