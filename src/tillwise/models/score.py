"""The third passport: what a released model thinks of a FeatureRow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tillwise.features.row import FeatureRow


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much one column moved the score, in the model's own additive scale (log-odds for a probability)."""

    column: str
    value: float | None
    weight: float


class Part(NamedTuple):
    """A share of an item's score: the part's name, the past item that said most of it (code or None), the amount."""

    name: str
    source: int | None
    amount: float


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """An item's score in a ranking, the parts it is the exact sum of, and its place in the item snapshot."""

    item_id: str
    score: float
    parts: tuple[Part, ...] = ()
    place: int = -1


@dataclass(frozen=True, slots=True)
class Score:
    """What the model thinks. `value` is a calibrated probability; a ranking has `items`, best first, instead."""

    row: FeatureRow
    model: str | None
    value: float | None = None
    items: tuple[ScoredItem, ...] = ()
    contributions: tuple[Contribution, ...] = ()
