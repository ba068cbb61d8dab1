"""Logistic regression: the simpler model for sensitive decisions, and a baseline; every contribution is a product."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from tillwise.models.arrays import array_bytes, read_array
from tillwise.models.artifact import Artifact
from tillwise.models.model import Design, Matrix, Rows, Vector, checked


class LogisticModel:
    """A weight per standardised column and per "unknown" mark, and an intercept.

    `numbers` is 5 × f: centre, scale, weight, weight of being unknown, and 1 for columns read as signed log1p; the
    intercept stands apart.
    """

    kind: ClassVar[str] = "logistic"

    def __init__(self, numbers: Vector, intercept: float, columns: tuple[str, ...]) -> None:
        self._numbers = numbers
        self._intercept = intercept
        self.columns = columns

    def contributions(self, x: Matrix) -> Vector:
        """Return weight × standardised value, per column, and the intercept."""
        center, scale, weight, unknown, logs = self._numbers
        values = checked(x, self.columns).astype(np.float64)
        values = np.where(logs > 0, np.sign(values) * np.log1p(np.abs(values)), values)
        parts = np.where(np.isnan(values), unknown, weight * (values - center) / scale)
        return np.hstack([parts, np.full((len(parts), 1), self._intercept)])

    def margin(self, x: Matrix) -> Vector:
        """Return n log-odds."""
        return np.asarray(self.contributions(x).sum(axis=1))

    def predict(self, x: Matrix) -> Vector:
        """Return n probabilities."""
        return np.asarray(expit(self.margin(x)))

    @classmethod
    def load(cls, artifact: Artifact) -> LogisticModel:
        """Read the weights."""
        intercept = float(read_array(artifact, "intercept.npy")[0])
        return cls(read_array(artifact, "weights.npy"), intercept, tuple(artifact.manifest["columns"]))


def fit_logistic(design: Design, train: Rows, *, ridge: float = 1.0) -> Artifact:
    """Fit weights by L-BFGS on the penalised log loss: `ridge` / 2 × the squared weights, the intercept left free."""
    values = checked(train.x, design.columns).astype(np.float64)
    logs = np.zeros(values.shape[1])
    known = ~np.isnan(values)
    center = np.array([values[known[:, j], j].mean() if known[:, j].any() else 0.0 for j in range(values.shape[1])])
    spread = np.array([values[known[:, j], j].std() if known[:, j].any() else 1.0 for j in range(values.shape[1])])
    scale = np.where(spread > 0, spread, 1.0)
    z = np.hstack([np.where(known, (values - center) / scale, 0.0), ~known])
    weight = np.ones(len(z)) if train.weight is None else train.weight

    def loss(w: Vector) -> tuple[float, Vector]:
        margin = z @ w[:-1] + w[-1]
        value = -(weight * (train.y * log_expit(margin) + (1 - train.y) * log_expit(-margin))).sum()
        error = weight * (expit(margin) - train.y)
        slope = np.append(z.T @ error + ridge * w[:-1], error.sum())
        return float(value + 0.5 * ridge * (w[:-1] ** 2).sum()), slope

    fit = minimize(loss, np.zeros(z.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    width = values.shape[1]
    numbers = np.vstack([center, scale, fit.x[:width], fit.x[width : 2 * width], logs])
    files = {"weights.npy": array_bytes(numbers), "intercept.npy": array_bytes(fit.x[-1:])}
    return Artifact(design.manifest("logistic", ridge=ridge), files)
