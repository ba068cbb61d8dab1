"""Which items may not be listed, and by which rule: one function for the whole catalogue, and for chosen items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.features.snapshots import NOTHING, UNKNOWN, ItemSnapshot
from tillwise.use_cases.recommendations.history import bought_within
from tillwise.use_cases.recommendations.policy import RecommendationPolicy
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.codes import code_of

Mask = NDArray[np.bool_]
Blocks = dict[str, Mask]
"""Rule → which items of the snapshot it hides."""

OUT_OF_STOCK: Final = "out_of_stock"


@lru_cache(maxsize=8)
def standing_blocks(items: ItemSnapshot, policy: RecommendationPolicy) -> Blocks:
    """Return what is hidden from everybody as long as snapshot and policy stay the same."""
    return _standing(items, policy)


def _standing(items: ItemSnapshot, policy: RecommendationPolicy) -> Blocks:
    blocks = {"inactive": items.active == 0, OUT_OF_STOCK: items.stock == 0}
    if policy.excluded:
        blocks["excluded_by_shop"] = members(items, policy.excluded)
    if policy.margin_floor is not None:
        known = (items.price > 0) & (items.cost != UNKNOWN)
        blocks["margin_floor"] = known & (items.price - items.cost < policy.margin_floor * items.price)
    return {rule: mask for rule, mask in blocks.items() if mask.any()}


def blocks_of(items: ItemSnapshot, policy: RecommendationPolicy, facts: Json) -> Blocks:
    """Return every rule that hides something from this request's list."""
    filters = facts["filters"]
    blocks, price = as_of_now(items, policy, facts.get("turned", []))
    if filters.get("in_stock") is False:
        blocks.pop(OUT_OF_STOCK, None)
    if facts["candidates"] is not None:
        blocks["not_a_candidate"] = ~coded(items, facts["candidates"])
    if filters.get("categories") is not None:
        wanted = np.array([code_of(text) for text in filters["categories"]], dtype=np.int64)
        blocks["filter_category"] = ~np.isin(items.category, wanted)
    if filters.get("max_price") is not None:
        blocks["filter_price"] = (price == UNKNOWN) | (price > filters["max_price"])
    if facts["exclude"]:
        blocks["excluded_by_caller"] = coded(items, facts["exclude"])
    if facts["cart"]:
        blocks["in_cart"] = coded(items, facts["cart"])
    if facts["item"] is not None:
        blocks["this_item"] = coded(items, [facts["item"]])
    rested = bought_within(facts["history"], policy.rest_days)
    if rested:
        blocks["bought_recently"] = coded(items, list(rested)) & ~_consumable(items, policy)
    return blocks


def as_of_now(
    items: ItemSnapshot, policy: RecommendationPolicy, turned: Sequence[Sequence[int | None]]
) -> tuple[Blocks, NDArray[np.int64]]:
    """Return the standing blocks and the prices with what has turned since the snapshot.

    Rows are [code, stock, active, price] in order of code, as the snapshot's items are. A ranking may be an hour old;
    what is sold out, switched off or dearer now may not be shown as it was.
    """
    standing, known = dict(standing_blocks(items, policy)), items.places
    rows = [row for row in turned if row[0] in known]
    if not rows:
        return standing, items.price
    index = np.array([known[row[0] or 0] for row in rows], dtype=np.int64)
    stock, active, price = (
        np.array([UNKNOWN if row[column] is None else row[column] for row in rows], dtype=np.int64)
        for column in (1, 2, 3)
    )
    fresh = _standing(replace(items.take(index), stock=stock, active=active, price=price), policy)
    blocks = {}
    for rule in dict.fromkeys((*standing, *fresh)):
        mask = standing[rule].copy() if rule in standing else np.zeros(len(items), dtype=bool)
        mask[index] = fresh.get(rule, False)
        blocks[rule] = mask
    prices = items.price.copy()
    prices[index] = price
    return blocks, prices


def open_items(items: ItemSnapshot, blocks: Blocks) -> Mask:
    """Return which items may be listed."""
    free = np.ones(len(items), dtype=bool)
    for mask in blocks.values():
        free &= ~mask
    return free


def coded(items: ItemSnapshot, codes: list[int]) -> Mask:
    """Return which items of the snapshot have one of these codes."""
    mask = np.zeros(len(items), dtype=bool)
    places = items.places
    mask[[places[code] for code in codes if code in places]] = True
    return mask


def members(items: ItemSnapshot, item_ids: tuple[str, ...]) -> Mask:
    """Return which items of the snapshot have one of these ids."""
    return coded(items, [code_of(item_id) for item_id in item_ids])


def _consumable(items: ItemSnapshot, policy: RecommendationPolicy) -> Mask:
    wanted = np.array([code_of(text) for text in policy.consumables], dtype=np.int64)
    consumable: Mask = np.isin(items.category, wanted) & (items.category != NOTHING)
    return consumable
