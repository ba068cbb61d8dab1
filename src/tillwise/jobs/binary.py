"""Judging answers to a yes-or-no question: the same metrics, intervals and rows for a model and its baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import InvalidInput
from tillwise.jobs.learning import DataWindow, Evaluation, Floats, Learned, Result
from tillwise.jobs.split import FEWEST, TimeSplit
from tillwise.models.artifact import Artifact
from tillwise.models.bootstrap import intervals
from tillwise.models.loading import load_model
from tillwise.models.metrics import (
    Measure,
    average_precision,
    brier,
    calibration_slope,
    expected_calibration_error,
    log_loss,
    perfect_calibration_error,
    roc_auc,
)
from tillwise.models.model import Rows
from tillwise.releases.card import Metric
from tillwise.vocabulary.position import Head

DRAWS: Final = 300
"""Resamples for a shown interval; the gate takes more."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Feature rows with certain labels: `x` n × f float32 (NaN = unknown), `y` 0 or 1, whose row and from when."""

    columns: tuple[str, ...]
    x: NDArray[np.float32]
    y: Floats
    subjects: NDArray[np.int64]
    at: NDArray[np.int64]
    simulated: bool = False

    def rows(self, chosen: NDArray[np.bool_]) -> Rows:
        """Return some of the rows to learn from."""
        return Rows(self.x[chosen], self.y[chosen])


def judge(
    name: str, primary: str, y: Floats, scores: Floats, subjects: NDArray[np.int64], *, seed: int, draws: int = DRAWS,
    profiled: bool = True,
) -> Result:  # fmt: skip
    """Measure one contender's probabilities; people are drawn whole for the 95 % intervals."""
    higher: dict[str, Measure] = {"average_precision": average_precision(y, scores), "roc_auc": roc_auc(y, scores)}
    lower: dict[str, Measure] = {"log_loss": log_loss(y, scores), "brier": brier(y, scores)}
    found = intervals({**higher, **lower}, subjects, seed=seed, draws=draws)
    metrics = [Metric(key, *found[key], better="higher") for key in higher]
    metrics += [Metric(key, *found[key], better="lower") for key in lower]
    slope = calibration_slope(y, scores, subjects)
    if slope is not None:
        metrics.append(Metric("calibration_slope", *slope, better="one"))
    error, by_chance = expected_calibration_error(y, scores), perfect_calibration_error(scores, draws=DRAWS, seed=seed)
    metrics.append(Metric("ece", error, better="lower"))
    metrics.append(Metric("ece_of_a_perfect_model_95", by_chance, better="lower"))
    return Result(name, tuple(metrics), higher[primary], scores, profiled)


def evaluate(
    labelled: Labelled,
    model: Artifact,
    baselines: Mapping[str, Artifact],
    *,
    primary: str,
    period: tuple[int, int],
    seed: int,
    notes: Sequence[str] = (),
) -> Evaluation:
    """Judge a model and its baselines on the rows of a period; raise InvalidInput when it holds one outcome only."""
    start, end = period
    chosen = (labelled.at >= start) & (labelled.at < end)
    x, y, subjects = labelled.x[chosen], labelled.y[chosen], labelled.subjects[chosen]
    if len(np.unique(y)) < 2:
        raise InvalidInput(
            f"the period has {len(y)} rows with a certain label and {int(y.sum())} yes among them: both outcomes are"
            " needed to judge a model; choose a longer period"
        )

    def result(name: str, artifact: Artifact) -> Result:
        return judge(name, primary, y, load_model(artifact).predict(x), subjects, seed=seed)

    return Evaluation(
        start=start,
        end=end,
        primary=primary,
        subjects=subjects,
        model=result("model", model),
        baselines=tuple(result(name, artifact) for name, artifact in baselines.items()),
        labels=y,
        notes=tuple(notes),
    )


def enough(labelled: Labelled, split: TimeSplit) -> None:
    """Raise InvalidInput, saying what is missing, unless every period holds enough of both outcomes."""
    for name, chosen in (("training", split.train(labelled.at)), ("test", split.test(labelled.at))):
        yes, rows = int(labelled.y[chosen].sum()), int(chosen.sum())
        if min(yes, rows - yes) < FEWEST:
            raise InvalidInput(
                f"the {name} period has {rows} certain labels, {yes} of them yes: at least {FEWEST} of each outcome"
                " are needed; wait for more outcomes to mature"
            )


def window_of(labelled: Labelled, split: TimeSplit, head: Head) -> DataWindow:
    """Return what was learnt from, for card and manifest."""
    masks = (split.train(labelled.at), split.validation(labelled.at), split.test(labelled.at))
    rows = tuple(int(mask.sum()) for mask in masks)
    positives = tuple(int(labelled.y[mask].sum()) for mask in masks)
    return DataWindow(
        train=(split.start, split.train_end),
        validation=(split.validation_start, split.validation_end),
        test=(split.test_start, split.end),
        rows=(rows[0], rows[1], rows[2]),
        positives=(positives[0], positives[1], positives[2]),
        head=head.seq,
        epoch=head.epoch,
    )


def data_of(window: DataWindow) -> dict[str, Any]:
    """Return the data window as an artifact's manifest holds it."""
    return {
        "train": list(window.train), "validation": list(window.validation), "test": list(window.test),
        "rows": list(window.rows), "positives": list(window.positives), "head": window.head, "epoch": window.epoch,
    }  # fmt: skip


def importances(model: Artifact, x: NDArray[np.float32], *, most: int = 2000) -> dict[str, float]:
    """Return each column's share of the mean absolute contributions over the first `most` rows."""
    loaded = load_model(model)
    size = np.abs(loaded.contributions(x[:most])[:, :-1]).mean(axis=0) if len(x) else np.zeros(len(loaded.columns))
    total = float(size.sum()) or 1.0
    return dict(zip(loaded.columns, (size / total).tolist(), strict=True))


def learned(
    labelled: Labelled, model: Artifact, baselines: Mapping[str, Artifact], evaluation: Evaluation, window: DataWindow
) -> Learned:
    """Put together what training hands to the gate."""
    test = (labelled.at >= evaluation.start) & (labelled.at < evaluation.end)
    return Learned(
        model=model,
        baselines=tuple(baselines.values()),
        evaluation=evaluation,
        window=window,
        importances=importances(model, labelled.x[test]),
        simulated=labelled.simulated,
    )
