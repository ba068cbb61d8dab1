"""A use case is one declaration: purpose, features, model, policy, fallback, limits. Adding one is one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from tillwise.decisions.decision import Decision, Degraded, Explain, Request
from tillwise.features.feature import FeatureSet
from tillwise.features.row import FeatureRow
from tillwise.models.score import Score
from tillwise.privacy.permit import Permit
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot


class Steps(Protocol):
    """The four steps between permit and receipt that differ from use case to use case.

    `think` and `act` are pure: the same row, model and policy give the same bytes, which is what replay checks.
    """

    def know(self, permit: Permit, request: Request, snapshot: Snapshot) -> FeatureRow:
        """Read what the permit allows; a refused permit gives a row of the request alone."""
        ...

    def think(self, row: FeatureRow, model: Any, explain: Explain) -> Score:
        """Score the row with a loaded model."""
        ...

    def act(self, score: Score, seed: int, explain: Explain) -> Decision:
        """Apply rules and policy; `seed` drives exploration and comes from the decision id."""
        ...

    def fallback(self, row: FeatureRow | None, request: Request, why: Degraded) -> Decision:
        """Answer without a model, without a profile, or without anything: always valid, always honest."""
        ...


@dataclass(frozen=True, slots=True)
class UseCase:
    """One question the shop asks, and everything the road needs to answer it.

    `load` turns an artifact into the model handed to `steps.think`. `policy` is a msgspec-encodable frozen dataclass:
    its hash is the policy revision. `significant` use cases need a signed override where a gate has no verdict.
    """

    name: str
    purpose: Purpose
    features: FeatureSet
    steps: Steps
    policy: Any
    significant: bool = False
