"""Reasons are exact, in plain words, and say which way they point."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.explanations.phrases import Phrase, duration, written
from tillwise.explanations.reasons import Direction, contributions_of, reasons
from tillwise.models.loading import load_model
from tillwise.models.logistic import fit_logistic
from tillwise.models.model import Design, Rows
from tillwise.models.score import Contribution
from tillwise.models.tabular import fit_tabular

COLUMNS = ("attempts_1h_device", "order_amount", "account_age", "country_mismatch")
PHRASES = {
    "attempts_1h_device": Phrase(
        "{value} payment attempts from this device in an hour", one="One payment attempt from this device in an hour"
    ),
    "order_amount": Phrase("the order is worth {value}", "money"),
    "account_age": Phrase("the account is {value} old", "duration", unknown="nobody knows how old the account is"),
    "country_mismatch": Phrase(
        "billing and shipping country differ", "flag", none="billing and shipping country are the same"
    ),
}


def test_the_words_of_the_contract() -> None:
    """Values are written as people write them, with their unit, and each reason has its share of the movement."""
    parts = (
        Contribution("attempts_1h_device", 7.0, 0.9),
        Contribution("order_amount", 5990.0, -0.6),
        Contribution("account_age", None, 0.3),
        Contribution("country_mismatch", 0.0, -0.2),
    )
    said = reasons(parts, PHRASES, currency="EUR", top=None)
    assert [one.text for one in said] == [
        "7 payment attempts from this device in an hour",
        "The order is worth 59.90 EUR (speaks against it)",
        "Nobody knows how old the account is",
        "Billing and shipping country are the same (speaks against it)",
    ]
    assert [one.weight for one in said] == [0.45, -0.3, 0.15, -0.1]
    assert [one.code for one in reasons(parts, PHRASES, top=2)] == ["attempts_1h_device", "order_amount"]
    short = reasons(parts, PHRASES, top=1, direction=Direction(raises=" (raises the risk)"))
    assert short[0].text == "7 payment attempts from this device in an hour (raises the risk)"


def test_groups_are_told_once() -> None:
    """Columns of one group are one reason: their sum, by the phrase of the strongest."""
    grouped = {
        "a_1h": Phrase("{value} attempts in an hour", group="attempts"),
        "a_24h": Phrase("{value} attempts in a day", group="attempts"),
    }
    parts = (Contribution("a_1h", 2.0, 0.1), Contribution("a_24h", 9.0, 0.5), Contribution("other", 1.5, -0.4))
    said = reasons(parts, grouped)
    assert [(one.code, one.weight) for one in said] == [("attempts", 0.6), ("other", -0.4)]
    assert said[0].text == "9 attempts in a day"
    assert said[1].text == "Other is 1.5 (speaks against it)"


def test_nothing_moved_gives_no_reason() -> None:
    """A column that did not move the score is no reason; without movement there is none."""
    assert reasons((Contribution("a", 1.0, 0.0),), {}) == ()
    assert reasons((), {}) == ()


@pytest.mark.parametrize("kind", ["trees", "logistic"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_contributions_sum_to_the_log_odds_of_the_score(kind: str, seed: int) -> None:
    """Exact: with what holds for everyone, the parts sum to the score; unknown values included."""
    rng = np.random.default_rng(seed)
    model = MODELS[kind]
    values = [None if rng.random() < 0.2 else float(np.float32(rng.normal() * 3)) for _ in COLUMNS]
    row = np.array([[math.nan if value is None else value for value in values]], dtype=np.float32)
    parts = contributions_of(model, values)
    everyone = model.contributions(row)[0, -1]
    assert math.fsum(part.weight for part in parts) + everyone == pytest.approx(model.margin(row)[0], abs=1e-9)
    assert [part.value for part in parts] == values
    assert math.fsum(abs(one.weight) for one in reasons(parts, PHRASES, top=None)) == pytest.approx(1, abs=1e-3)


def _models() -> dict[str, object]:
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(2000, 4)) * 3).astype(np.float32)
    y = (rng.random(2000) < 1 / (1 + np.exp(-x[:, 0] + x[:, 1] * x[:, 2] / 5))).astype(float)
    x[rng.random(x.shape) < 0.1] = np.nan
    design, train, held = Design("fraud", COLUMNS, "sha256:0"), Rows(x[:1500], y[:1500]), Rows(x[1500:], y[1500:])
    return {
        "trees": load_model(fit_tabular(design, train, held, rounds=40)),
        "logistic": load_model(fit_logistic(design, train, held)),
    }


MODELS = _models()


@pytest.mark.parametrize(
    ("value", "unit", "currency", "text"),
    [
        (1250, "money", "EUR", "12.50 EUR"),
        (123456789, "money", "USD", "1 234 567.89 USD"),
        (1500, "money", "JPY", "1 500 JPY"),
        (-250, "money", "EUR", "-2.50 EUR"),
        (0.4211, "share", "", "42 %"),
        (1204, "count", "", "1 204"),
        (1.75, "number", "", "1.8"),
        (2.0, "number", "", "2"),
        (3 * 86_400_000, "duration", "", "3 days"),
    ],
)
def test_numbers_as_people_write_them(value: float, unit: str, currency: str, text: str) -> None:
    """Money with its decimals, shares in percent, thousands apart."""
    assert written(value, unit, currency) == text


def test_durations_in_their_largest_unit() -> None:
    """1 hour, 45 seconds, 2 years: one unit is enough for a reason."""
    assert [duration(ms) for ms in (0, 999, 45_000, 3_600_000, 5 * 86_400_000, 800 * 86_400_000)] == [
        "0 seconds", "0 seconds", "45 seconds", "1 hour", "5 days", "2 years",
    ]  # fmt: skip
