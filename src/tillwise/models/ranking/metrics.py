"""How good lists are, by full sort over all items. Sampled metrics are not offered: they inflate and reorder models.

Plain definitions, as in Järvelin & Kekäläinen (2002) with binary gain: DCG@k = Σ rel/log2(position + 1). Each function
returns one number per person, so that intervals and paired bootstraps can be drawn over people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Lists = NDArray[np.int64]
Values = NDArray[np.float64]


def top(scores: NDArray[np.float32], k: int) -> Lists:
    """Return the k best item indexes of each row, best first; equal scores are ordered by index (the lower first)."""
    k = min(k, scores.shape[1])
    places = (
        np.argpartition(-scores, k - 1, axis=1)[:, :k]
        if k < scores.shape[1]
        else np.tile(np.arange(k), (len(scores), 1))
    )
    places.sort(axis=1)
    values = np.take_along_axis(scores, places, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    best = np.take_along_axis(places, order, axis=1).astype(np.int64)
    edge = values.min(axis=1, keepdims=True)
    for row in np.flatnonzero((scores >= edge).sum(axis=1) > k).tolist():
        # Partitioning chose among equals at will: choose again, without sorting all of them.
        above = np.flatnonzero(scores[row] > edge[row])
        equal = np.flatnonzero(scores[row] == edge[row])[: k - len(above)]
        best[row] = np.concatenate([above[np.argsort(-scores[row, above], kind="stable")], equal])
    return best


def hits(lists: Lists, wanted: Sequence[frozenset[int]]) -> NDArray[np.bool_]:
    """Return rows × k: whether the item at each position was wanted."""
    return np.array(
        [[int(item) in want for item in row] for row, want in zip(lists, wanted, strict=True)], dtype=bool
    ).reshape(len(lists), -1)


def recall_at(lists: Lists, wanted: Sequence[frozenset[int]], k: int) -> Values:
    """Return the share of all wanted items that stand among the first k; NaN where nothing was wanted."""
    most = np.array([len(want) for want in wanted], dtype=np.float64)
    found = hits(lists[:, :k], wanted).sum(axis=1)
    shares: Values = np.divide(found, most, out=np.full(len(most), np.nan), where=most > 0)
    return shares


def ndcg_at(lists: Lists, wanted: Sequence[frozenset[int]], k: int) -> Values:
    """Return DCG@k over the best DCG@k that was possible; NaN where nothing was wanted."""
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    found = hits(lists[:, :k], wanted)
    gain = (found * discount[: found.shape[1]]).sum(axis=1)
    ideal = np.array([discount[: min(k, len(want))].sum() for want in wanted])
    shares: Values = np.divide(gain, ideal, out=np.full(len(ideal), np.nan), where=ideal > 0)
    return shares


def hit_at(lists: Lists, wanted: Sequence[frozenset[int]], k: int) -> Values:
    """Return 1 where at least one of the first k was wanted, else 0; NaN where nothing was wanted."""
    found = hits(lists[:, :k], wanted).any(axis=1).astype(np.float64)
    return np.where([bool(want) for want in wanted], found, np.nan)


def coverage_at(lists: Lists, items: int, k: int) -> float:
    """Return the share of all items that stand in at least one list's first k."""
    return len(np.unique(lists[:, :k])) / max(items, 1)
