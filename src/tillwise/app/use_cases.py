"""Which use cases a shop has: tillwise's own by its policies, and those of its `shop.py`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tillwise.access.key import USE_CASE_NAME
from tillwise.app.declarations import check_declarations
from tillwise.app.reach import policy_within, within_retention
from tillwise.app.shop_file import ShopFile
from tillwise.decisions.use_case import UseCase
from tillwise.errors import ConfigurationError
from tillwise.features.shelf import SnapshotShelf
from tillwise.jobs.learning import Learner
from tillwise.privacy.retention import Retention
from tillwise.settings import Secrets, Settings
from tillwise.use_cases import churn, fraud, recommendations
from tillwise.use_cases.recommendations import RecommendationPolicy


def use_cases_of(
    settings: Settings, secrets: Secrets, shelf: SnapshotShelf, own: ShopFile, retention: Retention
) -> tuple[dict[str, UseCase], dict[str, Learner]]:
    """Return use cases and learners by name: tillwise's own, then the shop's.

    Raises ConfigurationError for a policy or declaration that cannot be used.
    """
    policy, extra = settings.policy, own.extra_features
    if "recommendations" in extra:
        raise ConfigurationError("shop.py: recommendations ranks items from histories and takes no extra features")
    checked = fraud.fraud(secrets, policy.get("fraud"), extra.get("fraud", ()), settings.shop.currency)
    pairs: list[tuple[UseCase, Learner]] = [
        (
            recommendations.recommendations(shelf, policy_within(_recommendation_policy(settings), retention)),
            recommendations.LEARNER,
        ),
        (checked, fraud.learner(checked.policy.limits, extra.get("fraud", ()))),
        (churn.churn(policy.get("churn"), extra.get("churn", ())), churn.learner(extra.get("churn", ()))),
    ]
    ours = [use_case.name for use_case, _ in pairs]
    for where, names in (("tillwise.toml [policy]", policy), ("shop.py EXTRA_FEATURES", extra)):
        for name in names:
            if name not in ours:
                raise ConfigurationError(f"{where}: '{name}' is none of {', '.join(ours)}")
    pairs += own.use_cases
    pairs = [within_retention(use_case, learner, retention) for use_case, learner in pairs]
    _check([use_case for use_case, _ in pairs])
    return {use_case.name: use_case for use_case, _ in pairs}, {use_case.name: learner for use_case, learner in pairs}


def _check(use_cases: Sequence[UseCase]) -> None:
    """Raise ConfigurationError for a name taken twice, or a declaration that lacks what the law or the SQL needs."""
    names = [use_case.name for use_case in use_cases]
    for use_case in use_cases:
        if not USE_CASE_NAME.fullmatch(use_case.name):
            raise ConfigurationError(
                f"shop.py USE_CASES: '{use_case.name}' cannot stand in a path: use small letters, digits and _, as"
                " in repeat_buyers"
            )
        if names.count(use_case.name) > 1:
            raise ConfigurationError(f"shop.py USE_CASES: there is another use case '{use_case.name}'; rename yours")
    check_declarations(use_cases)


def _recommendation_policy(settings: Settings) -> RecommendationPolicy:
    try:
        return msgspec.convert(settings.policy.get("recommendations", {}), RecommendationPolicy)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"tillwise.toml [policy.recommendations]: {error}") from None
