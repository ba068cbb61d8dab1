"""Tabled TreeSHAP equals LightGBM's own, for every shape of tree, or steps aside."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.errors import ArtifactDamaged
from tillwise.models.calibration import Calibration
from tillwise.models.tabular import TabularModel
from tillwise.models.tree_shap import TreeShap
from tillwise.models.trees import Trees


def boosted(
    seed: int, rounds: int = 12, *, gaps: float = 0.1, width: int = 5, **params: object
) -> tuple[bytes, np.ndarray]:
    """Trees over random rows, and rows to explain: unseen, extreme and unknown values among them."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(1200, width)), 1).astype(np.float32)
    y = (rng.random(1200) < 1 / (1 + np.exp(-x[:, 0] * x[:, 1] - x[:, 2]))).astype(float)
    x[rng.random(x.shape) < gaps] = np.nan
    settings_ = {
        "objective": "binary",
        "verbosity": -1,
        "num_threads": 1,
        "seed": seed,
        "min_data_in_leaf": 5,
        **params,
    }
    data = lightgbm.Dataset(x, y, params={"verbosity": -1, "min_data_in_leaf": 5})
    text = lightgbm.train(settings_, data, rounds).model_to_string()
    asked = np.vstack([x[:30], rng.normal(size=(20, width)) * 5, np.full((1, width), np.nan), np.zeros((1, width))])
    asked[30, :] = np.inf
    return text.encode(), asked.astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    leaves=st.sampled_from([2, 7, 31]),
    gaps=st.sampled_from([0.0, 0.2]),
    fraction=st.sampled_from([1.0, 0.6]),
)
def test_values_equal_the_librarys(seed: int, leaves: int, gaps: float, fraction: float) -> None:
    """Shapley values and the expected margin agree to 1e-12, whatever is missing, bagged or extreme."""
    text, asked = boosted(
        seed, gaps=gaps, num_leaves=leaves, max_depth=6, bagging_fraction=fraction, bagging_freq=1
    )  # fmt: skip
    tabled = TreeShap.of(text, 5)
    assert tabled is not None
    assert tabled.contributions(asked) == pytest.approx(Trees(text, 5).contributions(asked), abs=1e-12)


def test_trees_of_one_leaf_explain_nothing() -> None:
    """When no split pays, everything is what holds for everyone."""
    text, asked = boosted(1, min_data_in_leaf=1000)
    tabled = TreeShap.of(text, 5)
    assert tabled is not None
    parts = tabled.contributions(asked)
    assert not parts[:, :-1].any()
    assert parts[:, -1] == pytest.approx(Trees(text, 5).margin(asked))


def test_deep_trees_are_explained_by_the_library() -> None:
    """Too many columns on a path for tables: the same promise, kept the slower way."""
    text, asked = boosted(2, 8, width=14, num_leaves=120, max_depth=-1, feature_fraction=1.0, extra_trees=True)
    assert TreeShap.of(text, 14) is None
    model = TabularModel(Trees(text, 14), Calibration(), tuple("abcdefghijklmn"))
    assert model.contributions(asked).sum(axis=1) == pytest.approx(model.margin(asked), abs=1e-9)


def test_broken_trees_are_refused() -> None:
    """Nodes that point in circles or nowhere are damage, not an endless walk."""
    text, _ = boosted(3, 1, num_leaves=7)
    line = next(line for line in text.decode().splitlines() if line.startswith("left_child="))
    for wrong in ("left_child=0 0 0 0 0 0", "left_child=99 1 2 3 4 5", "left_child=a"):
        with pytest.raises(ArtifactDamaged):
            TreeShap.of(text.replace(line.encode(), wrong.encode()), 5)
