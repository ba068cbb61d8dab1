"""Why? Every reason of a past decision, computed exactly from its receipt, and what would have changed it.

The search for a counterfactual changes one column, then up to three, and asks the same model and policy again: what it
names has been decided, not estimated (CJEU C-203/22: how other data would change the result).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np

from tillwise.decisions.account import data_used, effect, procedure
from tillwise.decisions.decision import Decision, Explain
from tillwise.decisions.receipt import Receipt
from tillwise.decisions.replay import Replayer
from tillwise.decisions.use_case import UseCase
from tillwise.features.row import FeatureRow
from tillwise.vocabulary.canonical import Json

MOST_CHANGES: Final = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One value that would have had to be another."""

    column: str
    was: float | None
    becomes: float | None


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
    found = counterfactual(use_case, model, row, receipt)
    if found is None:
        return None
    changes, decision = found
    return {
        "action": decision.action,
        "score": decision.score,
        "changes": [{"column": each.column, "was": each.was, "becomes": each.becomes} for each in changes],
    }


def counterfactual(
    use_case: UseCase, model: Any, row: FeatureRow, receipt: Receipt
) -> tuple[list[Change], Decision] | None:
    """Return the fewest changes found that lead to an action that is not adverse, and the decision they lead to."""
    changes: list[Change] = []
    for _ in range(MOST_CHANGES):
        tried = [
            (change, _decide(use_case, model, _changed(row, change), receipt)) for change in _candidates(row, changes)
        ]
        if not tried:
            return None
        better = [each for each in tried if each[1].action not in use_case.adverse]
        change, decision = min(better or tried, key=lambda each: each[1].score if each[1].score is not None else 1.0)
        changes.append(change)
        if better:
            return changes, decision
        row = _changed(row, change)
    return None


def _candidates(row: FeatureRow, taken: Sequence[Change]) -> Iterator[Change]:
    used = {change.column for change in taken}
    for column, value in zip(row.columns, row.values, strict=True):
        if column in used:
            continue
        others = (0.0, 1.0) if value is None else (0.0, value / 2, value * 2, None)
        for other in others:
            becomes = None if other is None else float(np.float32(other))
            if becomes != value:
                yield Change(column, value, becomes)


def _changed(row: FeatureRow, change: Change) -> FeatureRow:
    pairs = zip(row.columns, row.values, strict=True)
    return replace(row, values=tuple(change.becomes if name == change.column else value for name, value in pairs))


def _decide(use_case: UseCase, model: Any, row: FeatureRow, receipt: Receipt) -> Decision:
    steps = use_case.steps
    return steps.act(steps.think(row, model, Explain.NONE), receipt.seed, Explain.NONE)
