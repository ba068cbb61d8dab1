"""The messages a sink gets: an envelope of type, time and data, with the fields that may leave and no others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from tillwise.decisions.answer import rfc3339
from tillwise.decisions.receipts import Kept
from tillwise.recipients.carried import fields_that_may
from tillwise.recipients.outbox import OUTCOME

DECISION_FIELDS: Final = (
    "decision_id", "use_case", "decided_at", "subject", "anonymous_id", "action", "score", "items", "reasons", "result",
    "model", "degraded",
)  # fmt: skip
OUTCOME_FIELDS: Final = ("decision_id", "use_case", "subject", "anonymous_id", "outcome")
_encoder: Final = msgspec.json.Encoder(order="deterministic")


def fields_of(kind: str) -> tuple[str, ...]:
    """Return what a message of this kind could say."""
    return OUTCOME_FIELDS if kind == OUTCOME else DECISION_FIELDS


def message(
    kind: str, kept: Kept, ids: Mapping[int, str], said: str, derived: Collection[str], allowed: Collection[str]
) -> bytes:
    """Return the body: the same bytes for the same things, so that a repetition is equal."""
    receipt = kept.receipt
    data = _outcome(kept, ids, said) if kind == OUTCOME else _decision(kept, ids)
    may = fields_that_may(fields_of(kind), derived, allowed)
    body = {
        "type": f"{kind}.{receipt.use_case}",
        "timestamp": rfc3339(data["outcome"]["at"] if kind == OUTCOME else receipt.at),
        "data": {name: data[name] for name in may if data[name] is not None},
    }
    return _encoder.encode(body)


def _decision(kept: Kept, ids: Mapping[int, str]) -> dict[str, Any]:
    receipt, decision = kept.receipt, kept.receipt.decision
    return {
        **_whose(kept, ids),
        "decided_at": rfc3339(receipt.at),
        "action": decision.action,
        "score": decision.score,
        "items": None if decision.items is None else [item.item_id for item in decision.items],
        "reasons": [reason.text for reason in decision.reasons],
        "result": decision.result,
        "model": None if receipt.model is None else receipt.model.version,
        "degraded": None if decision.degraded is None else decision.degraded.value,
    }


def _outcome(kept: Kept, ids: Mapping[int, str], said: str) -> dict[str, Any]:
    return {**_whose(kept, ids), "outcome": msgspec.json.decode(said)}


def _whose(kept: Kept, ids: Mapping[int, str]) -> dict[str, Any]:
    return {
        "decision_id": kept.receipt.decision_id,
        "use_case": kept.receipt.use_case,
        "subject": None if kept.subject is None else ids.get(kept.subject),
        "anonymous_id": None if kept.anonymous is None or kept.subject is not None else ids.get(kept.anonymous),
    }
