"""One decision opened up: what each step of the road knew and did, told from its receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tillwise.decisions.counterfactual import Counterfactual, counterfactual
from tillwise.decisions.decision import Decision
from tillwise.decisions.receipt import Receipt
from tillwise.decisions.replay import Replayed, Replayer, Told
from tillwise.decisions.use_case import UseCase
from tillwise.errors import TillwiseError
from tillwise.features.feature import FeatureSet
from tillwise.outcomes import outcomes
from tillwise.outcomes.outcomes import Outcome
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Store


@dataclass(frozen=True, slots=True)
class Known:
    """A feature as the decision saw it."""

    name: str
    value: float | None
    meaning: str
    unit: str


@dataclass(frozen=True, slots=True)
class Story:
    """Everything one page tells. `full` is the decision with every reason, `complete` False when its model is gone."""

    receipt: Receipt
    full: Decision
    complete: bool
    known: list[Known]
    facts: list[tuple[str, str]]
    latency: dict[str, int]
    replayed: Replayed
    from_log: Replayed
    would: Counterfactual | None
    outcomes: list[Outcome]


def tell(store: Store, replayer: Replayer, use_cases: Mapping[str, UseCase], decision_id: str) -> Story:
    """Open a decision up; raise NotFound when nobody knows it. It is replayed twice on the way: that is the proof."""
    told = replayer.explain(decision_id)
    receipt = told.kept.receipt
    use_case = use_cases.get(receipt.use_case)
    with store.snapshot() as snapshot:
        later = outcomes.of_decision(snapshot, decision_id, told.kept.order_ref)
    return Story(
        receipt=receipt,
        full=told.decision,
        complete=told.complete,
        known=_known(receipt, None if use_case is None else use_case.features),
        facts=_facts(receipt.facts),
        latency=_latency(receipt),
        replayed=replayer.replay(decision_id),
        from_log=replayer.replay(decision_id, from_log=True),
        would=_would(told),
        outcomes=later,
    )


def _known(receipt: Receipt, declared: FeatureSet | None) -> list[Known]:
    if receipt.features is None:
        return []
    meanings: dict[str, tuple[str, str]] = {}
    if declared is not None:
        meanings = {name: (text, "") for name, text in declared.meanings.items()}
        meanings |= {each.name: (each.meaning, each.unit) for each in declared.aggregates}
    pairs = zip(receipt.features.columns, receipt.features.values, strict=True)
    return [Known(name, value, *meanings.get(name, ("", ""))) for name, value in pairs]


def _facts(facts: Json) -> list[tuple[str, str]]:
    """Say in a few words what the request itself brought; codes of keys are counted, not shown."""
    lines: list[tuple[str, str]] = []
    for name, value in sorted(facts.items()):
        if name == "keys" and isinstance(value, dict):
            known = [key for key, code in value.items() if code is not None]
            lines.append(("keys known", ", ".join(known) or "none"))
        elif isinstance(value, dict):
            lines.extend((f"{name}.{key}", _short(inner)) for key, inner in sorted(value.items()))
        else:
            lines.append((name, _short(value)))
    return lines


def _short(value: object) -> str:
    if isinstance(value, list):
        shown = ", ".join(str(each) for each in value[:4] if not isinstance(each, (dict, list)))
        return f"{len(value)} entries" + (f": {shown}" + (" …" if len(value) > 4 else "") if shown else "")
    text = "not known" if value is None else str(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _latency(receipt: Receipt) -> dict[str, int]:
    split = receipt.latency
    parts = {"permit": split.permit, "features": split.know, "score": split.think, "action": split.act}
    rest = split.total - sum(parts.values())
    return {name: spent for name, spent in (*parts.items(), ("receipt", max(0, rest))) if spent > 0}


def _would(told: Told) -> Counterfactual | None:
    receipt = told.kept.receipt
    if told.use_case is None or told.row is None or told.model is None or receipt.fallback:
        return None
    if receipt.decision.action not in told.use_case.adverse:
        return None
    try:
        return counterfactual(told.use_case, told.model, told.row)
    except TillwiseError:
        return None
