"""The answer every caller gets: one envelope for all use cases, made from the receipt, encoded once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

import msgspec

from tillwise.decisions.decision import Decision, Degraded, ListedItem, Reason
from tillwise.decisions.receipt import Receipt
from tillwise.privacy.permit import Withheld
from tillwise.vocabulary.canonical import Json

SIMULATED: Final = "simulated"
"""Stands among the disclosures of an answer about simulated people."""


class ModelShown(msgspec.Struct, frozen=True):
    """The model that answered; `released` is RFC 3339 UTC."""

    version: str
    features: str
    released: str


class PolicyShown(msgspec.Struct, frozen=True):
    """The policy that turned the score into an action, and which of its rules spoke."""

    revision: str
    rules: tuple[str, ...]


class PermitShown(msgspec.Struct, frozen=True):
    """What was allowed where, and what was withheld for which cause."""

    place: str
    purpose: str
    basis: str | None
    withheld: tuple[Withheld, ...]


class Envelope(msgspec.Struct, frozen=True):
    """The fields of every answer, in this order."""

    decision_id: str | None
    recorded: bool
    use_case: str
    action: str
    score: float | None
    items: tuple[ListedItem, ...] | None
    result: Json | None
    reasons: tuple[Reason, ...]
    model: ModelShown | None
    policy: PolicyShown
    experiment: Json | None
    permit: PermitShown
    disclosures: tuple[str, ...]
    degraded: Degraded | None
    supersedes: str | None
    latency_ms: float


_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Answer:
    """What leaves. `recorded` is True when the receipt was durable before; else the decision has no id.

    `latency_ms` in the envelope is the time it took to decide, up to handing the receipt to the store.
    """

    receipt: Receipt
    recorded: bool

    @property
    def decision(self) -> Decision:
        """Return what was decided."""
        return self.receipt.decision

    @property
    def decision_id(self) -> str | None:
        """Return the id under which the receipt is found, None when there is none."""
        return self.receipt.decision_id if self.recorded else None

    @cached_property
    def body(self) -> bytes:
        """Return the envelope as JSON, to be sent as it is."""
        return _encode(_envelope(self.receipt, recorded=self.recorded))

    def envelope(self) -> Json:
        """Return the envelope as plain JSON values."""
        plain: Json = msgspec.json.decode(self.body)
        return plain


def _envelope(receipt: Receipt, *, recorded: bool) -> Envelope:
    decision, permit, model = receipt.decision, receipt.permit, receipt.model
    return Envelope(
        decision_id=receipt.decision_id if recorded else None,
        recorded=recorded,
        use_case=receipt.use_case,
        action=decision.action,
        score=decision.score,
        items=decision.items,
        result=decision.result,
        reasons=decision.reasons,
        model=None if model is None else ModelShown(model.version, model.features, rfc3339(model.released)),
        policy=PolicyShown(receipt.policy, decision.rules),
        experiment=receipt.experiment,
        permit=PermitShown(permit.place, permit.purpose, permit.basis, permit.withheld),
        disclosures=(*decision.disclosures, SIMULATED) if receipt.simulated else decision.disclosures,
        degraded=decision.degraded,
        supersedes=receipt.supersedes,
        latency_ms=receipt.latency.total / 1000,
    )


def rfc3339(at: int) -> str:
    """Return Unix milliseconds as RFC 3339 in UTC, with milliseconds only where there are any."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{at % 1000:03d}Z" if at % 1000 else f"{text}Z"
