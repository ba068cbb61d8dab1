"""Metrics agree with scikit-learn, and resampling counts people whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import calibration, linear_model
from sklearn import metrics as oracle

from tillwise.models.bootstrap import Resamples, intervals
from tillwise.models.metrics import (
    average_precision,
    brier,
    calibration_bins,
    calibration_slope,
    card_precision_at,
    expected_calibration_error,
    lift_at,
    log_loss,
    negated,
    perfect_calibration_error,
    precision_at,
    recall_at,
    roc_auc,
)


def draw(seed: int, n: int = 400, *, ties: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 3, n)
    if ties:
        p = np.round(p, 2)
    y = (rng.random(n) < p).astype(float)
    y[:2] = (0.0, 1.0)
    return y, p, rng.integers(0, 4, n).astype(float)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), ties=st.booleans(), weighted=st.booleans())
def test_metrics_equal_the_oracle_with_ties_and_weights(seed: int, ties: bool, weighted: bool) -> None:
    """AUC, average precision, log loss and Brier equal scikit-learn's, whatever ties and weights there are."""
    y, p, drawn = draw(seed, ties=ties)
    p = np.clip(p, 0.01, 0.99)
    weights = drawn if weighted else np.ones(len(y))
    weights[:2] = 1.0
    assert roc_auc(y, p)(weights) == pytest.approx(oracle.roc_auc_score(y, p, sample_weight=weights), abs=1e-12)
    expected = oracle.average_precision_score(y, p, sample_weight=weights)
    assert average_precision(y, p)(weights) == pytest.approx(expected, abs=1e-12)
    assert log_loss(y, p)(weights) == pytest.approx(oracle.log_loss(y, p, sample_weight=weights), abs=1e-12)
    assert brier(y, p)(weights) == pytest.approx(oracle.brier_score_loss(y, p, sample_weight=weights), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 500))
def test_precision_and_recall_at_k_are_means_over_the_orders_of_ties(seed: int, k: int) -> None:
    """Shuffling rows never changes them; without ties they are what a sorted list says."""
    y, p, _ = draw(seed)
    shuffled = np.random.default_rng(seed).permutation(len(y))
    ones = np.ones(len(y))
    assert precision_at(y, p, k)(ones) == pytest.approx(precision_at(y[shuffled], p[shuffled], k)(ones))
    apart = p + np.linspace(0, 1e-6, len(p))
    best = np.argsort(-apart)[:k]
    assert precision_at(y, apart, k)(ones) == pytest.approx(y[best].mean())
    assert recall_at(y, apart, k)(ones) == pytest.approx(y[best].sum() / y.sum())
    assert lift_at(y, apart, len(best) / len(y))(ones) == pytest.approx(y[best].mean() / y.mean())


def test_a_constant_score_is_worth_nothing() -> None:
    """One score for everyone: AUC 0.5, average precision and precision@k the plain rate."""
    y = np.array([1.0, 0.0, 0.0, 0.0] * 5)
    p, ones = np.full(20, 0.3), np.ones(20)
    assert roc_auc(y, p)(ones) == 0.5
    assert average_precision(y, p)(ones) == pytest.approx(0.25)
    assert precision_at(y, p, 3)(ones) == pytest.approx(0.25)
    assert negated(brier(y, p))(ones) == -brier(y, p)(ones)


def test_weighted_by_counts_equals_repeated_rows() -> None:
    """A draw's weights mean the same as writing the rows down that often."""
    y, p, drawn = draw(3)
    again = np.repeat(np.arange(len(y)), drawn.astype(int))
    ones = np.ones(len(again))
    for make in (roc_auc, average_precision, log_loss, brier, lambda y, p: recall_at(y, p, 30)):
        assert make(y, np.clip(p, 0.01, 0.99))(drawn) == pytest.approx(
            make(y[again], np.clip(p, 0.01, 0.99)[again])(ones)
        )


def test_card_precision_follows_the_handbook() -> None:
    """A card found one day is out of the next; a card's risk is its riskiest payment."""
    card = np.array([1, 1, 2, 3, 1, 2, 3])
    day = np.array([0, 0, 0, 0, 1, 1, 1])
    score = np.array([0.1, 0.9, 0.8, 0.2, 0.99, 0.7, 0.6])
    y = np.array([0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0])
    ones = np.ones(7)
    assert card_precision_at(y, score, card, day, 1)(ones) == pytest.approx((1 + 0) / 2)
    assert card_precision_at(y, score, card, day, 2)(ones) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert card_precision_at(y, score, card, day, 2)(np.where(card == 1, 2.0, 1.0)) == pytest.approx((1 + 1 / 2) / 2)


def test_calibration_error_equals_the_oracle_and_knows_chance() -> None:
    """Bins equal scikit-learn's; a perfect model's own error is below the stated bound 95 times in 100."""
    rng = np.random.default_rng(5)
    p = rng.beta(2, 5, 3000)
    y = (rng.random(3000) < p).astype(float)
    mean, rate, size = calibration_bins(y, p)
    expected_rate, expected_mean = calibration.calibration_curve(y, p, n_bins=10, strategy="quantile")
    assert mean == pytest.approx(expected_mean)
    assert rate == pytest.approx(expected_rate)
    assert size.sum() == 3000
    bound = perfect_calibration_error(p, draws=300)
    assert expected_calibration_error(y, p) == pytest.approx(np.average(np.abs(mean - rate), weights=size))
    assert expected_calibration_error(y, np.clip(p * 1.3, 0, 1)) > bound
    below = [expected_calibration_error((rng.random(3000) < p).astype(float), p) <= bound for _ in range(200)]
    assert 0.88 <= np.mean(below) <= 1.0


def test_calibration_slope_equals_the_oracle_and_covers_one() -> None:
    """The slope equals an unpenalised logistic regression; too bold probabilities lie below 1."""
    rng = np.random.default_rng(11)
    z = rng.normal(size=4000) - 1
    y = (rng.random(4000) < 1 / (1 + np.exp(-z))).astype(float)
    p = 1 / (1 + np.exp(-z))
    slope, low, high = calibration_slope(y, p)
    fit = linear_model.LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(z[:, None], y)
    assert slope == pytest.approx(float(fit.coef_[0, 0]), abs=1e-4)
    assert low < 1 < high
    bold = calibration_slope(y, 1 / (1 + np.exp(-2 * z)))
    assert bold is not None
    assert bold[2] < 1
    clustered = calibration_slope(np.repeat(y, 2), np.repeat(p, 2), np.repeat(np.arange(4000), 2))
    assert clustered is not None
    assert clustered[1:] == pytest.approx((low, high), abs=1e-6)
    assert calibration_slope(y, np.full(4000, 0.3)) is None
    assert calibration_slope(np.zeros(4000), p) is None


def test_no_slope_is_told_where_the_probabilities_part_the_outcomes() -> None:
    """Every yes above every no: the steeper the likelier, without an end; saying nothing is honest."""
    y = np.array([0.0] * 190 + [1.0] * 10)
    assert calibration_slope(y, np.where(y > 0, 0.3, 0.1)) is None
    assert calibration_slope(y[::-1].copy(), np.array([0.1] * 199 + [0.2])) is None


def test_resamples_draw_people_whole_and_repeat_themselves() -> None:
    """All rows of a person have one weight; the same seed gives the same intervals, another seed others."""
    subjects = np.array([5, 5, 9, 9, 9, 2])
    for weights in Resamples(subjects, draws=20):
        assert len(set(weights[:2])) == len(set(weights[2:5])) == 1
        assert weights[0] + weights[2] + weights[5] == 3
    y, p, _ = draw(1, 300)
    people = np.arange(300) // 3
    measures = {"auc": roc_auc(y, p), "loss": log_loss(y, p)}
    first = intervals(measures, people, seed=3, draws=100)
    assert first == intervals(measures, people, seed=3, draws=100)
    assert first != intervals(measures, people, seed=4, draws=100)
    assert first["auc"].low < first["auc"].value < first["auc"].high
