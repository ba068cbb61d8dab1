"""BG/NBD: the published closed forms, and a fit that finds what a sample was drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from tillwise.use_cases.churn.bgnbd import BgNbd, expected_orders, fit, log_likelihood, repurchase

PUBLISHED = BgNbd(0.243, 4.414, 0.793, 2.426)


def simulated(model: BgNbd, people: int, age: float, further: float, seed: int = 5) -> tuple[np.ndarray, ...]:
    """Return repeats, recency, age, and purchases in the time after, drawn from the model itself."""
    draw = np.random.default_rng(seed)
    rate = draw.gamma(model.r, 1 / model.alpha, people)
    leave = draw.beta(model.a, model.b, people)
    rows = []
    for lam, p in zip(rate, leave, strict=True):
        at, repeats, last, later = 0.0, 0, 0.0, 0
        while True:
            at += draw.exponential(1 / max(lam, 1e-12))
            if at > age + further:
                break
            if at <= age:
                repeats, last = repeats + 1, at
            else:
                later += 1
            if draw.random() < p:
                break
        rows.append((repeats, last, age, later))
    return tuple(np.array(rows, dtype=np.float64).T)


def test_expected_orders_agree_with_simulation() -> None:
    """The closed form of the conditional expectation is the mean of what such people really do."""
    repeats, recency, age, later = simulated(PUBLISHED, 20_000, 39.0, 39.0)
    expected = expected_orders(PUBLISHED, repeats, recency, age, 39.0)
    assert expected.mean() == pytest.approx(later.mean(), rel=0.05)
    for group in (repeats == 0, (repeats > 0) & (repeats < 4), repeats >= 4):
        error = later[group].std() / np.sqrt(group.sum())
        assert abs(expected[group].mean() - later[group].mean()) < 4 * error


def test_the_fit_finds_what_the_sample_was_drawn_from() -> None:
    """The estimate is at least as likely as the truth, and predicts as the truth does."""
    repeats, recency, age, _ = simulated(PUBLISHED, 6_000, 39.0, 0.0)
    found = fit(repeats, recency, age)
    assert log_likelihood(found, repeats, recency, age) >= log_likelihood(PUBLISHED, repeats, recency, age) - 1e-5
    truth = expected_orders(PUBLISHED, repeats, recency, age, 13.0)
    assert expected_orders(found, repeats, recency, age, 13.0).mean() == pytest.approx(truth.mean(), rel=0.08)


def test_a_chance_is_a_chance_and_falls_with_silence() -> None:
    """1 − exp(−E) lies between 0 and 1, and the longer the silence of a regular buyer, the lower."""
    recency = np.array([38.0, 30.0, 20.0, 10.0])
    chances = repurchase(PUBLISHED, np.full(4, 6.0), recency, np.full(4, 39.0), 13.0)
    assert np.all((chances > 0) & (chances < 1))
    assert np.all(np.diff(chances) < 0)
