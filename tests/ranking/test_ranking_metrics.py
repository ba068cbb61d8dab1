"""Full-sort metrics equal their plain definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.models.ranking.metrics import coverage_at, hit_at, ndcg_at, recall_at, top

ITEMS = 12
wanted_sets = st.lists(st.frozensets(st.integers(0, ITEMS - 1)), min_size=1, max_size=6)


def lists_for(people: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(ITEMS)[:8] for _ in range(people)])


@given(wanted=wanted_sets, seed=st.integers(0, 1000), k=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_metrics_are_the_plain_definitions(wanted: list[frozenset[int]], seed: int, k: int) -> None:
    """Recall counts found of all wanted, NDCG discounts by log2(position + 1) and divides by the best possible."""
    lists = lists_for(len(wanted), seed)
    recall, ndcg, hit = recall_at(lists, wanted, k), ndcg_at(lists, wanted, k), hit_at(lists, wanted, k)
    for row, want in enumerate(wanted):
        if not want:
            assert math.isnan(recall[row])
            assert math.isnan(ndcg[row])
            assert math.isnan(hit[row])
            continue
        found = [position for position, item in enumerate(lists[row, :k], 1) if int(item) in want]
        assert recall[row] == pytest.approx(len(found) / len(want))
        gain = sum(1 / math.log2(position + 1) for position in found)
        best = sum(1 / math.log2(position + 1) for position in range(1, min(k, len(want)) + 1))
        assert ndcg[row] == pytest.approx(gain / best)
        assert hit[row] == float(bool(found))


@given(seed=st.integers(0, 1000), k=st.integers(1, 15), levels=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_top_is_a_full_sort_and_breaks_ties_by_index(seed: int, k: int, levels: int) -> None:
    """However many items tie, the list is the one a stable full sort gives."""
    scores = np.random.default_rng(seed).integers(0, levels, (5, ITEMS)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert (top(scores, k) == expected).all()


def test_coverage_counts_distinct_items() -> None:
    """Coverage is the share of the catalogue that stands in some list."""
    assert coverage_at(np.array([[0, 1], [1, 2]]), 10, 2) == pytest.approx(0.3)
