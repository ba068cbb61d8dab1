"""Weights of the blend, chosen on the validation slice only and always the same for the same seed.

People's best items of every part are pooled, so that a trial costs one small matrix product. The pool decides weights
only; every number that is reported comes from a full sort over all items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tillwise.models.ranking.metrics import top

Weights = NDArray[np.float64]
_TIMES = (0.0, 0.5, 0.8, 1.25, 2.0)
_PLUS = (0.003, 0.01, 0.03, 0.1)


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Candidates of P people: `values` P × C × parts (scaled scores), `gains` P × C (1 = wanted, −1 = padding)."""

    values: NDArray[np.float32]
    gains: NDArray[np.int8]
    wanted: NDArray[np.int64]

    def ndcg(self, weights: Weights, k: int) -> float:
        """Return mean NDCG@k over people for these weights; equal scores count in the order of the pool."""
        scores = self.values @ weights.astype(np.float32)
        scores[self.gains < 0] = -np.inf
        k = min(k, scores.shape[1])
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1), axis=1)
        found = np.take_along_axis(self.gains, best, axis=1) > 0
        discount = 1.0 / np.log2(np.arange(2, best.shape[1] + 2))
        ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))])
        asked = self.wanted > 0
        gain = (found * discount).sum(axis=1)[asked]
        return float(np.mean(gain / ideal[np.minimum(self.wanted[asked], k)])) if len(gain) else 0.0


def pool_of(
    parts: Sequence[NDArray[np.float32]], wanted: Sequence[frozenset[int]], hidden: NDArray[np.bool_] | None, depth: int
) -> Pool:
    """Return the union of each part's `depth` best items per person.

    `parts` are people × items, already scaled; `hidden` marks items that may not be listed (already seen).
    """
    people = len(wanted)
    shown = [part if hidden is None else np.where(hidden, np.float32(-np.inf), part) for part in parts]
    picked = np.concatenate([top(part, depth) for part in shown], axis=1)
    rows = [np.unique(picked[row]) for row in range(people)]
    width = max((len(row) for row in rows), default=1)
    values = np.zeros((people, width, len(parts)), dtype=np.float32)
    gains = np.full((people, width), -1, dtype=np.int8)
    for person, row in enumerate(rows):
        visible = row if hidden is None else row[~hidden[person, row]]
        gains[person, : len(visible)] = np.isin(visible, list(wanted[person]))
        for place, part in enumerate(parts):
            values[person, : len(visible), place] = part[person, visible]
    return Pool(values, gains, np.array([len(want) for want in wanted], dtype=np.int64))


def joined(pools: Sequence[Pool]) -> Pool:
    """Return one pool of all people."""
    width = max(pool.gains.shape[1] for pool in pools)
    return Pool(
        np.concatenate([_wider(pool.values, width, 0) for pool in pools]),
        np.concatenate([_wider(pool.gains, width, -1) for pool in pools]),
        np.concatenate([pool.wanted for pool in pools]),
    )


def _wider(array: NDArray[np.generic], width: int, filler: int) -> NDArray[np.generic]:
    missing = [(0, 0), (0, width - array.shape[1]), *[(0, 0)] * (array.ndim - 2)]
    return np.pad(array, missing, constant_values=filler)


Worth = Callable[[Weights], float]
"""What weights are worth on the validation slice; higher is better."""


def choose_weights(worth: Worth, parts: int, seed: int, *, draws: int = 40, rounds: int = 6) -> tuple[Weights, float]:
    """Return the weights of `parts` parts (they sum to 1) that are worth most, and their worth.

    Starts: each part alone, all alike, and `draws` points drawn evenly from the simplex; the best two are improved
    one weight at a time until nothing helps, `rounds` times at most.
    """
    generator = np.random.default_rng(seed)
    starts = [*np.eye(parts), np.full(parts, 1.0 / parts), *generator.dirichlet(np.ones(parts), draws)]
    ranked = sorted(((worth(start), -place) for place, start in enumerate(starts)), reverse=True)
    climbed = [_climb(worth, starts[-place], value, rounds) for value, place in ranked[:2]]
    weights, value = max(climbed, key=lambda pair: pair[1])
    return np.round(weights, 6), value


def _climb(worth: Worth, weights: Weights, value: float, rounds: int) -> tuple[Weights, float]:
    for _ in range(rounds):
        before = value
        for part in range(len(weights)):
            for moved in (*(weights[part] * times for times in _TIMES), *(weights[part] + plus for plus in _PLUS)):
                trial = weights.copy()
                trial[part] = moved
                if not trial.sum():
                    continue
                trial /= trial.sum()
                reached = worth(trial)
                if reached > value:
                    weights, value = trial, reached
        if value - before < 1e-5:
            break
    return weights, value
