"""The points behind the plots of a card, made once from labels and scores, so that a report can be drawn again."""

from __future__ import annotations

from typing import Final

import numpy as np

from tillwise.models.metrics import Ranking, Vector, calibration_bins
from tillwise.releases.card import Curve

POINTS: Final = 101
_Z: Final = 1.959964


def curves_of(y: Vector, score: Vector, label: str, *, probability: bool = True) -> tuple[Curve, ...]:
    """Return the curves of one contender: gain, precision-recall and, for a probability, calibration.

    `y` are outcomes 0 or 1, `label` is the contender's name in the legend. Without a positive there is nothing to draw.
    """
    if not len(y) or y.sum() == 0 or y.sum() == len(y):
        return ()
    curves = (gain_curve(y, score, label), precision_recall_curve(y, score, label))
    return (calibration_curve(y, score, label), *curves) if probability else curves


def calibration_curve(y: Vector, probability: Vector, label: str, bins: int = 10) -> Curve:
    """Mean probability against observed rate, with Wilson's 95 % interval and the size of each bin."""
    mean, rate, size = calibration_bins(y, probability, bins)
    middle = (rate + _Z**2 / (2 * size)) / (1 + _Z**2 / size)
    half = _Z / (1 + _Z**2 / size) * np.sqrt(rate * (1 - rate) / size + _Z**2 / (4 * size**2))
    return Curve(
        "calibration",
        label,
        _numbers(mean),
        _numbers(rate),
        low=_numbers(np.maximum(middle - half, 0)),
        high=_numbers(np.minimum(middle + half, 1)),
        size=tuple(int(n) for n in size),
    )


def gain_curve(y: Vector, score: Vector, label: str) -> Curve:
    """Share of rows looked at, from the highest score down, against the share of positives found."""
    ones = np.ones(len(y))
    ranking = Ranking(y, score)
    share = np.linspace(0, 1, POINTS)
    found = [ranking.positives_in_top(part * len(y), ones) / y.sum() for part in share]
    return Curve("gain", label, _numbers(share), _numbers(np.array(found)))


def precision_recall_curve(y: Vector, score: Vector, label: str) -> Curve:
    """Recall against precision at the thresholds nearest to evenly spaced recalls."""
    rows, hits = Ranking(y, score).cumulative(np.ones(len(y)))
    recall, precision = hits / hits[-1], hits / rows
    first = int(np.searchsorted(hits, 0.0, side="right"))
    places = np.unique(np.clip(np.searchsorted(recall, np.linspace(0, 1, POINTS)), first, len(recall) - 1))
    return Curve("precision_recall", label, _numbers(recall[places]), _numbers(precision[places]))


def _numbers(values: Vector) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)
