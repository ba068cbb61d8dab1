"""What would have changed it: decided by the same model, with nothing but what a person can change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.decisions.counterfactual import NO_LOT, counterfactual
from tillwise.decisions.decision import Explain
from tillwise.features.row import FeatureRow
from tillwise.privacy.permit import Permit, seal
from tillwise.use_cases.fraud import USE_CASE
from tillwise.use_cases.fraud.features import FEATURES, REQUEST
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose

PERMIT = Permit(seal(), Purpose.FRAUD_PREVENTION, "DE", "legitimate_interest", Point(0, 1, 1), granted=True)
OWN = {each.name for each in FEATURES.aggregates if each.key == "subject"}


class Points:
    """A model that adds up warning signs, steeply."""

    def predict(self, x: Any) -> Any:
        columns = dict(zip(FEATURES.columns, np.nan_to_num(x[0]).tolist(), strict=True))
        points = columns["rule_points"] + columns["attempts_24h_device"] / 5 + columns["order_amount"] / 100_000
        return np.array([1 / (1 + np.exp(7 - points))])


def row(**values: float | None) -> FeatureRow:
    known = {each.name: 0.0 if each.unit not in ("ms", "minor") else None for each in FEATURES.aggregates}
    known |= dict.fromkeys(REQUEST, 0.0) | {"order_amount": 9_000.0, "country_mismatch": None, "hour": 12.0}
    known |= {f"has_{key}": 1.0 for key in ("device", "card", "ip", "address", "email")} | values
    bare = FeatureRow(PERMIT, FEATURES.hash, FEATURES.columns, (None,) * len(FEATURES.columns), {"currency": "EUR"})
    return USE_CASE.steps.changed(replace(bare, values=(None,) * len(FEATURES.columns)), known)  # type: ignore[attr-defined]


def action(of: FeatureRow) -> str:
    score = USE_CASE.steps.think(of, Points(), Explain.NONE)
    return USE_CASE.steps.act(score, NO_LOT, Explain.NONE).action


@pytest.mark.parametrize(("stopped", "says"), [
    ({"country_mismatch": 1.0, "order_amount": 90_000.0}, "delivery to the country of the bill"),
    ({"order_amount": 250_000.0}, "an order of 1 875.00 EUR"),
    ({"attempts_1h_card": 7.0, "attempts_24h_card": 7.0}, "another attempt after an hour, and none before"),
    ({"people_30d_card": 5.0, "since_attempt_subject": 1e8}, "another attempt after a month, and none before"),
])  # fmt: skip
def test_the_easiest_way_is_named(stopped: dict[str, float | None], says: str) -> None:
    """A single sign against an order is answered with the mildest step that takes it away."""
    found = counterfactual(USE_CASE, Points(), row(**stopped))
    assert found is not None
    assert found.says == (says,)
    assert found.decision.action == "approve"


def test_what_nobody_can_change_is_never_named() -> None:
    """The bank's own memory of a person fades after a year, and no other way is offered."""
    found = counterfactual(USE_CASE, Points(), row(chargebacks_365d_subject=1.0))
    assert found is not None
    assert found.says == ("another attempt after a year, and none before",)


signs = st.fixed_dictionaries({
    "attempts_1h_device": st.integers(0, 15), "attempts_24h_device": st.integers(0, 40),
    "attempts_1h_card": st.integers(0, 9), "refused_24h_card": st.integers(0, 6), "cards_7d_device": st.integers(0, 8),
    "people_30d_device": st.integers(0, 8), "people_30d_card": st.integers(0, 6),
    "chargebacks_365d_card": st.integers(0, 2), "order_amount": st.integers(100, 500_000),
    "country_mismatch": st.sampled_from([0, 1]), "hour": st.integers(0, 23),
    "since_attempt_subject": st.sampled_from([None, 1000, 10**9]),
})  # fmt: skip


@given(signs)
@settings(max_examples=60, deadline=None)
def test_what_is_named_holds_and_nothing_of_it_is_idle(values: dict[str, float | None]) -> None:
    """Asked again with the named values the order passes; without any one of the steps it does not."""
    stopped = row(**{name: None if value is None else float(value) for name, value in values.items()})
    found = counterfactual(USE_CASE, Points(), stopped)
    if action(stopped) == "approve":
        return
    assert found is not None
    after = {each.column: each.becomes for each in found.changes}
    known = dict(zip(stopped.columns, stopped.values, strict=True)) | after
    assert action(replace(stopped, values=tuple(known[name] for name in stopped.columns))) == "approve"
    ways = {way.code: way for way in USE_CASE.steps.ways(stopped)}  # type: ignore[attr-defined]
    chosen = {code: next(s for s in ways[code].steps if s.text in found.says) for code in found.codes}
    for left_out in chosen if len(chosen) > 1 else ():
        fewer: dict[str, float | None] = {}
        for code, step in chosen.items():
            if code != left_out:
                fewer |= step.values
        assert action(USE_CASE.steps.changed(stopped, fewer)) != "approve"  # type: ignore[attr-defined]
