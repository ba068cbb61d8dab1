"""RP3β: a random walk of three steps from item to person to item, popular ends pushed down by their degree to the β.

Christoffel et al., Blockbusters and Wallflowers: Accurate, Diverse, and Scalable Recommendations with Random Walks
(RecSys 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tillwise.models.ranking.history import Decay, Histories
from tillwise.models.ranking.sparse import placed, strongest


@dataclass(frozen=True, slots=True)
class Rp3Settings:
    """`alpha` sharpens the steps' probabilities, `beta` pushes popular items down; `keep` per item of the `head`."""

    alpha: float = 1.0
    beta: float = 0.6
    keep: int = 100
    head: int = 15_000


def fit_rp3(histories: Histories, items: int, settings: Rp3Settings) -> sp.csr_matrix:
    """Return items × items float32: the probability to walk from row to column, divided by the column's degree^β."""
    head = histories.head(items, settings.head)
    touched = histories.within(head, items).matrix(Decay(), len(head))
    touched.data[:] = 1.0
    degree = np.asarray(touched.sum(axis=0)).ravel()
    to_item = _steps(touched, settings.alpha)
    to_person = _steps(touched.T.tocsr(), settings.alpha)
    walk = (to_person @ to_item).tocsr()
    walk.setdiag(0)
    walk.eliminate_zeros()
    walk.data = walk.data / np.maximum(degree, 1.0)[walk.indices] ** settings.beta
    return placed(strongest(walk.astype(np.float32), settings.keep), head, items)


def _steps(matrix: sp.csr_matrix, alpha: float) -> sp.csr_matrix:
    """Return the matrix with rows that add up to 1, each probability to the power of alpha."""
    sums = np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1e-12)
    steps = (sp.diags(1.0 / sums) @ matrix).tocsr()
    steps.data = steps.data**alpha
    return sp.csr_matrix(steps)
