"""Lists keep the shop's rules, vary, and know the exact chance of everything they show."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.features.snapshots import UNKNOWN, WINDOWS, ItemSnapshot
from tillwise.use_cases.recommendations.lists import Pool, Slot, arrange, explore
from tillwise.use_cases.recommendations.policy import RecommendationPolicy
from tillwise.use_cases.recommendations.rules import blocks_of, open_items
from tillwise.vocabulary.codes import code_of


def shelf(items: int, seed: int = 0) -> ItemSnapshot:
    rng = np.random.default_rng(seed)
    ids = tuple(f"i-{n}" for n in range(items))
    codes = np.array(sorted(code_of(text) for text in ids), dtype=np.int64)
    by_code = {code_of(text): text for text in ids}
    counts = np.zeros((items, len(WINDOWS)), dtype=np.int64)
    return ItemSnapshot(
        boundary=0, epoch=0, codes=codes, bought=counts, viewed=counts, price=rng.integers(1, 100, items),
        cost=np.where(rng.random(items) < 0.3, UNKNOWN, rng.integers(1, 100, items)), stock=rng.integers(-1, 3, items),
        active=(rng.random(items) < 0.9).astype(np.int64), category=rng.integers(0, 4, items),
        brand=rng.integers(0, 3, items), created=np.full(items, UNKNOWN),
        item_ids=tuple(by_code[code] for code in codes.tolist()),
        titles=("",) * items, categories=("",) * items, brands=("",) * items,
    )  # fmt: skip


def pool_of(items: ItemSnapshot, size: int, seed: int) -> Pool:
    rng = np.random.default_rng(seed)
    index = rng.choice(len(items), size, replace=False)
    return Pool(index, -np.sort(-rng.normal(size=size)), rng.random(size) < 0.2)


policies = st.builds(
    RecommendationPolicy,
    max_per_category=st.integers(0, 5),
    max_per_brand=st.integers(0, 5),
    diversity=st.floats(0, 1),
    explore_rate=st.floats(0, 0.9),
    explore_positions=st.lists(st.integers(1, 20), max_size=5, unique=True).map(lambda p: tuple(sorted(p))),
    pinned=st.lists(st.integers(0, 59), max_size=3, unique=True).map(lambda p: tuple(f"i-{n}" for n in p)),
)


@given(policy=policies, k=st.integers(1, 25), size=st.integers(0, 50), seed=st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_a_list_is_full_without_repeats_and_every_chance_is_possible(
    policy: RecommendationPolicy, k: int, size: int, seed: int
) -> None:
    """However rules meet, the list has min(k, eligible) different items, pins first, propensities in (0, 1]."""
    items = shelf(60)
    pool = pool_of(items, size, seed)
    slots, _ = arrange(pool, items, policy, k)
    shown = explore(slots, pool, policy, seed)
    assert len(shown) == min(k, size)
    assert len({slot.place for slot in shown}) == len(shown)
    assert all(0 < slot.propensity <= 1 for slot in shown)
    pinned = [slot.how == "pinned" for slot in shown]
    assert pinned == sorted(pinned, reverse=True)


def test_caps_hold_as_long_as_something_else_is_left() -> None:
    """With two of a category allowed and enough of others, no list has three."""
    items = shelf(60)
    pool = pool_of(items, 50, 1)
    slots, rules = arrange(pool, items, RecommendationPolicy(max_per_category=2, diversity=0.0), 6)
    categories = Counter(int(items.category[pool.index[slot.place]]) for slot in slots)
    assert all(count <= 2 for category, count in categories.items() if category)
    assert rules == ["cap_category"]


def test_variety_moves_unlike_items_up() -> None:
    """The more diversity, the fewer pairs of a list share a category or a brand."""
    items = shelf(60)
    alike = {0.0: 0, 0.9: 0}
    for seed in range(20):
        pool = pool_of(items, 50, seed)
        for diversity in alike:
            slots, _ = arrange(pool, items, RecommendationPolicy(max_per_category=0, diversity=diversity), 10)
            index = [pool.index[slot.place] for slot in slots]
            for groups in (items.category, items.brand):
                counts = Counter(groups[index].tolist())
                alike[diversity] += sum(count**2 for group, count in counts.items() if group)
    assert alike[0.9] < alike[0.0]


def test_logged_propensities_are_the_frequencies() -> None:
    """Over many decisions each item stands at a position as often as its propensity says (binomial, 5 sigma)."""
    items = shelf(60)
    pool = pool_of(items, 20, 3)
    policy = RecommendationPolicy(explore_rate=0.3, explore_positions=(2, 4), diversity=0.0)
    slots, _ = arrange(pool, items, policy, 5)
    draws = 4000
    seen: Counter[tuple[int, int]] = Counter()
    said: dict[tuple[int, int], float] = {}
    for seed in range(draws):
        for position, slot in enumerate(explore(slots, pool, policy, seed)):
            seen[position, slot.place] += 1
            assert said.setdefault((position, slot.place), slot.propensity) == slot.propensity
    for key, propensity in said.items():
        sigma = (propensity * (1 - propensity) / draws) ** 0.5
        assert abs(seen[key] / draws - propensity) <= 5 * sigma + 1e-9
    assert sum(said[key] for key in said if key[0] == 1) == pytest.approx(1.0)


def test_exploration_is_the_same_for_the_same_seed() -> None:
    """Replay draws what was drawn."""
    items = shelf(60)
    pool = pool_of(items, 30, 4)
    slots = [Slot(place, 1.0) for place in range(20)]
    policy = RecommendationPolicy(explore_rate=0.5)
    assert explore(slots, pool, policy, 11) == explore(slots, pool, policy, 11)


facts_of_any = st.fixed_dictionaries(
    {
        "filters": st.fixed_dictionaries(
            {}, optional={"in_stock": st.booleans(), "max_price": st.integers(0, 100)}
        ),
        "candidates": st.none() | st.lists(st.integers(0, 70).map(lambda n: code_of(f"i-{n}")), max_size=30),
        "exclude": st.lists(st.integers(0, 70).map(lambda n: code_of(f"i-{n}")), max_size=5),
        "cart": st.lists(st.integers(0, 70).map(lambda n: code_of(f"i-{n}")), max_size=3),
        "item": st.none() | st.integers(0, 70).map(lambda n: code_of(f"i-{n}")),
        "history": st.lists(
            st.tuples(
                st.integers(0, 59).map(lambda n: code_of(f"i-{n}")), st.just("bought"), st.just(0), st.floats(0, 9)
            ),
            max_size=5,
        ),
    }
)  # fmt: skip


@given(facts=facts_of_any, floor=st.none() | st.floats(0, 0.9), rest=st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_what_may_not_be_listed_is_closed(facts: dict, floor: float | None, rest: int) -> None:  # type: ignore[type-arg]
    """Each rule, said once more item by item, agrees with the masks."""
    items = shelf(60)
    policy = RecommendationPolicy(margin_floor=floor, rest_days=rest, excluded=("i-7",))
    free = open_items(items, blocks_of(items, policy, facts))
    bought = {row[0] for row in facts["history"] if row[3] < rest}
    for place, code in enumerate(items.codes.tolist()):
        price, cost = int(items.price[place]), int(items.cost[place])
        hidden = (
            not items.active[place]
            or (items.stock[place] == 0 and facts["filters"].get("in_stock") is not False)
            or items.item_ids[place] == "i-7"
            or (floor is not None and cost != UNKNOWN and price - cost < floor * price)
            or (facts["candidates"] is not None and code not in facts["candidates"])
            or price > facts["filters"].get("max_price", 10**9)
            or code in (*facts["exclude"], *facts["cart"], facts["item"])
            or code in bought
        )
        assert free[place] == (not hidden)
