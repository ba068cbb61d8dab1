"""Calibration never reorders, repairs what is bold or bent, and leaves few rows alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from tillwise.errors import ArtifactDamaged
from tillwise.models.calibration import Calibration, calibrate, fit_beta, fit_isotonic, fit_platt
from tillwise.models.metrics import calibration_slope, expected_calibration_error, log_loss, perfect_calibration_error


def outcomes(truth: np.ndarray, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(len(truth)) < truth).astype(float)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), bend=st.floats(0.2, 3.0), shift=st.floats(-2, 2))
def test_the_order_of_scores_is_kept(seed: int, bend: float, shift: float) -> None:
    """Every map is strictly increasing: no two scores change places, none become equal."""
    margin = np.random.default_rng(seed).normal(size=600) * 2
    y = outcomes(expit(bend * margin + shift), seed + 1)
    wide = np.linspace(-12, 12, 200)
    for fit in (fit_platt, fit_beta, fit_isotonic):
        assert (np.diff(fit(margin, y, np.ones(600)).log_odds(wide)) > 0).all()


@pytest.mark.parametrize("bend", [0.4, 1.0, 2.5])
def test_bold_and_timid_scores_are_repaired(bend: float) -> None:
    """After calibration the slope's interval contains 1 and the error is within chance, on new rows."""
    rng = np.random.default_rng(3)
    margin, new = rng.normal(size=6000) * 1.5 - 1, rng.normal(size=6000) * 1.5 - 1
    found = calibrate(margin, outcomes(expit(bend * margin), 4))
    p, y = found.probability(new), outcomes(expit(bend * new), 5)
    slope = calibration_slope(y, p)
    assert slope is not None
    assert slope[1] < 1 < slope[2]
    assert expected_calibration_error(y, p) <= 1.5 * perfect_calibration_error(p, draws=200)


def test_a_bent_score_needs_more_than_a_line() -> None:
    """Where truth is a step, isotonic is chosen and beats the line on new rows."""
    rng = np.random.default_rng(9)
    margin, new = rng.normal(size=8000), rng.normal(size=8000)

    def truth(m: np.ndarray) -> np.ndarray:
        return np.where(m > 0.5, 0.8, np.where(m > -0.5, 0.2, 0.15))

    y = outcomes(truth(margin), 1)
    found = calibrate(margin, y)
    assert found.kind == "isotonic"
    fresh, ones = outcomes(truth(new), 2), np.ones(8000)
    line = fit_platt(margin, y, ones)
    assert log_loss(fresh, found.probability(new))(ones) < log_loss(fresh, line.probability(new))(ones)


def test_isotonic_passes_through_the_pooled_blocks() -> None:
    """At the centre of each pooled block the rate equals scikit-learn's isotonic regression."""
    rng = np.random.default_rng(2)
    margin = rng.normal(size=500)
    y = outcomes(expit(margin), 3)
    found = fit_isotonic(margin, y, np.ones(500))
    half = len(found.numbers) // 2
    oracle = IsotonicRegression().fit(margin, y)
    inner = slice(1, half - 1)
    knots, values = found.numbers[1 : half + 1][inner], found.numbers[half + 1 :][inner]
    nearest = np.abs(margin[:, None] - knots).argmin(axis=0)
    assert expit(values) == pytest.approx(oracle.predict(margin[nearest]), abs=1e-6)


def test_few_rows_change_nothing() -> None:
    """With fewer than 20 of either outcome the model's own probabilities are kept."""
    margin = np.linspace(-2, 2, 100)
    y = np.zeros(100)
    y[:10] = 1.0
    assert calibrate(margin, y).kind == "none"
    assert np.array_equal(Calibration().log_odds(margin), margin)


def test_numbers_that_are_no_map_are_refused() -> None:
    """A wrong length, a NaN or an unknown kind is damage."""
    for kind, numbers in (("platt", [1.0]), ("beta", [1.0, 1.0, np.nan]), ("isotonic", [1.0, 2.0]), ("spline", [])):
        with pytest.raises(ArtifactDamaged):
            Calibration(kind, np.array(numbers))
