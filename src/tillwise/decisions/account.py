"""The parts of an explanation that are told, not computed: how it was decided, from which data, and with which effect.

The Court asks for the procedure and principles actually applied, in words (CJEU C-203/22, 58-61); a formula is none.
"""

from __future__ import annotations

from typing import Final

from tillwise.decisions.replay import Told
from tillwise.features.feature import HOUR, Aggregate, FeatureSet
from tillwise.vocabulary.canonical import Json

EFFECTS: Final = {
    "approve": "The order was accepted.",
    "challenge": "Before the order went on, one more confirmation of the payment was asked for.",
    "review": "The order waits until a person has looked at it.",
    "decline": "The order was not accepted.",
    "items": "It decided which items were shown, and in which order.",
    "win_back": "An offer may be sent.",
    "none": "Nothing was done because of it.",
}
"""What an action does to the person it is about."""


def procedure(told: Told) -> Json:
    """Return how it was decided: by which rules, with or without a learnt model, with or without a person."""
    receipt, decision = told.kept.receipt, told.kept.receipt.decision
    learnt = receipt.model is not None and not receipt.fallback
    person = decision.action == "review"
    how = "A learnt model gave a score, and declared rules turned it into an action." if learnt else (
        "Declared rules alone decided; no learnt model took part."
    )  # fmt: skip
    return {
        "use_case": receipt.use_case,
        "purpose": receipt.permit.purpose,
        "how": how,
        "model": None if receipt.model is None else receipt.model.version,
        "released": None if receipt.model is None else receipt.model.released,
        "policy": receipt.policy,
        "rules": list(decision.rules),
        "human_involved": person,
        "human": "A person decides; the machine only asked for it." if person else (
            "No person took part; you may ask for one to look at it."
        ),
    }  # fmt: skip


def data_used(told: Told) -> Json:
    """Return every value that was known, what it means, and which events it was counted from."""
    receipt = told.kept.receipt
    if receipt.features is None:
        return {"given_by_caller": False, "values": [], "position": receipt.mark // 2, "epoch": receipt.epoch}
    declared = told.use_case.features if told.use_case is not None else FeatureSet("", ())
    pairs = zip(receipt.features.columns, receipt.features.values, strict=True)
    return {
        "given_by_caller": receipt.features.given,
        "values": [{"name": name, "value": value, **_origin(declared, name)} for name, value in pairs],
        "position": receipt.mark // 2,
        "epoch": receipt.epoch,
    }


def effect(told: Told) -> str:
    """Return what it meant for the person."""
    action = told.kept.receipt.decision.action
    return EFFECTS.get(action, f"The action was '{action.replace('_', ' ')}'.")


def _origin(declared: FeatureSet, name: str) -> Json:
    counted: Aggregate | None = next((each for each in declared.aggregates if each.name == name), None)
    if counted is not None:
        return {
            "meaning": counted.meaning, "unit": counted.unit, "source": "events", "events": sorted(counted.events),
            "about": counted.key, "hours": counted.window / HOUR, "categories": list(counted.categories),
        }  # fmt: skip
    source = "request" if name in declared.request else "computed" if name in dict(declared.rows) else "unknown"
    return {"meaning": declared.meanings.get(name, ""), "source": source}
