"""Recommendations on the road: know the history, think with the blend, act by the shop's rules."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tillwise.decisions.decision import Decision, Degraded, Explain, ListedItem, Reason, Request
from tillwise.errors import InvalidInput
from tillwise.events.catalog import turned_since
from tillwise.events.log import read_head
from tillwise.features.feature import DAY, FeatureSet
from tillwise.features.row import FeatureRow
from tillwise.features.shelf import SnapshotShelf
from tillwise.features.snapshots import UNKNOWN, ItemSnapshot
from tillwise.models.ranking.blend import DECIMALS, BlendModel, total_of
from tillwise.models.score import Part, Score, ScoredItem
from tillwise.privacy.permit import Permit
from tillwise.use_cases.recommendations.asked import facts_of
from tillwise.use_cases.recommendations.history import actions, kinds_by_item, read_history
from tillwise.use_cases.recommendations.lists import Pool, Slot, arrange, explore
from tillwise.use_cases.recommendations.policy import RecommendationPolicy
from tillwise.use_cases.recommendations.reasons import reasons_of
from tillwise.use_cases.recommendations.rules import blocks_of, members, open_items
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot

FEATURES: Final = FeatureSet("recommendations", ())
"""No windowed aggregates: a ranking knows the item snapshot and the person's newest actions, both in the receipt."""
ACTION: Final = "items"
GROUND: Final = "item_snapshot"
"""Where the bare question of a fallback names the item snapshot; what a caller writes there is overwritten."""
_SPARE: Final = 30
_NEW: Final = 8
_SHOWN_BLOCKED: Final = 20
_WHY: Final = {
    Degraded.NO_CONSENT: Reason("not_personal", "Popular items: nothing personal was used", 1.0),
    Degraded.NO_HISTORY: Reason("nobody_known", "Popular items: nothing is known about you yet", 1.0),
}
_PERSONAL: Final = Reason("personal", "Chosen from what you looked at and bought", 1.0)
_CONTEXT: Final = Reason("context", "Chosen to go with this page or your cart", 1.0)
_POPULAR: Final = Reason("popular", "Popular items", 1.0)
_NOTHING: Final = Reason("nothing_to_show", "No item may be listed for this request", 1.0)
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class RecommendationSteps:
    """The steps of `POST /rank/recommendations`. Item snapshots come from the `shelf`, which replay reads as well."""

    shelf: SnapshotShelf
    policy: RecommendationPolicy

    def know(self, permit: Permit, request: Request, snapshot: Snapshot) -> FeatureRow:
        """Read the item snapshot of the newest full hour, what has turned since (sold out, back, another price) and, as
        far as permitted, the person's newest actions.

        Raises InvalidInput when the body is not a question for a list.
        """
        facts = facts_of(request.body)
        facts["history"] = self._history(permit, snapshot, simulated=request.simulated)
        facts["simulated"] = request.simulated
        items = self.shelf.current(snapshot, read_head(snapshot).at, permit.point.epoch, simulated=request.simulated)
        facts["turned"] = [list(each) for each in turned_since(snapshot, self.shelf.seen(items))]
        return FeatureRow(permit, FEATURES.hash, (), (), facts, items.name)

    def recall(self, permit: Permit, row: FeatureRow, snapshot: Snapshot) -> FeatureRow:
        """Read the history again at the permit's point; the item snapshot is the one the receipt names."""
        simulated = bool(row.facts.get("simulated", False))
        return replace(row, facts={**row.facts, "history": self._history(permit, snapshot, simulated=simulated)})

    def _history(self, permit: Permit, snapshot: Snapshot, *, simulated: bool) -> list[list[Any]]:
        policy = self.policy
        done = read_history(snapshot, permit, days=policy.history_days, limit=policy.max_history, simulated=simulated)
        return [list(one) for one in done]

    def think(self, row: FeatureRow, model: BlendModel, explain: Explain) -> Score:
        """Score every item and keep the best that may be listed, new ones, and the better ones that a rule hides."""
        items = self._items(row)
        blended = model.score(actions(row.facts), items)
        chosen = _pool(blended.total, items, self.policy, row.facts)
        parts = blended.parts(chosen, sources=explain is not Explain.NONE)
        scored = [_scored(items, index, listed) for index, listed in zip(chosen.tolist(), parts, strict=True)]
        scored.sort(key=lambda item: (-item.score, item.item_id))
        return Score(row, None, items=tuple(scored))

    def act(self, score: Score, seed: int, explain: Explain) -> Decision:
        """Hide, pin, cap, vary and explore, by the policy; say why for every item."""
        facts = score.row.facts
        known = bool(facts["history"])
        items = self._items(score.row)
        context = any(code in items.places for code in (*facts["cart"], facts["item"]))
        why = None if known else Degraded.NO_HISTORY
        first = _PERSONAL if known else _CONTEXT if context else _WHY[Degraded.NO_HISTORY]
        return self._decide(score.items, facts, items, seed, explain, why, first)

    def fallback(self, row: FeatureRow | None, request: Request, why: Degraded) -> Decision:
        """Answer with popular items, those like the page or cart first; nothing personal is used."""
        facts = {**(facts_of(request.body) if row is None else row.facts), "history": []}
        items = self._items(row) if row is not None else self._named(request.body)
        first = _WHY.get(why, _POPULAR)
        if items is None:
            return Decision(ACTION, (first,), items=(), degraded=why)
        scored = _popular(items, self.policy, facts)
        return self._decide(scored, facts, items, None, request.explain, why, first)

    def ground(self, body: Json, *, simulated: bool) -> Json:
        """Name the newest item snapshot in memory, so that the receipt of a fallback without a row can be replayed."""
        newest = self.shelf.newest(simulated=simulated)
        return {**body, GROUND: None if newest is None else newest.name}

    def _named(self, body: Json) -> ItemSnapshot | None:
        name = body.get(GROUND)
        return self.shelf.load(name) if isinstance(name, str) else None

    def _items(self, row: FeatureRow) -> ItemSnapshot:
        if row.snapshot is None:
            raise InvalidInput("this decision names no item snapshot")
        return self.shelf.load(row.snapshot)

    def _decide(
        self, scored: tuple[ScoredItem, ...], facts: Json, items: ItemSnapshot, seed: int | None, explain: Explain,
        why: Degraded | None, first: Reason,
    ) -> Decision:  # fmt: skip
        index = np.array([item.place for item in scored], dtype=np.int64)
        blocks = {rule: mask[index] for rule, mask in blocks_of(items, self.policy, facts).items()}
        free = np.flatnonzero(~np.any(list(blocks.values()), axis=0)) if blocks else np.arange(len(index))
        worth = np.array([item.score for item in scored], dtype=np.float64)
        pool = Pool(index[free], worth[free], _fresh(items, self.policy)[index[free]])
        slots, rules = arrange(pool, items, self.policy, facts["k"])
        if seed is not None and facts["placement"] != "email":
            slots = explore(slots, pool, self.policy, seed)
        least = min((worth[free[slot.place]] for slot in slots), default=-math.inf)
        rules += [rule for rule, mask in blocks.items() if (mask & (worth > least)).any() and rule != "not_a_candidate"]
        if any(slot.how == "explored" for slot in slots):
            rules.append("explored")
        listed = self._listed(slots, [scored[place] for place in free.tolist()], pool, items, facts, explain)
        reasons = (first,) if listed else (first, _NOTHING)
        return Decision(ACTION, reasons, items=listed, rules=tuple(rules), degraded=why)

    def _listed(
        self,
        slots: list[Slot],
        scored: list[ScoredItem],
        pool: Pool,
        items: ItemSnapshot,
        facts: Json,
        explain: Explain,
    ) -> tuple[ListedItem, ...]:
        kinds = kinds_by_item(facts)
        listed = []
        for position, slot in enumerate(slots, 1):
            item = scored[slot.place]
            reasons = reasons_of(item.parts, slot.how, items, int(pool.index[slot.place]), kinds, explain)
            listed.append(ListedItem(item.item_id, item.score, position, slot.propensity, reasons))
        return tuple(listed)


def _scored(items: ItemSnapshot, index: int, parts: tuple[Part, ...]) -> ScoredItem:
    return ScoredItem(items.item_ids[index], round(total_of(parts), DECIMALS), parts, index)


@lru_cache(maxsize=8)
def _fresh(items: ItemSnapshot, policy: RecommendationPolicy) -> Mask:
    fresh: Mask = (items.created != UNKNOWN) & (items.created > items.boundary - policy.new_days * DAY)
    return fresh


def _pool(total: NDArray[np.float32], items: ItemSnapshot, policy: RecommendationPolicy, facts: Json) -> Places:
    """Return the items worth a closer look: the best open ones, the best new ones, pins, and better hidden ones."""
    k = facts["k"]
    free = open_items(items, blocks_of(items, policy, facts))
    best = _best(np.where(free, total, np.float32(-np.inf)), k + k // 2 + _SPARE)
    best = best[free[best]]
    fresh = np.flatnonzero(_fresh(items, policy) & free)
    fresh = fresh[_best(total[fresh], _NEW)]
    least = total[best[min(k, len(best)) - 1]] if len(best) else np.float32(np.inf)
    hidden = np.flatnonzero((total > least) & ~free)
    hidden = hidden[_best(total[hidden], _SHOWN_BLOCKED)]
    pinned = np.flatnonzero(members(items, policy.pinned) & free) if policy.pinned else np.empty(0, dtype=np.int64)
    return np.unique(np.concatenate([best, fresh, hidden, pinned])).astype(np.int64)


def _best(values: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Return the places of the n largest values, largest first; equal ones in order of place."""
    if n < len(values):
        edge = np.partition(values, len(values) - n)[len(values) - n]
        places = np.flatnonzero(values >= edge)
    else:
        places = np.arange(len(values))
    return places[np.argsort(-values[places], kind="stable")][:n].astype(np.int64)


def _popular(items: ItemSnapshot, policy: RecommendationPolicy, facts: Json) -> tuple[ScoredItem, ...]:
    """Score by popularity, and by the category and brand of the page or cart; new items break ties."""
    total = items.popular(7) + np.float32(0.5) * items.popular(30)
    labels = [("popular_7d", items.popular(7)), ("popular_30d", np.float32(0.5) * items.popular(30))]
    here = [items.places[code] for code in (*facts["cart"], facts["item"]) if code in items.places]
    if here:
        like = np.zeros(len(items), dtype=np.float32)
        for places in (items.category_places, items.brand_places):
            like += np.where(np.isin(places, places[here]) & (places > 0), np.float32(10), np.float32(0))
        total = total + like
        labels.append(("content", like))
    scored = []
    for index in _pool(total, items, policy, facts).tolist():
        parts = tuple(
            Part(name, None, round(float(values[index]), DECIMALS)) for name, values in labels if values[index]
        )
        scored.append(_scored(items, index, parts))
    return tuple(sorted(scored, key=lambda item: (-item.score, item.item_id)))
