"""What every kind of model promises, checked on every kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tillwise.errors import ArtifactDamaged, InvalidInput
from tillwise.models.artifact import Artifact
from tillwise.models.baseline import fit_ranked_column, fit_rate
from tillwise.models.loading import load_model
from tillwise.models.logistic import fit_logistic
from tillwise.models.model import Design, Rows, importances
from tillwise.models.tabular import fit_tabular

COLUMNS = ("attempts_1h", "amount", "account_age", "noise")
Fit = Callable[[Design, Rows, Rows], Artifact]

FITS: dict[str, Fit] = {
    "tabular": lambda design, train, held: fit_tabular(design, train, held, rounds=40),
    "logistic": lambda design, train, held: fit_logistic(design, train, held, logs=("amount",)),
    "rate": lambda design, train, held: fit_rate(design, train),
    "ranked_column": lambda design, train, held: fit_ranked_column(design, train, "account_age", rising=False),
}


def rows(seed: int, n: int = 1000) -> Rows:
    """Rows whose outcome depends on three columns, with gaps."""
    rng = np.random.default_rng(seed)
    x = np.column_stack(
        [rng.poisson(1, n), np.exp(rng.normal(8, 1, n)), rng.exponential(90, n), rng.normal(size=n)]
    ).astype(np.float32)
    z = -2 + 0.8 * x[:, 0] + 0.4 * (np.log1p(x[:, 1]) - 8) - 0.01 * x[:, 2]
    x[rng.random(x.shape) < 0.05] = np.nan
    return Rows(x, (rng.random(n) < 1 / (1 + np.exp(-z))).astype(float))


def design(seed: int = 7) -> Design:
    return Design("fraud", COLUMNS, "sha256:" + "0" * 64, seed=seed, data={"train": [0, 10]})


@pytest.fixture(params=FITS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@cache
def made(kind: str) -> Artifact:
    return FITS[kind](design(), rows(1), rows(2))


def fitted(kind: str) -> Any:
    return load_model(made(kind))


def test_same_rows_and_seed_have_the_same_name(kind: str) -> None:
    """Deterministic: same rows, same seed, same bytes, whatever was fitted in between (a refit forgets)."""
    first = made(kind)
    assert FITS[kind](design(), rows(3), rows(4)).version != first.version
    again = FITS[kind](design(), rows(1), rows(2))
    assert first.version == again.version
    assert dict(first.files) == dict(again.files)


def test_a_saved_model_answers_the_same(kind: str, tmp_path: Path) -> None:
    """Saved, read back and loaded: the same bits in answers and explanations."""
    artifact = made(kind)
    artifact.save(tmp_path)
    model, read = load_model(artifact), load_model(Artifact.load(tmp_path, artifact.version))
    x = rows(5, 50).x
    assert np.array_equal(model.predict(x), read.predict(x))
    assert np.array_equal(model.contributions(x), read.contributions(x))
    assert (read.kind, read.columns) == (artifact.manifest["kind"], COLUMNS)


def test_one_row_and_many_rows_agree_bit_for_bit(kind: str) -> None:
    """A single decision and a batch give the same probability and the same reasons."""
    model, x = fitted(kind), rows(5, 60).x
    together = model.predict(x)
    assert np.array_equal(together, np.concatenate([model.predict(x[i : i + 1]) for i in range(60)]))
    alone = np.vstack([model.contributions(x[i : i + 1]) for i in range(60)])
    assert np.array_equal(model.contributions(x), alone)
    assert len(model.predict(x[:0])) == 0


def test_every_score_is_explained_exactly(kind: str) -> None:
    """Contributions sum to the log-odds, and a higher sum is never a lower probability."""
    model, x = fitted(kind), rows(6, 300).x
    parts, margin, p = model.contributions(x), model.margin(x), model.predict(x)
    assert parts.shape == (300, len(COLUMNS) + 1)
    assert parts.sum(axis=1) == pytest.approx(margin, abs=1e-9)
    assert (np.diff(p[np.argsort(margin, kind="stable")]) >= 0).all()
    assert ((p > 0) & (p < 1)).all()


def test_missing_values_are_survived(kind: str) -> None:
    """A row that knows nothing still gets a probability and an explanation."""
    model = fitted(kind)
    unknown = np.full((1, len(COLUMNS)), np.nan, dtype=np.float32)
    assert 0 < model.predict(unknown)[0] < 1
    assert np.isfinite(model.contributions(unknown)).all()
    wild = np.array([[1e30, -1e30, np.inf, 0]], dtype=np.float32)
    assert 0 < model.predict(wild)[0] < 1


def test_another_width_is_refused(kind: str) -> None:
    """A column too many or too few is an error, not an answer."""
    model = fitted(kind)
    for shape in ((2, 3), (2, 5), (4,)):
        with pytest.raises(InvalidInput, match="4 columns"):
            model.predict(np.zeros(shape, dtype=np.float32))


def test_files_that_do_not_fit_are_refused(kind: str) -> None:
    """A missing, cut or foreign file is ArtifactDamaged, never an answer."""
    artifact = made(kind)
    for name in artifact.files:
        with pytest.raises(ArtifactDamaged):
            load_model(Artifact(artifact.manifest, {k: v for k, v in artifact.files.items() if k != name}))
        with pytest.raises(ArtifactDamaged):
            load_model(Artifact(artifact.manifest, {**artifact.files, name: b"\x80\x04."}))
    with pytest.raises(ArtifactDamaged, match="unknown kind"):
        load_model(Artifact({**artifact.manifest, "kind": "os.system"}, artifact.files))
    for columns in ([], "attempts", [1]):
        with pytest.raises(ArtifactDamaged, match="columns"):
            load_model(Artifact({**artifact.manifest, "columns": columns}, artifact.files))


def test_probabilities_mean_what_they_say(kind: str) -> None:
    """On new rows the mean probability is the rate, within chance."""
    model, new = fitted(kind), rows(77, 4000)
    assert float(model.predict(new.x).mean()) == pytest.approx(float(new.y.mean()), abs=0.035)


def test_importances_are_shares() -> None:
    """Importances sum to 1, and noise has the smallest."""
    shares = importances(fitted("tabular"), rows(3).x)
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares, key=lambda name: shares[name]) == "noise"
    assert sum(importances(fitted("rate"), rows(3).x).values()) == 0
