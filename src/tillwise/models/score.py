"""The third passport: what a released model thinks of a FeatureRow."""

from __future__ import annotations

from dataclasses import dataclass

from tillwise.features.row import FeatureRow


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much one column moved the score, in the model's own additive scale (log-odds for a probability)."""

    column: str
    value: float | None
    weight: float


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """An item's score in a ranking, and the parts of the blend it is the exact sum of."""

    item_id: str
    score: float
    parts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """What the model thinks. `value` is a calibrated probability; a ranking has `items`, best first, instead."""

    row: FeatureRow
    model: str | None
    value: float | None = None
    items: tuple[ScoredItem, ...] = ()
    contributions: tuple[Contribution, ...] = ()
