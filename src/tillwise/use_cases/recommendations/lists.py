"""From scored items to a list: pins, caps, variety, and a little exploration with its exact propensities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tillwise.features.snapshots import ItemSnapshot
from tillwise.use_cases.recommendations.policy import RecommendationPolicy

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Slot:
    """What stands at a position: the place in the pool, the chance that it stood there, and how it came there."""

    place: int
    propensity: float
    how: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """m eligible items, best first: their place in the snapshot and their score. `fresh` marks new items."""

    index: Ints
    score: NDArray[np.float64]
    fresh: NDArray[np.bool_]


def arrange(pool: Pool, items: ItemSnapshot, policy: RecommendationPolicy, k: int) -> tuple[list[Slot], list[str]]:
    """Return at most k slots, pinned items first, then by worth less likeness to the items above; and the rules used.

    Variety is maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998) with the mean likeness to the items
    already listed: half for the same category, half for the same brand. Caps give way when nothing else is left.
    """
    pins = _pins(pool, items, policy)[:k]
    slots = [Slot(place, 1.0, "pinned") for place in pins]
    rules = ["pinned"] if pins else []
    order, capped = _varied(pool, items, policy, k, pins)
    slots += [Slot(place, 1.0) for place in order]
    return slots[:k], rules + capped


def _pins(pool: Pool, items: ItemSnapshot, policy: RecommendationPolicy) -> list[int]:
    ids = {items.item_ids[index]: place for place, index in enumerate(pool.index.tolist())} if policy.pinned else {}
    return [ids[item_id] for item_id in policy.pinned if item_id in ids]


def _varied(
    pool: Pool, items: ItemSnapshot, policy: RecommendationPolicy, k: int, pins: Sequence[int]
) -> tuple[list[int], list[str]]:
    likeness = (
        _Likeness("cap_category", items.category_places[pool.index], policy.max_per_category),
        _Likeness("cap_brand", items.brand_places[pool.index], policy.max_per_brand),
    )
    worth = _between_0_and_1(pool.score)
    for place in pins:
        worth[place] = -np.inf
        for one in likeness:
            one.add(place)
    order: list[int] = []
    capped: set[str] = set()
    while len(order) + len(pins) < min(k, len(worth)):
        listed = max(len(order) + len(pins), 1)
        value = worth - (0.5 * policy.diversity / listed) * (likeness[0].alike + likeness[1].alike)
        for one in likeness:
            if one.full is not None and one.full[int(np.argmax(value))]:
                capped.add(one.rule)
                value = np.where(one.full, -np.inf, value)
        place = int(np.argmax(value))
        if value[place] == -np.inf:
            break
        order.append(place)
        worth[place] = -np.inf
        for one in likeness:
            one.add(place)
    rest = np.flatnonzero(worth > -np.inf)[: k - len(pins) - len(order)]
    return [*order, *rest.tolist()], sorted(capped)


def _between_0_and_1(score: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(np.ptp(score)) if len(score) else 0.0
    return (score - score.min()) / spread if spread else np.zeros(len(score))


class _Likeness:
    """How many listed items share each one's category (or brand); group 0 = has none, is like nothing.

    `full` marks the items whose group has reached its cap, None as long as there are none.
    """

    def __init__(self, rule: str, groups: Ints, cap: int) -> None:
        self.rule = rule
        self.groups = groups
        self.cap = cap
        self.alike = np.zeros(len(groups))
        self.full: NDArray[np.bool_] | None = None

    def add(self, place: int) -> None:
        """Count an item that was listed."""
        if self.groups[place]:
            self.alike[self.groups == self.groups[place]] += 1
            if self.cap and self.alike[place] >= self.cap:
                self.full = (self.groups > 0) & (self.alike >= self.cap)


def explore(slots: list[Slot], pool: Pool, policy: RecommendationPolicy, seed: int) -> list[Slot]:
    """Let the declared positions show something else now and then, and write down the chance of what was shown.

    The items left over, new ones and next best in turn, are dealt out to the open positions like cards, so that no
    two positions share one. At each position on its own: with `explore_rate` one of its cards, each as likely, else
    the item that stood there. So propensity = 1 − rate for the item kept, rate / number of cards for another, and 1
    where nothing is explored. It is exact and never 0.
    """
    used = {slot.place for slot in slots}
    left = [place for place in range(len(pool.index)) if place not in used]
    new = [place for place in left if pool.fresh[place]]
    known = [place for place in left if not pool.fresh[place]]
    cards = _alternate(new, known)
    places = [p - 1 for p in policy.explore_positions if p <= len(slots) and slots[p - 1].how != "pinned"]
    if not cards or not places or not policy.explore_rate:
        return slots
    generator = np.random.default_rng(seed)
    shown = list(slots)
    for turn, place in enumerate(places):
        dealt = cards[turn :: len(places)]
        chance, pick = generator.random(), generator.random()
        if not dealt:
            continue
        if chance < policy.explore_rate:
            card = dealt[int(pick * len(dealt))]
            shown[place] = Slot(card, policy.explore_rate / len(dealt), "explored")
        else:
            shown[place] = Slot(slots[place].place, 1.0 - policy.explore_rate, slots[place].how)
    return shown


def _alternate(first: list[int], second: list[int]) -> list[int]:
    both = min(len(first), len(second))
    paired = [place for pair in zip(first, second, strict=False) for place in pair]
    return [*paired, *first[both:], *second[both:]]
