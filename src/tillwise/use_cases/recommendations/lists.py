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
    likeness = [
        _Likeness(items.category_places[pool.index], policy.max_per_category),
        _Likeness(items.brand_places[pool.index], policy.max_per_brand),
    ]
    open_places = np.ones(len(pool.index), dtype=bool)
    spread = float(np.ptp(pool.score)) if len(pool.score) else 0.0
    worth = (pool.score - pool.score.min()) / spread if spread else np.zeros(len(pool.score))
    order: list[int] = []
    capped: list[str] = []
    for place in pins:
        _take(place, open_places, likeness)
    while len(order) + len(pins) < k and open_places.any():
        value = worth - policy.diversity * 0.5 * sum(one.shares() for one in likeness)
        allowed = open_places & ~likeness[0].full() & ~likeness[1].full()
        if not allowed.any():
            break
        best = int(np.argmax(np.where(open_places, value, -np.inf)))
        place = int(np.argmax(np.where(allowed, value, -np.inf)))
        if place != best:
            capped.append("cap_category" if likeness[0].full()[best] else "cap_brand")
        order.append(place)
        _take(place, open_places, likeness)
    rest = np.flatnonzero(open_places)[: k - len(pins) - len(order)]
    return [*order, *rest.tolist()], sorted(set(capped))


class _Likeness:
    """How many listed items carry the same category (or brand); 0 = carries none, is like nothing."""

    def __init__(self, groups: Ints, cap: int) -> None:
        self.groups = groups
        self.cap = cap
        self.counts = np.zeros(int(groups.max(initial=0)) + 1)
        self.listed = 0

    def add(self, place: int) -> None:
        self.listed += 1
        if self.groups[place]:
            self.counts[self.groups[place]] += 1

    def shares(self) -> NDArray[np.float64]:
        shares: NDArray[np.float64] = self.counts[self.groups] / max(self.listed, 1)
        return shares

    def full(self) -> NDArray[np.bool_]:
        if not self.cap:
            return np.zeros(len(self.groups), dtype=bool)
        full: NDArray[np.bool_] = self.counts[self.groups] >= self.cap
        return full


def _take(place: int, open_places: NDArray[np.bool_], likeness: Sequence[_Likeness]) -> None:
    open_places[place] = False
    for one in likeness:
        one.add(place)


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
