"""Fraud: may this order go through? Rules and a calibrated score give approve, challenge, review or decline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np

from tillwise.decisions.counterfactual import Known, Way
from tillwise.decisions.decision import UNUSABLE, Decision, Degraded, Explain, Reason, Request
from tillwise.decisions.use_case import UseCase
from tillwise.errors import ConfigurationError
from tillwise.events.keys import order_code, person_code
from tillwise.explanations.reasons import contributions_of
from tillwise.features.feature import DAY, HOUR, Aggregate, FeatureSet
from tillwise.features.online import OnlineFeatures
from tillwise.features.row import FeatureRow
from tillwise.models.score import Score
from tillwise.privacy.permit import Permit
from tillwise.review.queue import opened_since
from tillwise.settings import Secrets
from tillwise.use_cases.fraud.features import FEATURES, REQUEST
from tillwise.use_cases.fraud.learning import FraudLearner
from tillwise.use_cases.fraud.policy import APPROVE, DECLINE, REVIEW, FraudPolicy, RuleLimits, stricter
from tillwise.use_cases.fraud.reasons import score_reasons
from tillwise.use_cases.fraud.rules import FOREIGN, Spoken, apply
from tillwise.use_cases.fraud.ways import ways
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

NAME: Final = "fraud"
_online = lru_cache(maxsize=8)(OnlineFeatures)
_FAILURES: Final = frozenset({Degraded.STORE_UNAVAILABLE, Degraded.INTERNAL, Degraded.DEADLINE})
_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "device": ("device_id",), "card": ("payment", "card_hash"), "ip": ("ip",),
    "address": ("shipping", "address_hash"), "email": ("email_hash",),
}  # fmt: skip
"""Where a request's body holds each person-like key."""


def order_numbers(body: Json, at: int, currency: str = "") -> dict[str, float | None]:
    """Return the request columns of a parsed body at a log-clock time: exactly what training reads from the event.

    An amount in another currency than the shop's is unknown: no limit, cost or feature is in that currency.
    """
    amount = None if is_foreign(body, currency) else _inside(body, ("order", "amount"))
    billing, shipping = _inside(body, ("billing", "country")), _inside(body, ("shipping", "country"))
    known = billing is not None and shipping is not None
    return {
        "order_amount": None if amount is None else float(amount),
        "country_mismatch": float(billing != shipping) if known else None,
        "hour": float(at // HOUR % 24),
        **{f"has_{key}": float(bool(_inside(body, place))) for key, place in _PLACES.items()},
    }


def is_foreign(body: Json, currency: str) -> bool:
    """Return True for an order in another currency than the shop's."""
    named = _inside(body, ("order", "currency"))
    return bool(named and currency) and named != currency


def _inside(body: Json, path: tuple[str, ...]) -> Any:
    value: Any = body
    for name in path:
        # A parsed body is made of dicts: asking for the type first spares the slow check of an abstract class.
        value = value.get(name) if type(value) is dict or isinstance(value, Mapping) else None
    return value


@dataclass(frozen=True, slots=True)
class FraudSteps:
    """Know, think, act for one order. Without `secrets` no person-like key can be looked up, and none is.

    `currency` is the shop's own.
    """

    policy: FraudPolicy = field(default_factory=FraudPolicy)
    secrets: Secrets | None = None
    features: FeatureSet = FEATURES
    currency: str = ""

    def know(self, permit: Permit, request: Request, snapshot: Snapshot) -> FeatureRow:
        """Read velocity, sharing and history of the order's keys, and how full the review queue is."""
        numbers = order_numbers(request.body, permit.point.at, self.currency)
        facts: Json = {
            "currency": _inside(request.body, ("order", "currency")) or "",
            "foreign": is_foreign(request.body, self.currency),
            "numbers": numbers,
            "open_reviews": opened_since(snapshot, NAME, permit.point.at - DAY, simulated=request.simulated),
        }
        if not permit.granted:
            columns = self.features.columns
            known = {**dict.fromkeys(columns), **{name: numbers[name] for name in REQUEST}}
            return FeatureRow(permit, self.features.hash, columns, tuple(known.values()), facts)
        keys = self._keys(permit, request.body)
        order_id = _inside(request.body, ("order", "id"))
        own = order_code(self.secrets, order_id) if self.secrets is not None and order_id else None
        values = _online(self.features).read(
            snapshot, permit, keys, numbers, exclude_order=own, simulated=request.simulated
        )
        return FeatureRow(permit, self.features.hash, self.features.columns, values, {**facts, "keys": keys})

    def think(self, row: FeatureRow, model: Any, explain: Explain) -> Score:
        """Return the calibrated probability of a chargeback, with exact contributions unless none are wanted."""
        contributions = () if explain is Explain.NONE else contributions_of(model, row.values)
        probability = float(model.predict(np.array([row.values], dtype=np.float32))[0])
        return Score(row, None, probability, contributions=contributions)

    def act(self, score: Score, seed: int, explain: Explain) -> Decision:
        """Take the cheapest action the rules allow; let a few declined orders pass by lot, and say with what chance."""
        values = _said(score.row)
        spoken = apply(values, self.policy.limits)
        amount, probability = values.get("order_amount") or 0.0, score.value or 0.0
        cheapest = self.policy.choose(probability, amount, int(score.row.facts.get("open_reviews", 0)))
        action, rules = stricter(cheapest, spoken.action), list(spoken.codes)
        result: Json | None = None
        if action == DECLINE:
            chance = self._pass_chance(spoken, amount)
            passed = chance > 0 and seed / 2**63 < chance
            action = APPROVE if passed else DECLINE
            rules += ["random_pass"] if passed else []
            result = {"propensity": chance if passed else 1.0 - chance, "random_pass": passed}
        facts = score.row.facts  # what is known of a person is in the shop's own currency, whatever the order is in
        told = score_reasons(score, explain, self.currency if facts.get("foreign") else str(facts.get("currency", "")))
        reasons = (*spoken.reasons, *told) or (_score_alone(probability, action),)
        return Decision(action, reasons, score=probability, result=result, rules=tuple(rules))

    def fallback(self, row: FeatureRow | None, request: Request, why: Degraded) -> Decision:
        """Let the declared rules answer.

        Without a profile they see the order alone and go up to `review`. After a failure, a released model that cannot
        be used among them, nothing above `fail_open_amount` is approved; where none was released, the rules decide.
        """
        profiled = row is not None and row.permit.granted
        values = _said(row) if row is not None else self._bare(request.body)
        spoken = apply(values, self.policy.limits, request_only=not profiled)
        action, reasons, rules = spoken.action, list(spoken.reasons), list(spoken.codes)
        failed = why in _FAILURES or request.body.get(UNUSABLE) is True
        if failed and (values.get("order_amount") or 0.0) > self.policy.fail_open_amount:
            action = stricter(action, REVIEW)
            reasons.append(Reason("failure", "Part of the check failed, so a person should look", 1.0))
            rules.append("fail_closed")
        if not profiled and action == DECLINE:
            action = REVIEW
        if not reasons:
            reasons.append(Reason("rules_only", "No declared rule speaks against this order", 1.0))
        return Decision(action, tuple(reasons), rules=tuple(rules), degraded=why)

    def ways(self, row: FeatureRow) -> tuple[Way, ...]:
        """Return what somebody could have done otherwise (see ways.py)."""
        return ways(row, self.features)

    def changed(self, row: FeatureRow, values: Known) -> FeatureRow:
        """Return the row with other values; ratios and flags follow from them."""
        known = {**_values(row), **values}
        return replace(row, values=_online(self.features).plan.derive(known))

    def _bare(self, body: Json) -> dict[str, float | None]:
        numbers = order_numbers(body, 0, self.currency)
        return {**numbers, FOREIGN: float(is_foreign(body, self.currency))}

    def _keys(self, permit: Permit, body: Json) -> dict[str, int | None]:
        keys: dict[str, int | None] = {"subject": permit.subject if permit.subject is not None else permit.anonymous}
        for key, place in _PLACES.items():
            text = _inside(body, place)
            keys[key] = person_code(self.secrets, key, str(text)) if text and self.secrets is not None else None
        return keys

    def _pass_chance(self, spoken: Spoken, amount: float) -> float:
        """Return the chance that an order the score declines is let through: none when a rule declines it."""
        if spoken.action == DECLINE or amount > self.policy.random_pass_amount:
            return 0.0
        return self.policy.random_pass_share


def _values(row: FeatureRow) -> dict[str, float | None]:
    return dict(zip(row.columns, row.values, strict=True))


def _said(row: FeatureRow) -> dict[str, float | None]:
    """Return what the rules read: the columns, and what is said of the order beside them."""
    return {**_values(row), FOREIGN: float(bool(row.facts.get("foreign")))}


def _score_alone(probability: float, action: str) -> Reason:
    return Reason("score", f"With a fraud risk of {probability:.1%}, to {action} costs the shop least", 1.0)


def fraud(
    secrets: Secrets | None = None,
    policy: Mapping[str, Any] | None = None,
    extra: tuple[Aggregate, ...] = (),
    currency: str = "",
) -> UseCase:
    """Return the use case of a shop; `policy` replaces single values of the default policy, `extra` adds features.

    `currency` is the one its amounts, limits and costs are in.

    Raises ConfigurationError naming the value that cannot be used.
    """
    try:
        chosen = msgspec.convert(dict(policy or {}), FraudPolicy)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigurationError(f"tillwise.toml [policy.fraud]: {error}") from None
    features = with_extra(extra)
    return UseCase(
        name=NAME,
        purpose=Purpose.FRAUD_PREVENTION,
        features=features,
        steps=FraudSteps(chosen, secrets, features, currency),
        policy=chosen,
        unrecorded=REVIEW,
        adverse=frozenset({"challenge", "review", "decline"}),
    )


def learner(limits: RuleLimits, extra: tuple[Aggregate, ...] = ()) -> FraudLearner:
    """Return the learner of the same features, which measures the rules with these limits."""
    return FraudLearner(features=with_extra(extra), limits=limits)


def with_extra(extra: tuple[Aggregate, ...]) -> FeatureSet:
    """Return the declared features with a shop's own beside them."""
    return replace(FEATURES, aggregates=(*FEATURES.aggregates, *extra)) if extra else FEATURES


USE_CASE: Final = fraud()
LEARNER: Final = FraudLearner()
