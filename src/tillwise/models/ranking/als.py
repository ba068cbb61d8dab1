"""Factors: items as vectors; a person becomes one at request time and is never stored.

Hu, Koren & Volinsky, Collaborative Filtering for Implicit Feedback Datasets (ICDM 2008), learnt with `implicit`. Only
item factors leave the learner: the person's vector is the closed-form solution for their own history ("fold-in").
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tillwise.models.ranking.history import Decay, Histories

if TYPE_CHECKING:
    import scipy.sparse as sp  # half a second to import, and only learning needs it: a server starts without


Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AlsSettings:
    """Size of the vectors, rounds, penalty, and how much more an action counts than its absence (α)."""

    factors: int = 64
    iterations: int = 15
    penalty: float = 0.05
    alpha: float = 10.0


def fit_als(histories: Histories, items: int, settings: AlsSettings, seed: int) -> Matrix:
    """Return item factors, items × factors float32; the same data and seed give the same bytes.

    One thread in implicit and in BLAS: sums of floats must not depend on how work was shared out.
    """
    from implicit.als import AlternatingLeastSquares  # noqa: PLC0415 - heavy, and only learning needs it
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        model = AlternatingLeastSquares(
            factors=settings.factors, iterations=settings.iterations, regularization=settings.penalty,
            alpha=settings.alpha, random_state=seed, num_threads=1, use_gpu=False,
        )  # fmt: skip
        model.fit(histories.matrix(Decay(), items), show_progress=False)
    factors: Matrix = np.ascontiguousarray(model.item_factors, dtype=np.float32)
    return factors


@dataclass(frozen=True, slots=True, eq=False)
class FoldIn:
    """Turns a history into a vector: x = (YᵀY + λI + Σ c·y·yᵀ)⁻¹ Σ (1 + c)·y with c = α·(weight of the item).

    `gram` is YᵀY + λI and `base` its inverse, so that only a system as large as the history or the vector is solved,
    whichever is smaller.
    """

    factors: Matrix
    gram: NDArray[np.float64]
    base: NDArray[np.float64]
    alpha: float

    @classmethod
    def of(cls, factors: Matrix, penalty: float, alpha: float) -> FoldIn:
        """Prepare the fold-in for these item factors."""
        wide = factors.astype(np.float64)
        gram = wide.T @ wide + penalty * np.eye(wide.shape[1])
        return cls(factors, gram, np.asarray(np.linalg.inv(gram), dtype=np.float64), alpha)

    def vector(self, items: NDArray[np.integer], weights: NDArray[np.float32]) -> Matrix:
        """Return the vector of a person who touched distinct `items` with `weights`; zeros for no history."""
        chosen = self.factors[items].astype(np.float64)
        confidence = self.alpha * weights.astype(np.float64)
        vector: Matrix = self.solve(chosen, confidence, chosen.T @ (1.0 + confidence)).astype(np.float32)
        return vector

    def solve(
        self, chosen: NDArray[np.float64], confidence: NDArray[np.float64], wanted: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return A⁻¹·wanted for A = YᵀY + λI + Σ c·y·yᵀ (Woodbury: the small system is as large as the history)."""
        if len(chosen) > len(self.gram):
            whole = self.gram + (chosen.T * confidence) @ chosen
            return np.asarray(np.linalg.solve(whole, wanted), dtype=np.float64)
        projected = chosen @ self.base
        inner = np.diag(1.0 / np.maximum(confidence, 1e-9)) + projected @ chosen.T
        first = self.base @ wanted
        solved: NDArray[np.float64] = first - projected.T @ np.linalg.solve(inner, chosen @ first)
        return solved

    def shares(
        self, items: NDArray[np.integer], weights: NDArray[np.float32], wanted: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Return history × wanted: what each touched item adds to the score of each wanted one; columns sum to it."""
        chosen = self.factors[items].astype(np.float64)
        confidence = self.alpha * weights.astype(np.float64)
        columns = self.solve(chosen, confidence, self.factors[wanted].astype(np.float64).T)
        shares: NDArray[np.float64] = (chosen @ columns) * (1.0 + confidence)[:, np.newaxis]
        return shares

    def vectors(self, profiles: sp.csr_matrix) -> Matrix:
        """Return one vector per row of people × items."""
        rows = [slice(profiles.indptr[r], profiles.indptr[r + 1]) for r in range(profiles.shape[0])]
        return np.stack([self.vector(profiles.indices[row], profiles.data[row]) for row in rows])
