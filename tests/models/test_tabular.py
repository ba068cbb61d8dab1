"""Trees: the same bytes on any number of threads, the same bits as the library, and constraints that hold."""

from __future__ import annotations

import threading

import lightgbm
import numpy as np
import pytest

from tillwise.errors import ArtifactDamaged, InvalidInput
from tillwise.models import tabular
from tillwise.models.loading import load_model
from tillwise.models.model import Design, Rows
from tillwise.models.tabular import DEFAULTS, fit_tabular
from tillwise.models.trees import Trees

DESIGN = Design("churn", ("a", "b", "c"), "sha256:0")


def rows(seed: int, n: int = 2500) -> Rows:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    z = x[:, 0] * x[:, 1] + x[:, 2]
    x[rng.random(x.shape) < 0.05] = np.nan
    return Rows(x, (rng.random(n) < 1 / (1 + np.exp(-z))).astype(float))


def test_threads_do_not_change_the_bytes() -> None:
    """One, two or three threads: the same trees, bit for bit."""
    texts = {
        tabular._boost(DESIGN, rows(1, 20_000), rows(2), {**DEFAULTS, "rounds": 12}, threads=threads)
        for threads in (1, 2, 3)
    }
    assert len(texts) == 1


def test_the_c_interface_answers_what_the_library_answers() -> None:
    """Margins and TreeSHAP values equal lightgbm.Booster's bit for bit, one row or many, several threads at once."""
    text = tabular._boost(DESIGN, rows(1), rows(2), {**DEFAULTS, "rounds": 40})
    trees, booster, x = Trees(text, 3), lightgbm.Booster(model_str=text.decode()), rows(3, 400).x
    margin, parts = booster.predict(x, raw_score=True), booster.predict(x, pred_contrib=True)
    assert np.array_equal(trees.margin(x), margin)
    assert np.array_equal(trees.contributions(x), parts)
    wrong: list[int] = []

    def ask() -> None:
        for place in range(400):
            one = x[place : place + 1]
            if trees.margin(one)[0] != margin[place] or not np.array_equal(trees.contributions(one)[0], parts[place]):
                wrong.append(place)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_artifact_holds_data_only() -> None:
    """Native text and plain arrays; what decided the model stands in its manifest."""
    artifact = fit_tabular(DESIGN, rows(1), rows(2), rounds=20)
    assert set(artifact.files) == {"trees.txt", "calibration.npy"}
    assert artifact.files["trees.txt"].startswith(b"tree\n")
    assert b"parameters" not in artifact.files["trees.txt"]
    assert artifact.manifest["params"]["rounds"] == 20
    assert artifact.manifest["seed"] == 7
    other = Design("churn", ("a", "b", "c"), "sha256:0", seed=8)
    assert artifact.version != fit_tabular(other, rows(1), rows(2), rounds=20).version


@pytest.mark.parametrize("sign", [1, -1])
def test_monotone_columns_are_monotone(sign: int) -> None:
    """A declared direction holds for every row, calibration included."""
    model = load_model(fit_tabular(DESIGN, rows(1), rows(2), monotone={"a": sign}, rounds=30))
    grid = np.repeat(rows(3, 40).x, 9, axis=0)
    grid[:, 0] = np.tile(np.linspace(-3, 3, 9), 40)
    steps = np.diff(model.predict(grid).reshape(40, 9), axis=1)
    assert (sign * steps >= 0).all()
    with pytest.raises(InvalidInput, match="nobody"):
        fit_tabular(DESIGN, rows(1), rows(2), monotone={"nobody": 1})


def test_weights_count() -> None:
    """A row of weight 0 teaches nothing."""
    train = rows(1)
    spoiled = Rows(np.vstack([train.x, train.x]), np.append(train.y, 1 - train.y), np.repeat([1.0, 0.0], len(train.y)))
    model = load_model(fit_tabular(DESIGN, spoiled, rows(2), rounds=40))
    x = rows(3)
    positives, negatives = model.predict(x.x)[x.y == 1], model.predict(x.x)[x.y == 0]
    assert positives.mean() > negatives.mean() + 0.1


def test_without_validation_all_rounds_are_fitted_and_one_outcome_is_refused() -> None:
    """No validation rows: nothing stops early. One outcome only: nothing can be learnt."""
    nothing = Rows(np.zeros((0, 3), dtype=np.float32), np.zeros(0))
    artifact = fit_tabular(DESIGN, rows(1), nothing, rounds=25)
    assert artifact.files["trees.txt"].count(b"\nTree=") == 25
    assert artifact.manifest["calibration"] == "none"
    train = rows(1)
    with pytest.raises(InvalidInput, match="nothing to learn"):
        fit_tabular(DESIGN, Rows(train.x, np.zeros(len(train.y))), rows(2))
    with pytest.raises(InvalidInput, match="0 or 1"):
        Rows(train.x, np.full(len(train.y), 0.5))


def test_foreign_text_is_refused() -> None:
    """Trees of another width or text of another kind are damaged, not answered from."""
    text = tabular._boost(DESIGN, rows(1), rows(2), {**DEFAULTS, "rounds": 5})
    for wrong in (b"", b"import os", text[: len(text) // 2]):
        with pytest.raises(ArtifactDamaged):
            Trees(wrong, 3)
    with pytest.raises(ArtifactDamaged, match="3 columns"):
        Trees(text, 4)
