"""Declares every use case within the shop's retention."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from msgspec.structs import replace as alter

from tillwise.decisions.use_case import UseCase
from tillwise.errors import ConfigurationError
from tillwise.features.feature import DAY
from tillwise.features.reach import within
from tillwise.jobs.learning import Learner
from tillwise.privacy.retention import Retention
from tillwise.use_cases.recommendations import RecommendationPolicy
from tillwise.use_cases.recommendations.history import EVENTS
from tillwise.vocabulary.purpose import Purpose

T = TypeVar("T")


def within_retention(use_case: UseCase, learner: Learner, retention: Retention) -> tuple[UseCase, Learner]:
    """Return use case and learner with windows that end where the retention ends.

    Raises ConfigurationError for a shop's own use case whose steps keep longer windows to themselves.
    """
    features = within(use_case.features, use_case.purpose, retention)
    if features is use_case.features:
        return use_case, learner
    if not _has_features(use_case.steps) and features.aggregates != use_case.features.aggregates:
        longer = [
            f"{own.name} ({own.window // DAY} days, at most {cut.window // DAY})"
            for own, cut in zip(use_case.features.aggregates, features.aggregates, strict=True)
            if own.window != cut.window
        ]
        raise ConfigurationError(
            f"use case '{use_case.name}' reads further back than its data are kept: {', '.join(longer)}; shorten the"
            " windows, or keep the data longer under [retention] in tillwise.toml"
        )
    return (
        replace(use_case, features=features, steps=_with_features(use_case.steps, features)),
        _with_features(learner, features),
    )


def policy_within(policy: RecommendationPolicy, retention: Retention) -> RecommendationPolicy:
    """Return the policy with a history no longer than its data may be read."""
    days = retention.reach(EVENTS, Purpose.RECOMMEND, Purpose.TRAIN) // DAY
    return alter(policy, history_days=days) if days < policy.history_days else policy


def _has_features(thing: object) -> bool:
    return is_dataclass(thing) and any(each.name == "features" for each in fields(thing))


def _with_features(thing: T, features: Any) -> T:
    if not _has_features(thing):
        return thing
    changed: T = replace(thing, features=features)  # type: ignore[type-var]
    return changed
