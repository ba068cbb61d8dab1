"""What a person could have done for another outcome: found by asking the same model and policy again.

A use case declares the ways open to a person (a smaller order, waiting, another card); nothing else is ever changed.
What is named has been decided, not estimated, so it holds (CJEU C-203/22, 27 February 2025: how other data would have
led to another result). One way alone is tried first, the easiest way and its mildest step before the others; where none
does it, the steps that help most are kept and a further way is looked for beside each. What turns out not to be needed
is taken back, so that the set found is irreducible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, runtime_checkable

from tillwise.decisions.decision import Decision, Explain
from tillwise.decisions.use_case import UseCase
from tillwise.features.row import FeatureRow

MOST_WAYS: Final = 4
"""Ways taken together at most."""
KEPT: Final = 4
"""Sets of steps looked at further, the best of each round: the best alone leads into dead ends."""
Known = Mapping[str, float | None]
NO_LOT: Final = 2**63 - 1
"""The largest seed: no exploration falls on it, so that luck never passes for a way out."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a person could have done, in words that go on from "with" or "by", and the columns it would change."""

    text: str
    values: Known


@dataclass(frozen=True, slots=True)
class Way:
    """Steps of one kind, the mildest first."""

    code: str
    steps: tuple[Step, ...]


@runtime_checkable
class Changeable(Protocol):
    """Steps of a use case that know what a person can change. Its score is a risk: less is better for the person."""

    def ways(self, row: FeatureRow) -> Sequence[Way]:
        """Return the ways open to the person of this row, the easiest first; a later one overrides an earlier one."""
        ...

    def changed(self, row: FeatureRow, values: Known) -> FeatureRow:
        """Return the row with other values, and everything that is computed from them computed again."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One value that would have been another."""

    column: str
    was: float | None
    becomes: float | None


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """What the person could have done, which values that would have changed, and what would then have been decided."""

    codes: tuple[str, ...]
    says: tuple[str, ...]
    changes: tuple[Change, ...]
    decision: Decision


def counterfactual(use_case: UseCase, model: Any, row: FeatureRow) -> Counterfactual | None:
    """Return a way to an action that is not adverse; None when no declared way, nor all of them, leads to one."""
    steps = use_case.steps
    return _Search(use_case, model, row, steps).found() if isinstance(steps, Changeable) else None


class _Search:
    def __init__(self, use_case: UseCase, model: Any, row: FeatureRow, steps: Changeable) -> None:
        self._use_case = use_case
        self._model = model
        self._row = row
        self._steps = steps
        self._ways = [way for way in steps.ways(row) if way.steps]

    def found(self) -> Counterfactual | None:
        """Take one step of one way after the other, keeping the sets that help most, until the outcome turns."""
        kept: list[dict[str, Step]] = [{}]
        for _ in range(MOST_WAYS):
            tried: list[tuple[tuple[int, float], dict[str, Step]]] = []
            for chosen in kept:
                for code, step in self._open(chosen):
                    more = {**chosen, code: step}
                    decision = self._decide(more)
                    if decision.action not in self._use_case.adverse:
                        return self._reduced(more, decision)
                    tried.append(((len(decision.rules), 1.0 if decision.score is None else decision.score), more))
            tried.sort(key=lambda each: each[0])
            kept = [chosen for _, chosen in tried[:KEPT]]
        return None

    def _open(self, chosen: Mapping[str, Step]) -> Iterator[tuple[str, Step]]:
        return ((way.code, step) for way in self._ways if way.code not in chosen for step in way.steps)

    def _reduced(self, chosen: dict[str, Step], decision: Decision) -> Counterfactual:
        """Take back what is not needed, then look for milder steps of what is."""
        for code in list(chosen)[:-1]:
            fewer = {each: step for each, step in chosen.items() if each != code}
            if (again := self._flips(fewer)) is not None:
                chosen, decision = fewer, again
        for way in self._ways:
            for step in way.steps if way.code in chosen and len(chosen) > 1 else ():
                if step is chosen[way.code]:
                    break
                if (again := self._flips({**chosen, way.code: step})) is not None:
                    chosen, decision = {**chosen, way.code: step}, again
                    break
        return self._told(chosen, decision)

    def _decide(self, chosen: Mapping[str, Step]) -> Decision:
        steps = self._use_case.steps
        return steps.act(steps.think(self._changed(chosen), self._model, Explain.NONE), NO_LOT, Explain.NONE)

    def _flips(self, chosen: Mapping[str, Step]) -> Decision | None:
        decision = self._decide(chosen)
        return None if decision.action in self._use_case.adverse else decision

    def _changed(self, chosen: Mapping[str, Step]) -> FeatureRow:
        values: dict[str, float | None] = {}
        for way in self._ways:
            if way.code in chosen:
                values.update(chosen[way.code].values)
        return self._steps.changed(self._row, values)

    def _told(self, chosen: Mapping[str, Step], decision: Decision) -> Counterfactual:
        ordered = [(way.code, chosen[way.code].text) for way in self._ways if way.code in chosen]
        before, after = self._row, self._changed(chosen)
        changes = tuple(
            Change(column, was, becomes)
            for column, was, becomes in zip(before.columns, before.values, after.values, strict=True)
            if was != becomes
        )
        return Counterfactual(tuple(code for code, _ in ordered), tuple(text for _, text in ordered), changes, decision)


def with_values(row: FeatureRow, values: Known) -> FeatureRow:
    """Return the row with other values and nothing computed again: for features without row expressions."""
    pairs = zip(row.columns, row.values, strict=True)
    return replace(row, values=tuple(values.get(name, value) for name, value in pairs))
