"""BG/NBD, the buy-till-you-die model of Fader, Hardie & Lee (Marketing Science, 2005): a baseline for churn.

While somebody is a customer they buy at their own rate; after each purchase they may leave for good. Rates are
gamma(r, α) over people, leaving is beta(a, b). Times are in any one unit; weeks keep the optimiser comfortable.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

Vector = NDArray[np.float64]
_BOUNDS: Final = [(-7.0, 7.0)] * 4
_RIDGE: Final = 1e-6


class BgNbd(NamedTuple):
    """The four parameters."""

    r: float
    alpha: float
    a: float
    b: float


def fit(repeats: Vector, recency: Vector, age: Vector) -> BgNbd:
    """Return the parameters of greatest likelihood.

    `repeats` are purchases after the first, `recency` the time from first to last, `age` the time from first to now.
    The logarithms of the parameters are bounded, and barely pulled towards 0, so that the search always ends.
    """
    best = min(
        (
            minimize(
                _loss, np.log(start), (repeats, recency, age), method="L-BFGS-B", bounds=_BOUNDS,
                options={"maxiter": 2000, "ftol": 1e-13, "gtol": 1e-9},
            )
            for start in ((0.5, 5.0, 0.5, 2.0), (1.0, 1.0, 1.0, 1.0))
        ),
        key=lambda found: float(found.fun),
    )  # fmt: skip
    return BgNbd(*(float(value) for value in np.exp(best.x)))


def log_likelihood(model: BgNbd, repeats: Vector, recency: Vector, age: Vector) -> float:
    """Return the mean log likelihood of everybody's purchases."""
    return -_plain_loss(model, repeats, recency, age)


def expected_orders(model: BgNbd, repeats: Vector, recency: Vector, age: Vector, horizon: float) -> Vector:
    """Return the expected number of purchases in the next `horizon`, given each person's past."""
    r, alpha, a, b = model
    x = np.asarray(repeats, dtype=np.float64)
    z = horizon / (alpha + age + horizon)
    growth = np.asarray(hyp2f1(r + x, b + x, a + b + x - 1, z))
    gained = (a + b + x - 1) / (a - 1) * (1 - ((alpha + age) / (alpha + age + horizon)) ** (r + x) * growth)
    gone = a / (b + np.maximum(x, 1) - 1) * ((alpha + age) / (alpha + recency)) ** (r + x)
    return np.asarray(gained / (1 + np.where(x > 0, gone, 0.0)))


def repurchase(model: BgNbd, repeats: Vector, recency: Vector, age: Vector, horizon: float) -> Vector:
    """Return 1 − exp(−E): the chance of a purchase within the horizon, as if those expected came by Poisson."""
    return np.asarray(-np.expm1(-np.maximum(expected_orders(model, repeats, recency, age, horizon), 0.0)))


def _loss(logs: Vector, repeats: Vector, recency: Vector, age: Vector) -> float:
    return _plain_loss(BgNbd(*np.exp(logs)), repeats, recency, age) + _RIDGE * float((logs**2).sum())


def _plain_loss(model: BgNbd, repeats: Vector, recency: Vector, age: Vector) -> float:
    r, alpha, a, b = model
    x = np.asarray(repeats, dtype=np.float64)
    shared = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    stays = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + age)
    left = betaln(a + 1, b + np.maximum(x, 1) - 1) - betaln(a, b) - (r + x) * np.log(alpha + recency)
    return -float(np.mean(shared + np.where(x > 0, np.logaddexp(stays, left), stays)))
