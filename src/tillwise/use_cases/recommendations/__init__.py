"""What to show: lists for home, product page, cart and e-mail.

`FEATURES`, `USE_CASE` and `LEARNER` are the declarations; `recommendations` builds the use case for a shop's own item
snapshots and policy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tillwise.decisions.use_case import UseCase
from tillwise.features.shelf import SnapshotShelf
from tillwise.use_cases.recommendations.history import readings
from tillwise.use_cases.recommendations.policy import RecommendationPolicy
from tillwise.use_cases.recommendations.steps import FEATURES, RecommendationSteps
from tillwise.vocabulary.purpose import Purpose

if TYPE_CHECKING:
    from tillwise.jobs.learning import Evaluation, Learned, Material
    from tillwise.models.artifact import Artifact
    from tillwise.use_cases.recommendations.learner import RecommendationLearner

__all__ = [
    "FEATURES", "LEARNER", "USE_CASE", "RecommendationPolicy", "RecommendationSteps", "recommendations",
]  # fmt: skip


def recommendations(shelf: SnapshotShelf, policy: RecommendationPolicy | None = None) -> UseCase:
    """Return the use case that reads item snapshots from `shelf` and follows `policy`."""
    rules = RecommendationPolicy() if policy is None else policy
    return UseCase(
        name="recommendations",
        purpose=Purpose.RECOMMEND,
        features=replace(FEATURES, readings=readings(rules.history_days)),
        steps=RecommendationSteps(shelf, rules),
        policy=rules,
    )


USE_CASE: Final = recommendations(SnapshotShelf())
"""The declaration, with a shelf that lives in memory; a shop's app calls `recommendations` with its own."""


@dataclass(frozen=True)
class Learner:
    """The learner (see learner.py), loaded when it is first asked: it needs SciPy, and a server starts without."""

    def learn(self, material: Material) -> Learned:
        """Fit, choose, judge once."""
        return self._learner().learn(material)

    def evaluate(self, material: Material, artifact: Artifact, start: int, end: int) -> Evaluation:
        """Judge an artifact on purchases in [start, end)."""
        return self._learner().evaluate(material, artifact, start, end)

    @staticmethod
    def _learner() -> RecommendationLearner:
        from tillwise.use_cases.recommendations.learner import RecommendationLearner  # noqa: PLC0415 - see above

        return RecommendationLearner()


LEARNER: Final = Learner()
