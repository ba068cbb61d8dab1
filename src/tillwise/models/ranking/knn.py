"""What is bought together: item neighbours by cosine, and what follows what.

Cosine over tf-idf weighted columns after Sarwar et al., Item-Based Collaborative Filtering (WWW 2001), with shrinkage
(Bell & Koren 2007) so that two items that met once are not the closest of friends. With `fade` < 1 two actions of one
person count for less the more moments lie between them; with `forward` only what came later counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tillwise.models.ranking.history import Decay, Histories
from tillwise.models.ranking.sparse import placed, strongest


@dataclass(frozen=True, slots=True)
class KnnSettings:
    """How neighbours are found: how many are kept per item, shrinkage, fading with distance, direction.

    Only the `head` most frequent items have neighbours: pairs of rare items say little and cost most.
    """

    keep: int = 100
    shrink: float = 10.0
    fade: float = 1.0
    forward: bool = False
    head: int = 15_000


def fit_knn(histories: Histories, items: int, settings: KnnSettings) -> sp.csr_matrix:
    """Return items × items float32: row i = the neighbours of item i, at most `keep`."""
    head = histories.head(items, settings.head)
    known, size = histories.within(head, items), len(head)
    if settings.forward or settings.fade != 1.0:
        together = together_in_order(known, size, settings.fade, forward=settings.forward)
        norms = np.sqrt(np.bincount(known.items, minlength=size))
    else:
        matrix = _tf_idf(known.matrix(Decay(), size))
        together = (matrix.T @ matrix).tocsr()
        norms = np.sqrt(together.diagonal())
    together.setdiag(0)
    together.eliminate_zeros()
    rows = np.repeat(np.arange(size), np.diff(together.indptr))
    together.data = together.data / (norms[rows] * norms[together.indices] + settings.shrink)
    return placed(strongest(together.astype(np.float32), settings.keep), head, items)


def _tf_idf(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Return the matrix weighted per person: who touched few things says more about each of them."""
    weighted = matrix.copy()
    weighted.data = np.log1p(weighted.data)
    sizes = np.diff(weighted.indptr)
    idf = np.log1p(weighted.shape[1] / np.maximum(sizes, 1))
    weighted.data *= np.repeat(idf / np.log1p(weighted.shape[1]), sizes).astype(np.float32)
    return weighted


def together_in_order(histories: Histories, items: int, fade: float, *, forward: bool = False) -> sp.csr_matrix:
    """Return how often i and j met in one person's history, each meeting worth fade^(moments between them).

    The kernel fade^|distance| is positive semidefinite, so the result may take the place of XᵀX in EASE. `forward`
    counts only pairs where j came strictly later than i.
    """
    nothing: tuple[NDArray[np.float32], tuple[NDArray[np.int64], NDArray[np.int64]]] = (
        np.empty(0, dtype=np.float32),
        (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)),
    )
    total = sp.csr_matrix(sp.coo_matrix(nothing, shape=(items, items)))
    sizes = np.diff(histories.offsets)
    for start in range(0, histories.rows, 4096):
        rows = np.arange(start, min(start + 4096, histories.rows))
        rows = rows[sizes[rows] > 0]
        total = total + _meetings(histories.take(rows), items, fade, forward=forward)
    return total


def _meetings(part: Histories, items: int, fade: float, *, forward: bool) -> sp.csr_matrix:
    left, right = part.pairs()
    distance = part.steps[left] - part.steps[right]
    worth = np.float32(fade) ** np.abs(distance)
    if forward:
        worth = np.where(distance > 0, worth / np.float32(fade), np.float32(0))
    kept = worth > 1e-3
    cells = (part.items[left[kept]], part.items[right[kept]])
    return sp.csr_matrix(sp.coo_matrix((worth[kept].astype(np.float32), cells), shape=(items, items)))
