"""Thresholds come from costs and review capacity; rules hold whatever the score says."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.decisions.decision import UNUSABLE, Degraded, Place, Request
from tillwise.errors import ConfigurationError
from tillwise.use_cases.fraud import FEATURES, fraud
from tillwise.use_cases.fraud.policy import ACTIONS, REVIEW, Costs, FraudPolicy
from tillwise.use_cases.fraud.reasons import PHRASES
from tillwise.use_cases.fraud.rules import FOREIGN, RULES, apply
from tillwise.use_cases.fraud.steps import FraudSteps, order_numbers

POLICY = FraudPolicy()
probabilities = st.floats(0, 1)
amounts = st.integers(100, 500_000)


@given(probabilities, amounts)
def test_the_cheapest_action_is_taken(probability: float, amount: int) -> None:
    """With an empty queue no other action has a lower expected cost."""
    costs = POLICY.costs.of(probability, amount)
    assert costs[POLICY.choose(probability, amount, 0)] == min(costs.values())


@given(probabilities, amounts, st.integers(0, 200))
def test_the_review_queue_is_never_overfilled(probability: float, amount: int, waiting: int) -> None:
    """Daily review capacity is never exceeded by the score's own choice."""
    action = POLICY.choose(probability, amount, waiting)
    assert action in ACTIONS
    assert action != REVIEW or waiting < POLICY.review_capacity


@given(amounts)
@settings(max_examples=20)
def test_more_risk_never_makes_the_choice_milder_without_review(amount: int) -> None:
    """Where nobody can review, a riskier order is treated at least as strictly."""
    policy = FraudPolicy(review_capacity=0)
    strictness = [ACTIONS.index(policy.choose(step / 50, amount, 0)) for step in range(51)]
    assert strictness == sorted(strictness)


def test_thresholds_are_results_of_costs() -> None:
    """Dearer chargebacks lower the risk from which an order is stopped."""
    cheap = FraudPolicy(costs=Costs(chargeback_fee=500)).thresholds(8_000)
    dear = FraudPolicy(costs=Costs(chargeback_fee=9_000)).thresholds(8_000)
    assert dear["decline"] < cheap["decline"]


@pytest.mark.parametrize("wrong", [{"random_pass_share": 0.5}, {"review_capacity": "many"}, {"unknown": 1}])
def test_a_wrong_setting_is_refused_by_name(wrong: dict[str, object]) -> None:
    """The random pass stays at half a percent, and a misspelt setting is not silently ignored."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        fraud(policy=wrong)


def test_a_setting_changes_the_policy_revision() -> None:
    """The receipt names the policy by the hash of everything in it."""
    assert fraud().revision != fraud(policy={"review_capacity": 10}).revision
    assert fraud(policy={"costs": {"margin": 0.5}}).policy.costs.margin == 0.5
    assert msgspec.json.decode(msgspec.json.encode(POLICY), type=FraudPolicy) == POLICY


def test_every_rule_speaks_above_its_limit_and_is_silent_below() -> None:
    """Rules are columns and limits; off, they never speak."""
    quiet = dict.fromkeys(FEATURES.columns, 0.0)
    assert apply(quiet, POLICY.limits).action == "approve"
    loud = {**dict.fromkeys(FEATURES.columns, 1e9), "country_mismatch": 1.0}
    assert apply({**loud, FOREIGN: 1.0}, POLICY.limits).codes == tuple(rule.code for rule in RULES)
    off = type(POLICY.limits)(**dict.fromkeys(type(POLICY.limits).__struct_fields__, 0))
    assert apply(loud, off).action == "approve"


def test_an_amount_in_another_currency_is_unknown_and_a_person_looks() -> None:
    """150 000 yen are no 150 000 cents: neither limit nor cost nor feature is in yen."""
    body = {"order": {"id": "o-1", "amount": 150_000, "currency": "JPY"}}
    assert order_numbers(body, 0, "USD")["order_amount"] is None
    assert order_numbers(body, 0, "JPY")["order_amount"] == 150_000
    request = Request(None, body, place=Place("US"))
    steps = FraudSteps(POLICY, None, FEATURES, "USD")
    decision = steps.fallback(None, request, Degraded.NO_CONSENT)
    assert decision.action == "review"
    assert FOREIGN in decision.rules
    assert FraudSteps(POLICY, None, FEATURES, "JPY").fallback(None, request, Degraded.NO_CONSENT).rules == ()


def test_without_any_model_the_rules_decide_but_a_broken_one_is_a_failure() -> None:
    """A shop that has released nothing goes by its rules; one whose model is gone does not fail open."""
    body = {"order": {"id": "o-1", "amount": 5_990, "currency": "EUR"}}
    steps = FraudSteps(POLICY, None, FEATURES, "EUR")
    assert steps.fallback(None, Request(None, body), Degraded.NO_MODEL).action == "approve"
    broken = steps.fallback(None, Request(None, {**body, UNUSABLE: True}), Degraded.NO_MODEL)
    assert (broken.action, broken.rules) == ("review", ("fail_closed",))


def test_every_column_has_words() -> None:
    """Reasons are in plain words: no column is shown by its name."""
    assert set(PHRASES) == set(FEATURES.columns)
    assert PHRASES["attempts_1h_device"].say(7.0) == "7 payment attempts from this device in an hour"
