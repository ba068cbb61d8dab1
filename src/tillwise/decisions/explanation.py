"""Why? Every reason of a past decision, computed exactly from its receipt, and what would have changed it."""

from __future__ import annotations

from typing import Any

import msgspec

from tillwise.decisions.account import data_used, effect, procedure
from tillwise.decisions.counterfactual import counterfactual
from tillwise.decisions.receipt import Receipt
from tillwise.decisions.replay import Replayer
from tillwise.decisions.use_case import UseCase
from tillwise.features.row import FeatureRow
from tillwise.vocabulary.canonical import Json


def explanation(replayer: Replayer, decision_id: str) -> Json:
    """Return how and why it was decided, from which data, with which effect, and what would have changed it.

    `would_change` is the one place where an adverse action is told what would have changed it. `complete` is False
    when model or policy is gone: the reasons given at the time are then all. Raises NotFound.
    """
    told = replayer.explain(decision_id)
    receipt, decision = told.kept.receipt, told.decision
    plain: Json = {
        "decision_id": receipt.decision_id,
        "use_case": receipt.use_case,
        "action": receipt.decision.action,
        "score": receipt.decision.score,
        "degraded": receipt.decision.degraded,
        "reasons": msgspec.to_builtins(decision.reasons),
        "items": msgspec.to_builtins(decision.items),
        "permit": msgspec.to_builtins(receipt.permit),
        "complete": told.complete,
        "procedure": procedure(told),
        "data": data_used(told),
        "effect": effect(told),
        "would_change": None,
    }
    if told.use_case is not None and receipt.decision.action in told.use_case.adverse:
        plain["would_change"] = _would_change(told.use_case, told.model, told.row, receipt)
    return plain


def _would_change(use_case: UseCase, model: Any, row: FeatureRow | None, receipt: Receipt) -> Json | None:
    if row is None or model is None or receipt.fallback:
        return None
    found = counterfactual(use_case, model, row)
    if found is None:
        return None
    return {
        "action": found.decision.action,
        "score": found.decision.score,
        "says": list(found.says),
        "changes": [{"column": each.column, "was": each.was, "becomes": each.becomes} for each in found.changes],
    }
