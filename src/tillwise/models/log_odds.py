"""Probabilities and log-odds, without overflow at either end; NumPy only, for a server that starts at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def log_expit(z: Vector) -> Vector:
    """Return ln(1 / (1 + exp(−z)))."""
    return np.asarray(-np.logaddexp(0.0, -z))


def expit(z: Vector) -> Vector:
    """Return 1 / (1 + exp(−z))."""
    return np.asarray(np.exp(log_expit(z)))


def logit(p: Vector) -> Vector:
    """Return ln(p / (1 − p)) for 0 < p < 1."""
    return np.asarray(np.log(p) - np.log1p(-p))
