"""What a use case must bring so that it can be trained, judged and released: a Learner, and what goes in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tillwise.jobs.progress import Progress, Silent
from tillwise.models.artifact import Artifact
from tillwise.privacy.retention import Retention, load_retention
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Store

if TYPE_CHECKING:
    from tillwise.features.feature import FeatureSet
    from tillwise.privacy.permit import Permit
    from tillwise.releases.card import Bars, Metric

Floats = NDArray[np.float64]
Measure = Callable[[Floats], float]
"""The primary metric with test row i counted `weights[i]` times; higher is better. The gate draws the weights."""


class TrainingSegments(Protocol):
    """The exported log, as engines/duckdb.py holds it."""

    def export(self, store: Store) -> Any:
        """Write what is new in the row store as Parquet."""
        ...

    def training_table(self, feature_set: FeatureSet, points: Any, permit: Permit) -> Any:
        """Compute the features at every point, bit for bit as serving would."""
        ...


class TrainingGate(Protocol):
    """What learning asks of privacy/gate.py."""

    def training_permit(self, purpose: Purpose, point: Point) -> Permit:
        """Return the permit under which rows may be read for `purpose` and `train`."""
        ...

    def trainable(self, snapshot: Snapshot, purpose: Purpose) -> set[Pseudonym]:
        """Return the people whose data may be used for `purpose` and `train`."""
        ...


@dataclass(frozen=True, slots=True)
class Material:
    """Everything a learner may use. `folder` is the shop's own; `seed` decides every random choice.

    `until` ends the log for this run (log clock, milliseconds; None = now): nothing at or after it is read, labels
    included, so that a past training run can be repeated as it would have been.
    """

    store: Store
    segments: TrainingSegments
    gate: TrainingGate
    clock: LogClock
    folder: Path
    seed: int = 7
    until: int | None = None
    progress: Progress = field(default_factory=Silent)
    retention: Retention = field(default_factory=load_retention)

    def since(self, events: Sequence[str], purpose: Purpose, at: int) -> int:
        """Return the moment up to which rows of these types are too old, at `at`, to be learnt from for a purpose."""
        return at - self.retention.reach(events, purpose, Purpose.TRAIN)

    @property
    def now(self) -> int:
        """Return the end of the log for this run."""
        return self.clock.now() if self.until is None else self.until


@dataclass(frozen=True, slots=True)
class DataWindow:
    """Which part of the log was learnt from, and which part was kept untouched: log-clock milliseconds, half-open.

    `rows` and `positives` count training, validation and test rows in this order; `head` is the log's last position
    and `epoch` its last visible import when the run started.
    """

    train: tuple[int, int]
    validation: tuple[int, int]
    test: tuple[int, int]
    rows: tuple[int, int, int]
    head: int
    epoch: int
    positives: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """How one contender did on the test period. `scores` are its answers per test row, where a plot needs them.

    `profiled` is False for what people get of whom nothing personal may be used.
    """

    name: str
    metrics: tuple[Metric, ...]
    measure: Measure
    scores: Floats | None = None
    profiled: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Metrics of the model and its declared baselines over the same test rows.

    `subjects` says whose row each one is: the paired bootstrap draws people whole. `primary` names the metric that
    `Result.measure` computes. `labels` are the outcomes where they are one number per row. `bars` are bar charts
    for the report, such as recall by segment. `notes` are sentences for whoever reads the card. `unprofiled` is what
    people get of whom nothing personal may be used, where that is no model that could be released.
    """

    start: int
    end: int
    primary: str
    subjects: NDArray[np.int64]
    model: Result
    baselines: tuple[Result, ...]
    unprofiled: tuple[Result, ...] = ()
    labels: Floats | None = None
    bars: tuple[Bars, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A model and its baselines, each one able to answer, and how they did on data none of them saw.

    `baselines` are in the order of `evaluation.baselines`. `importances` are shares by column, for people to look at.
    `simulated` is True when it was learnt from simulated rows.
    """

    model: Artifact
    baselines: tuple[Artifact, ...]
    evaluation: Evaluation
    window: DataWindow
    importances: Mapping[str, float] = field(default_factory=dict)
    simulated: bool = False


class Learner(Protocol):
    """One per use case; jobs/train.py runs it, then the gate, then the release."""

    def learn(self, material: Material) -> Learned:
        """Fit on the past, choose on the validation period, judge once on the test period."""
        ...

    def evaluate(self, material: Material, artifact: Artifact, start: int, end: int) -> Evaluation:
        """Judge a model on mature labels in [start, end), which it must not have seen."""
        ...


def mean_of(values: Floats) -> Measure:
    """Return the measure of a metric that is a mean over test rows, such as NDCG per person."""

    def measure(weights: Floats) -> float:
        return float(np.average(values, weights=weights))

    return measure
