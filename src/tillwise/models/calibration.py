"""From a model's log-odds to a probability that means what it says.

Maps are tried from the simplest on: nothing at all, Platt scaling (Platt 1999), beta calibration (Kull, Silva Filho &
Flach, AISTATS 2017) and centred isotonic regression (Oron & Flournoy 2017), which has no flat parts, so that it never
ties two scores that differ. A richer map is kept only when its cross-validated log loss is lower by more than one
standard error, for the next period is never quite like this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import ArtifactDamaged
from tillwise.models.log_odds import expit, log_expit, logit

Vector = NDArray[np.float64]

FOLDS: Final = 5
FEWEST: Final = 20
"""Fewer rows of either outcome than this teach nothing about probabilities: the model's own are kept."""
FEWEST_FOR_STEPS: Final = 100
"""Isotonic regression needs this many rows of either outcome."""
_STEEPEST: Final = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A strictly increasing map of log-odds onto log-odds, as numbers only.

    `kind` is `none` (no numbers), `platt` (slope, intercept), `beta` (a, b, c of a·ln p − b·ln(1 − p) + c) or
    `isotonic` (outer slope, k knots, k values: straight lines between the knots, the outer slope beyond).
    """

    kind: str = "none"
    numbers: Vector = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        expected = {"none": 0, "platt": 2, "beta": 3, "isotonic": len(self.numbers) | 1}.get(self.kind)
        if self.numbers.ndim != 1 or len(self.numbers) != expected or not np.isfinite(self.numbers).all():
            raise ArtifactDamaged(f"{self.numbers.size} numbers are no calibration of kind '{self.kind[:20]}'")

    def log_odds(self, margin: Vector) -> Vector:
        """Return calibrated log-odds for the model's raw log-odds."""
        if self.kind == "platt":
            slope, intercept = self.numbers
            return np.asarray(slope * margin + intercept)
        if self.kind == "beta":
            a, b, c = self.numbers
            return np.asarray(a * log_expit(margin) - b * log_expit(-margin) + c)
        if self.kind == "isotonic":
            half = len(self.numbers) // 2
            slope, knots, values = self.numbers[0], self.numbers[1 : half + 1], self.numbers[half + 1 :]
            beyond = np.minimum(margin - knots[0], 0.0) + np.maximum(margin - knots[-1], 0.0)
            return np.asarray(np.interp(margin, knots, values) + slope * beyond)
        return margin

    def probability(self, margin: Vector) -> Vector:
        """Return calibrated probabilities for the model's raw log-odds."""
        return np.asarray(expit(self.log_odds(margin)))


Fit = Callable[[Vector, Vector, Vector], Calibration]


def calibrate(margin: Vector, y: Vector, *, weight: Vector | None = None, seed: int = 7) -> Calibration:
    """Choose and fit the map on rows the model has not learnt from: `margin` log-odds, `y` 0 or 1."""
    weights = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    rarest = int(min(y.sum(), len(y) - y.sum()))
    if rarest < FEWEST:
        return Calibration()
    candidates: list[Fit] = [_identity, fit_platt, fit_beta]
    if rarest >= FEWEST_FOR_STEPS:
        candidates.append(fit_isotonic)
    fold = _stratified_folds(y, seed)
    chosen, loss = candidates[0], _held_out_loss(candidates[0], margin, y, weights, fold)
    for candidate in candidates[1:]:
        other = _held_out_loss(candidate, margin, y, weights, fold)
        gain = loss - other
        if gain.mean() > gain.std() / np.sqrt(len(gain)):
            chosen, loss = candidate, other
    return chosen(margin, y, weights)


def fit_platt(margin: Vector, y: Vector, weight: Vector) -> Calibration:
    """Fit slope and intercept; a prior of standard deviation 1 around "leave it" steadies what few rows say."""
    found = _fit_linear(np.column_stack([margin, np.ones(len(margin))]), y, weight, np.array([1.0, 0.0]), positive=1)
    return Calibration("platt", found)


def fit_beta(margin: Vector, y: Vector, weight: Vector) -> Calibration:
    """Fit a, b ≥ 0 and c, with the same prior."""
    design = np.column_stack([log_expit(margin), -log_expit(-margin), np.ones(len(margin))])
    return Calibration("beta", _fit_linear(design, y, weight, np.array([1.0, 1.0, 0.0]), positive=2))


def fit_isotonic(margin: Vector, y: Vector, weight: Vector) -> Calibration:
    """Fit knots at the centres of the pooled blocks; rates of 0 and 1 become half a row of doubt."""
    from scipy.optimize import isotonic_regression  # noqa: PLC0415 - only fitting needs SciPy; a server starts without

    places, inverse = np.unique(margin, return_inverse=True)
    total = np.bincount(inverse, weights=weight)
    rate = np.bincount(inverse, weights=weight * y) / total
    pooled = isotonic_regression(rate, weights=total)
    starts = pooled.blocks[:-1]
    centers = np.add.reduceat(places * total, starts) / np.add.reduceat(total, starts)
    doubt = 0.5 / len(y)
    values = logit(np.clip(pooled.x[starts], doubt, 1.0 - doubt))
    rising = np.append(True, np.diff(np.maximum.accumulate(values)) > 0)
    knots, values = centers[rising], values[rising]
    if len(knots) < 2:
        return fit_platt(margin, y, weight)
    slope = (values[-1] - values[0]) / (knots[-1] - knots[0])
    return Calibration("isotonic", np.concatenate([[slope], knots, values]))


def _identity(_margin: Vector, _y: Vector, _weight: Vector) -> Calibration:
    return Calibration()


def _fit_linear(design: Vector, y: Vector, weight: Vector, start: Vector, *, positive: int) -> Vector:
    """Minimise the penalised log loss of `design @ w`; the first `positive` weights stay above zero."""

    from scipy.optimize import minimize  # noqa: PLC0415 - see fit_isotonic

    def loss(w: Vector) -> tuple[float, Vector]:
        z = design @ w
        value = -(weight * (y * log_expit(z) + (1 - y) * log_expit(-z))).sum() + 0.5 * ((w - start) ** 2).sum()
        return float(value), np.asarray(design.T @ (weight * (expit(z) - y)) + (w - start))

    bounds = [(_STEEPEST, None)] * positive + [(None, None)] * (len(start) - positive)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


def _stratified_folds(y: Vector, seed: int) -> NDArray[np.int64]:
    fold = np.empty(len(y), dtype=np.int64)
    rng = np.random.default_rng(seed)
    for outcome in (0.0, 1.0):
        rows = np.flatnonzero(y == outcome)
        fold[rng.permutation(rows)] = np.arange(len(rows)) % FOLDS
    return fold


def _held_out_loss(fit: Fit, margin: Vector, y: Vector, weight: Vector, fold: NDArray[np.int64]) -> Vector:
    """Return each row's loss under a map fitted without it."""
    loss = np.empty(len(y))
    for k in range(FOLDS):
        learn, held = fold != k, fold == k
        z = fit(margin[learn], y[learn], weight[learn]).log_odds(margin[held])
        loss[held] = -weight[held] * (y[held] * log_expit(z) + (1 - y[held]) * log_expit(-z))
    return loss
