"""The last passport: what we do and why, and the envelope every caller gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tillwise.vocabulary.canonical import Json


class Degraded(StrEnum):
    """Why an answer is less than it could be; the first that holds. The first four are failures and alarm."""

    STORE_UNAVAILABLE = "store_unavailable"
    NO_MODEL = "no_model"
    INTERNAL = "internal"
    DEADLINE = "deadline"
    NO_CONSENT = "no_consent"
    NO_HISTORY = "no_history"

    @property
    def alarms(self) -> bool:
        """Return True for failures, False for states of the person."""
        return self not in (Degraded.NO_CONSENT, Degraded.NO_HISTORY)


UNUSABLE: Final = "model_unusable"
"""Stands, as True, in the bare question of a fallback when a model is released but cannot be used: damaged, missing, or
of other feature definitions."""


class Explain(StrEnum):
    """How much explanation the answer carries: rule reasons only, the strongest contributions too, or all of them."""

    NONE = "none"
    TOP = "top"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason in plain words; `weight` is the share it had in the score, 1.0 for a rule that decided."""

    code: str
    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class ListedItem:
    """An item shown, at its position (1 = first), with the probability that it stood there."""

    item_id: str
    score: float
    position: int
    propensity: float
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What we do. A decision without a reason cannot be built."""

    action: str
    reasons: tuple[Reason, ...]
    score: float | None = None
    items: tuple[ListedItem, ...] | None = None
    result: Json | None = None
    rules: tuple[str, ...] = ()
    degraded: Degraded | None = None
    disclosures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.reasons and not self.items:
            raise ValueError(f"the decision '{self.action}' has no reason: every action states why")


def disclosing(decision: Decision, codes: tuple[str, ...]) -> Decision:
    """Return a personal decision with what the law wants said beside it (Permit.disclosures)."""
    return replace(decision, disclosures=codes) if codes else decision


@dataclass(frozen=True, slots=True)
class Place:
    """Where the person is, as far as the caller knows."""

    country: str | None = None
    region: str | None = None
    postcode: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A question to the road, already parsed: common fields, and the use case's own in `body`."""

    request_id: str | None
    body: Json
    subject: str | None = None
    anonymous_id: str | None = None
    place: Place = Place()
    deadline_ms: int = 250
    explain: Explain = Explain.TOP
    dry_run: bool = False
    features: Json | None = None
    signals: frozenset[str] = frozenset()
    """Signals that came with the request, such as `gpc`."""
    simulated: bool = False
    """Asked about simulated people: reads simulated rows only, and its receipt is never mixed with real ones."""
