"""Linear item models with a closed form: EASE for what goes together, and its forward form for what comes next.

EASE: Steck, Embarrassingly Shallow Autoencoders for Sparse Data (WWW 2019). Extra rows that tie items of one category
or brand together: Jeunen et al., Closed-Form Models for Collaborative Filtering with Side-Information (RecSys 2020).
The forward form, past items → later items: Choi et al., Session-aware Linear Item-Item Models (WWW 2021).

All work on the head of the catalogue only (the `head` most frequent items): the cost grows with its third power
(12 000 items: half a minute on two cores, 0.6 GB). The tail is left to the other parts of the blend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy import linalg

from tillwise.errors import InvalidInput
from tillwise.models.ranking.history import Decay, Histories
from tillwise.models.ranking.knn import together_in_order

Dense = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EaseSettings:
    """`penalty` is λ; `side` how much one shared attribute weighs beside a shared person; `fade` as in kNN.

    `keep` weights per item go into the artifact (0 = all).
    """

    penalty: float = 100.0
    side: float = 10.0
    fade: float = 1.0
    head: int = 5000
    keep: int = 400


@dataclass(frozen=True, slots=True)
class NextSettings:
    """As EaseSettings; a past item counts `past`^distance, a later item `ahead`^distance of one moment more."""

    penalty: float = 30.0
    side: float = 10.0
    past: float = 0.6
    ahead: float = 0.5
    head: int = 5000
    keep: int = 400


def fit_ease(
    histories: Histories, items: int, settings: EaseSettings, side: sp.csr_matrix | None = None
) -> sp.csr_matrix:
    """Return items × items float32 with an empty diagonal; `side` is attributes × items (0/1) or None."""
    head = histories.head(items, settings.head)
    if settings.fade == 1.0:
        matrix = histories.matrix(Decay(), items)[:, head]
        matrix.data[:] = 1.0
        gram = (matrix.T @ matrix).toarray()
    else:
        gram = together_in_order(histories, items, settings.fade)[head][:, head].toarray()
    gram = gram.astype(np.float32) + np.float32(settings.side) * shared_attributes(side, head)
    inverse = invert(gram, settings.penalty)
    weights = inverse / -np.diag(inverse)[np.newaxis, :]
    np.fill_diagonal(weights, 0.0)
    return spread(weights, head, items, settings.keep)


def fit_next(
    histories: Histories, items: int, settings: NextSettings, side: sp.csr_matrix | None = None
) -> sp.csr_matrix:
    """Return items × items float32: row i = what an action on i says about the person's later moments."""
    head = histories.head(items, settings.head)
    past, later = turns(histories, items, settings.past, settings.ahead)
    past, later = past[:, head], later[:, head]
    attributes = np.float32(settings.side) * shared_attributes(side, head)
    inverse = invert((past.T @ past).toarray().astype(np.float32) + attributes, settings.penalty)
    weights = inverse @ ((past.T @ later).toarray().astype(np.float32) + attributes)
    np.fill_diagonal(weights, 0.0)
    return spread(weights, head, items, settings.keep)


def shared_attributes(side: sp.csr_matrix | None, head: NDArray[np.int64]) -> Dense:
    """Return head × head: how much two items share, each attribute worth 1 / how many items carry it."""
    if side is None:
        return np.zeros((len(head), len(head)), dtype=np.float32)
    carried = np.maximum(np.asarray(side.sum(axis=1)).ravel(), 1.0)
    scaled = sp.diags(1.0 / np.sqrt(carried)) @ side[:, head]
    shared: Dense = (scaled.T @ scaled).toarray().astype(np.float32)
    return shared


def invert(gram: Dense, penalty: float) -> Dense:
    """Return (gram + penalty · I)⁻¹ by Cholesky; raise InvalidInput when the matrix is not positive definite."""
    gram = np.asfortranarray(gram)
    gram[np.diag_indices_from(gram)] += np.float32(penalty)
    factor, failed = linalg.lapack.spotrf(gram, overwrite_a=1)
    if not failed:
        factor, failed = linalg.lapack.spotri(factor, overwrite_c=1)
    if failed:
        raise InvalidInput(f"a penalty of {penalty} is too small for this data: the item matrix cannot be inverted")
    upper = np.triu(factor)
    inverse: Dense = upper + np.triu(factor, 1).T
    return inverse


def spread(weights: Dense, head: NDArray[np.int64], items: int, keep: int) -> sp.csr_matrix:
    """Return the weights of the head placed among all items, the `keep` strongest of each row."""
    keep = min(keep or len(head), len(head))
    chosen = np.sort(np.argpartition(-np.abs(weights), keep - 1, axis=1)[:, :keep], axis=1)
    data = np.take_along_axis(weights, chosen, axis=1).ravel()
    indptr = np.zeros(items + 1, dtype=np.int64)
    indptr[head + 1] = keep
    matrix = sp.csr_matrix((data, head[chosen].ravel().astype(np.int32), np.cumsum(indptr)), shape=(items, items))
    matrix.eliminate_zeros()
    return matrix


def turns(histories: Histories, items: int, past: float, ahead: float) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Return two matrices with one row per (person, moment): what lay before it, and what came at it and later.

    Actions must stand oldest first. A row's past fades by `past` per moment of distance, its future by `ahead`.
    """
    left, right = histories.pairs()
    people = histories.people()
    distance = histories.steps[left] - histories.steps[right]
    opens = np.ones(len(people), dtype=bool)  # the first action of a moment stands for the moment
    opens[1:] = (np.diff(histories.steps) != 0) | (np.diff(people) != 0)
    before = opens[right] & (distance > 0)
    after = opens[right] & (distance <= 0)
    past_worth = np.float32(past) ** (distance[before] - 1)
    later_worth = np.float32(ahead) ** -distance[after]
    shape = (len(people), items)
    return (
        sp.csr_matrix((past_worth.astype(np.float32), (right[before], histories.items[left[before]])), shape=shape),
        sp.csr_matrix((later_worth.astype(np.float32), (right[after], histories.items[left[after]])), shape=shape),
    )
