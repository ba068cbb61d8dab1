"""From a model's log-odds to a probability that means what it says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit

Vector = NDArray[np.float64]

RIDGE = 1e-4


@dataclass(frozen=True, slots=True)
class Calibration:
    """An increasing map of log-odds onto log-odds, as numbers only.

    `kind` is `none`, `platt` (Platt 1999: slope, intercept), `beta` (Kull et al. 2017: a, b, c) or `isotonic`
    (knots and their values; straight lines between them, the outer slope beyond).
    """

    kind: str = "none"
    numbers: Vector = field(default_factory=lambda: np.zeros(0))

    def log_odds(self, margin: Vector) -> Vector:
        """Return calibrated log-odds of the model's raw log-odds."""
        if self.kind == "platt":
            slope, intercept = self.numbers
            return np.asarray(slope * margin + intercept)
        return margin

    def probability(self, margin: Vector) -> Vector:
        """Return calibrated probabilities."""
        return np.asarray(expit(self.log_odds(margin)))


def calibrate(margin: Vector, y: Vector, *, seed: int = 7) -> Calibration:
    """Fit the map on rows the model has not learnt from."""
    start = np.array([1.0, 0.0])
    if len(np.unique(y)) < 2:
        return Calibration()

    def loss(w: Vector) -> float:
        z = w[0] * margin + w[1]
        return float(-(y * log_expit(z) + (1 - y) * log_expit(-z)).mean() + RIDGE * ((w - start) ** 2).sum())

    fit = minimize(loss, start, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)])
    return Calibration("platt", np.asarray(fit.x))
