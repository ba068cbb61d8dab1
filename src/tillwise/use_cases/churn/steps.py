"""Churn: will this person not buy again within the horizon, and is a message worth it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np

from tillwise.decisions.decision import Decision, Degraded, Explain, Reason, Request
from tillwise.decisions.use_case import UseCase
from tillwise.errors import ConfigurationError, InvalidInput
from tillwise.explanations.reasons import contributions_of
from tillwise.features.feature import Aggregate, FeatureSet
from tillwise.features.online import OnlineFeatures
from tillwise.features.row import FeatureRow
from tillwise.models.score import Score
from tillwise.privacy.permit import Permit
from tillwise.use_cases.churn.features import FEATURES
from tillwise.use_cases.churn.learning import ChurnLearner
from tillwise.use_cases.churn.policy import NONE, WIN_BACK, ChurnPolicy
from tillwise.use_cases.churn.reasons import score_reasons
from tillwise.use_cases.churn.tenure import memory_of, tenure_now
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

NAME: Final = "churn"
_online = lru_cache(maxsize=8)(OnlineFeatures)


@dataclass(frozen=True, slots=True)
class ChurnSteps:
    """Know, think, act for one person."""

    policy: ChurnPolicy = field(default_factory=ChurnPolicy)
    features: FeatureSet = FEATURES

    def know(self, permit: Permit, request: Request, snapshot: Snapshot) -> FeatureRow:
        """Read a person's rhythm of buying; raise InvalidInput for a horizon nobody learnt."""
        horizon = self._horizon(request.body)
        if not permit.granted:
            nothing: tuple[None, ...] = (None,) * len(self.features.columns)
            return FeatureRow(permit, self.features.hash, self.features.columns, nothing, {"horizon_days": horizon})
        numbers = {"tenure": tenure_now(snapshot, permit, memory_of(self.features), simulated=request.simulated)}
        keys = {"subject": permit.subject}
        values = _online(self.features).read(snapshot, permit, keys, numbers, simulated=request.simulated)
        facts: Json = {"keys": keys, "numbers": numbers, "horizon_days": horizon}
        return FeatureRow(permit, self.features.hash, self.features.columns, values, facts)

    def think(self, row: FeatureRow, model: Any, explain: Explain) -> Score:
        """Return the calibrated probability of no order within the horizon, with exact contributions if wanted."""
        contributions = () if explain is Explain.NONE else contributions_of(model, row.values)
        probability = float(model.predict(np.array([row.values], dtype=np.float32))[0])
        return Score(row, None, probability, contributions=contributions)

    def act(self, score: Score, seed: int, explain: Explain) -> Decision:
        """Write to those for whom it pays, never right after an order, never to somebody who never bought."""
        values = dict(zip(score.row.columns, score.row.values, strict=True))
        result = _result(score.row)
        if not values.get("orders_1095d"):
            reason = Reason("no_history", "This person has not ordered in the last three years", 1.0)
            return Decision(NONE, (reason,), result=result, rules=("no_history",), degraded=Degraded.NO_HISTORY)
        probability = score.value or 0.0
        if (values.get("since_days") or 0.0) < self.policy.quiet_days:
            quiet = Reason("quiet_days", f"Ordered less than {self.policy.quiet_days} days ago", 1.0)
            reasons = (quiet, *score_reasons(score, explain))
            return Decision(NONE, reasons, score=probability, result=result, rules=("quiet_days",))
        least = self.policy.threshold(values.get("mean_order_1095d") or 0.0)
        action = WIN_BACK if probability >= least else NONE
        reasons = score_reasons(score, explain) or (_score_alone(probability, action),)
        return Decision(action, reasons, score=probability, result=result)

    def fallback(self, row: FeatureRow | None, request: Request, why: Degraded) -> Decision:
        """Do nothing: a message that nobody can justify is not sent."""
        text = {
            Degraded.NO_CONSENT: "This person's data may not be used for marketing",
            Degraded.NO_MODEL: "No model is released, so nobody is written to",
        }.get(why, "The check failed, so nobody is written to")
        return Decision(NONE, (Reason(why.value, text, 1.0),), result=_result(row), degraded=why)

    def _horizon(self, body: Json) -> int:
        asked = body.get("horizon_days")
        horizon = self.policy.horizons[0] if asked is None else asked
        if horizon not in self.policy.horizons:
            known = ", ".join(str(days) for days in self.policy.horizons)
            raise InvalidInput(f"no model of {horizon!r} days is released; ask for: {known}", field="horizon_days")
        return int(horizon)


def _result(row: FeatureRow | None) -> Json:
    return {"effect": None, "horizon_days": None if row is None else row.facts.get("horizon_days")}


def _score_alone(probability: float, action: str) -> Reason:
    worth = "is" if action == WIN_BACK else "is not"
    return Reason("score", f"With a churn risk of {probability:.0%} a message {worth} worth its cost", 1.0)


def churn(policy: Mapping[str, Any] | None = None, extra: tuple[Aggregate, ...] = ()) -> UseCase:
    """Return the use case of a shop; `policy` replaces single values of the default policy, `extra` adds features.

    Raises ConfigurationError naming the value that cannot be used.
    """
    try:
        chosen = msgspec.convert(dict(policy or {}), ChurnPolicy)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigurationError(f"tillwise.toml [policy.churn]: {error}") from None
    features = with_extra(extra)
    return UseCase(
        name=NAME, purpose=Purpose.MARKETING, features=features, steps=ChurnSteps(chosen, features), policy=chosen,
        unrecorded=NONE,
    )  # fmt: skip


def learner(extra: tuple[Aggregate, ...] = ()) -> ChurnLearner:
    """Return the learner of the same features."""
    return ChurnLearner(features=with_extra(extra))


def with_extra(extra: tuple[Aggregate, ...]) -> FeatureSet:
    """Return the declared features with a shop's own beside them."""
    return replace(FEATURES, aggregates=(*FEATURES.aggregates, *extra)) if extra else FEATURES


USE_CASE: Final = churn()
LEARNER: Final = ChurnLearner()
