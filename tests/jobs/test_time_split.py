"""Time splits: the past to learn from, the future to be judged by, and nothing of the one in the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.errors import InvalidInput
from tillwise.jobs.binary import Labelled, enough, judge
from tillwise.jobs.split import split_in_time

times = st.lists(st.integers(0, 10_000), min_size=2, max_size=200).filter(lambda t: min(t) < max(t))


@given(times, st.integers(0, 4_000))
@settings(max_examples=60)
def test_periods_follow_each_other_and_keep_the_embargo(at: list[int], embargo: int) -> None:
    """No row is in two periods, and the labels of what is learnt are certain before the test begins."""
    rows = np.array(at, dtype=np.int64)
    try:
        split = split_in_time(rows, embargo=embargo)
    except InvalidInput:
        return
    parts = [split.train(rows), split.validation(rows), split.test(rows)]
    assert np.all(sum(part.astype(int) for part in parts) <= 1)
    assert split.train_end <= split.validation_start <= split.validation_end <= split.test_start < split.end
    assert split.embargo in (0, embargo)
    assert split.validation_end + split.embargo == split.test_start
    assert not np.any(rows[parts[0]] + split.embargo >= split.test_start + (split.embargo == 0))


def test_without_history_it_says_so() -> None:
    """One clear line instead of an empty model."""
    with pytest.raises(InvalidInput, match="not enough mature history"):
        split_in_time(np.array([5, 5, 5], dtype=np.int64))


def test_too_few_of_one_outcome_are_named() -> None:
    """Whoever waits for labels learns how many are missing, and in which period."""
    at = np.arange(200, dtype=np.int64)
    y = np.zeros(200)
    labelled = Labelled(("x",), np.zeros((200, 1), dtype=np.float32), y, at, at)
    with pytest.raises(InvalidInput, match=r"training period has .* 0 of them yes"):
        enough(labelled, split_in_time(at))


def test_judging_is_the_same_for_everybody_and_repeatable() -> None:
    """Same rows and seed, same numbers; intervals hold the value; calibration stands beside what chance allows."""
    draw = np.random.default_rng(1)
    chance = draw.random(600)
    y = (draw.random(600) < chance).astype(float)
    people = np.arange(600) // 2
    one, two = (judge("model", "roc_auc", y, chance, people, seed=3, draws=80) for _ in range(2))
    assert one.metrics == two.metrics
    found = {metric.name: metric for metric in one.metrics}
    auc = found["roc_auc"]
    assert auc.low is not None
    assert auc.high is not None
    assert auc.low < auc.value < auc.high
    assert found["ece"].value < 2 * found["ece_of_a_perfect_model_95"].value
    assert one.measure(np.ones(600)) == auc.value
