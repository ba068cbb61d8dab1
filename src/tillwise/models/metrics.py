"""How good is a probability: ranking, loss and calibration, each countable again for a resampled test period.

A measure is a function of row weights: `measure(np.ones(n))` is the metric itself, and weights drawn by
models/bootstrap.py count people several times or not at all. Scores are sorted once, whatever the number of draws.
Rows with equal scores are treated as one group: no metric depends on the order in which ties happen to stand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.models.log_odds import expit, logit

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]
Measure = Callable[[Vector], float]

EDGE: Final = 1e-12
"""Probabilities are kept this far from 0 and 1 where a logarithm is taken."""


class Ranking:
    """Rows from the highest score down, in groups of equal scores."""

    def __init__(self, y: Vector, score: Vector) -> None:
        self.order = np.argsort(-score, kind="stable")
        self.y = np.asarray(y, dtype=np.float64)[self.order]
        ranked = score[self.order]
        self.ends = (
            np.append(np.flatnonzero(np.diff(ranked) != 0), len(ranked) - 1) if len(ranked) else np.zeros(0, int)
        )

    def cumulative(self, weights: Vector) -> tuple[Vector, Vector]:
        """Return, at the end of each group, how many rows and how many positives stand at or above it."""
        drawn = weights[self.order]
        return np.cumsum(drawn)[self.ends], np.cumsum(drawn * self.y)[self.ends]

    def positives_in_top(self, k: float, weights: Vector) -> float:
        """Return how many positives the first k rows hold, on average over all orders of the ties."""
        rows, positives = self.cumulative(weights)
        return float(np.interp(k, np.append(0.0, rows), np.append(0.0, positives)))


def roc_auc(y: Vector, score: Vector) -> Measure:
    """Area under the ROC curve: the chance that a positive stands above a negative, ties counting half."""
    ranking = Ranking(y, score)

    def measure(weights: Vector) -> float:
        rows, hits = ranking.cumulative(weights)
        misses = rows - hits
        if hits[-1] == 0 or misses[-1] == 0:
            return 0.5
        height = (np.append(0.0, hits[:-1]) + hits) / 2
        return float((np.diff(misses, prepend=0.0) * height).sum() / (hits[-1] * misses[-1]))

    return measure


def average_precision(y: Vector, score: Vector) -> Measure:
    """Average precision: the sum over thresholds of the gain in recall × precision (no interpolation)."""
    ranking = Ranking(y, score)

    def measure(weights: Vector) -> float:
        rows, hits = ranking.cumulative(weights)
        if hits[-1] == 0:
            return 0.0
        precision = np.divide(hits, rows, out=np.zeros_like(hits), where=rows > 0)
        return float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1])

    return measure


def log_loss(y: Vector, probability: Vector) -> Measure:
    """Mean negative log likelihood in nats; lower is better."""
    p = np.clip(probability, EDGE, 1 - EDGE)
    return _mean_of(-(y * np.log(p) + (1 - y) * np.log1p(-p)))


def brier(y: Vector, probability: Vector) -> Measure:
    """Mean squared error of the probability; lower is better."""
    return _mean_of((probability - y) ** 2)


def precision_at(y: Vector, score: Vector, k: int) -> Measure:
    """Share of positives among the k highest scores."""
    ranking = Ranking(y, score)
    return lambda weights: ranking.positives_in_top(k, weights) / min(k, weights.sum())


def recall_at(y: Vector, score: Vector, k: int) -> Measure:
    """Share of all positives found among the k highest scores."""
    ranking = Ranking(y, score)
    return lambda weights: ranking.positives_in_top(k, weights) / max(float(weights[ranking.order] @ ranking.y), EDGE)


def lift_at(y: Vector, score: Vector, share: float) -> Measure:
    """How many times more positives the top `share` of rows holds than a random pick of that size."""
    ranking = Ranking(y, score)

    def measure(weights: Vector) -> float:
        found = ranking.positives_in_top(share * weights.sum(), weights)
        return found / max(share * float(weights[ranking.order] @ ranking.y), EDGE)

    return measure


def negated(measure: Measure) -> Measure:
    """Return minus the measure: for a gate, where higher must be better."""
    return lambda weights: -measure(weights)


def card_precision_at(y: Vector, score: Vector, card: Integers, day: Integers, k: int) -> Measure:
    """CP@k: of the k riskiest cards of each day, the share that is truly compromised, averaged over days.

    A card's risk is the highest score among its payments of the day; a card found on one day is out of the following
    days, as a blocked card would be. Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud Detection
    (2022), chapter 4. Weights must not differ within a card (resample by card); a card drawn twice takes two places.
    """
    days = [_cards_of_a_day(np.flatnonzero(day == one), y, score, card) for one in np.unique(day)]

    def measure(weights: Vector) -> float:
        found: set[int] = set()
        shares = []
        for cards, fraud, first in days:
            drawn = np.where([c in found for c in cards.tolist()], 0.0, weights[first]) if found else weights[first]
            room = np.clip(k - (np.cumsum(drawn) - drawn), 0.0, drawn)
            shares.append(float(room @ fraud) / k)
            found.update(cards[(room > 0) & (fraud > 0)].tolist())
        return float(np.mean(shares))

    return measure


def _cards_of_a_day(rows: Integers, y: Vector, score: Vector, card: Integers) -> tuple[Integers, Vector, Integers]:
    """Return the day's cards from the riskiest down, whether each is compromised, and one of its rows."""
    rows = rows[np.lexsort((card[rows], -score[rows]))]
    cards, first, inverse = np.unique(card[rows], return_index=True, return_inverse=True)
    fraud = np.zeros(len(cards))
    np.maximum.at(fraud, inverse, y[rows])
    order = np.argsort(first)
    return cards[order], fraud[order], rows[first[order]]


def _mean_of(values: Vector) -> Measure:
    return lambda weights: float(np.average(values, weights=weights))


def calibration_bins(y: Vector, probability: Vector, bins: int = 10) -> tuple[Vector, Vector, Integers]:
    """Return mean probability, rate and size of bins that hold about equally many rows; empty bins are left out."""
    if not len(y):
        return np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64)
    edges = np.quantile(probability, np.linspace(0, 1, bins + 1))[1:-1]
    place = np.searchsorted(edges, probability)
    size = np.bincount(place, minlength=bins)
    full = size > 0
    mean = np.bincount(place, weights=probability, minlength=bins)[full] / size[full]
    rate = np.bincount(place, weights=y, minlength=bins)[full] / size[full]
    return mean, rate, size[full]


def expected_calibration_error(y: Vector, probability: Vector, bins: int = 10) -> float:
    """Mean distance between probability and rate over the bins, weighted by their size."""
    mean, rate, size = calibration_bins(y, probability, bins)
    return float(np.average(np.abs(mean - rate), weights=size)) if len(size) else 0.0


def perfect_calibration_error(
    probability: Vector, bins: int = 10, *, draws: int = 1000, seed: int = 7, quantile: float = 0.95
) -> float:
    """Return the error a perfect model would show by chance: outcomes drawn from the probabilities themselves.

    Nobody can tell a model whose error is below this from a perfect one with that many rows.
    """
    rng = np.random.default_rng(seed)
    errors = [
        expected_calibration_error((rng.random(len(probability)) < probability).astype(np.float64), probability, bins)
        for _ in range(draws)
    ]
    return float(np.quantile(errors, quantile))


def calibration_slope(
    y: Vector, probability: Vector, subjects: Integers | None = None
) -> tuple[float, float, float] | None:
    """Return the slope of the outcome's log-odds on the predicted log-odds, and its 95 % interval.

    1 is perfect, below 1 the probabilities are too bold, above 1 too timid (Cox 1958). The interval is Wald's with a
    sandwich variance, clustered by subject when given. None when all probabilities or all outcomes are the same, and
    when no slope is the likeliest because the probabilities part the outcomes completely.
    """
    z = logit(np.clip(probability, EDGE, 1 - EDGE))
    if len(np.unique(y)) < 2 or np.ptp(z) < EDGE:
        return None
    design = np.column_stack([np.ones(len(z)), z])
    weights = np.array([0.0, 1.0])
    for _ in range(50):
        p = expit(design @ weights)
        information = design.T @ (design * (p * (1 - p))[:, None]) + EDGE * np.eye(2)
        step = np.linalg.solve(information, design.T @ (y - p))
        weights = weights + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-10:
            break
    else:
        return None
    scores = design * (y - expit(design @ weights))[:, None]
    if subjects is not None:
        _, who = np.unique(subjects, return_inverse=True)
        scores = np.column_stack([np.bincount(who, weights=column) for column in scores.T])
    bread = np.linalg.inv(information)
    variance = float((bread @ (scores.T @ scores) @ bread)[1, 1])
    if variance < 0.0:  # the matrix is as good as singular
        return None
    slope, error = float(weights[1]), float(np.sqrt(variance))
    return slope, slope - 1.959964 * error, slope + 1.959964 * error
