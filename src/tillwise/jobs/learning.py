"""What a use case must bring so that it can be trained, judged and released: a Learner, and what goes in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tillwise.events.log import read_head
from tillwise.jobs.progress import Progress, Silent
from tillwise.models.artifact import Artifact
from tillwise.privacy.retention import Retention, load_retention
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Head, Point
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

    What is learnt depends on events alone, never on the clock or on who was decided about meanwhile: the log ends just
    after its newest event, and labels mature up to there. In a shop whose events stop coming nothing matures, since
    silence of a feed is no proof that nobody bought.

    `until` ends the log earlier (log clock, milliseconds; None = its end): nothing at or after it is read, labels
    included; `epoch` leaves out later imports. So a past run can be repeated as it was. `baselines` are those that a
    model to be evaluated was released against, by name.
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
    epoch: int | None = None
    baselines: Mapping[str, Artifact] = field(default_factory=dict)

    def since(self, events: Sequence[str], purpose: Purpose, at: int) -> int:
        """Return the moment up to which rows of these types are too old, at `at`, to be learnt from for a purpose."""
        return at - self.retention.reach(events, purpose, Purpose.TRAIN)

    def head(self, snapshot: Snapshot) -> Head:
        """Return the end of the log for learning: `at` is its newest event's, which no decision moves on.

        `until` does not change it: data too old to be read today are too old for a past run as well.
        """
        end = read_head(snapshot)
        epoch = end.epoch if self.epoch is None else min(end.epoch, self.epoch)
        newest = snapshot.one(_NEWEST, (end.at, epoch))
        return Head(end.seq, 0 if newest is None else int(newest[0]), epoch)

    @property
    def now(self) -> int:
        """Return where the log ends for this run: just after its newest event, or at `until`."""
        if self.until is not None:
            return self.until
        with self.store.snapshot() as snapshot:
            return self.head(snapshot).at + 1


_NEWEST: Final = "SELECT at FROM by_shop WHERE at <= ? AND epoch <= ? ORDER BY at DESC LIMIT 1"
"""Rows dated in the future have not happened yet, and those of a later or unfinished import are not there."""


@dataclass(frozen=True, slots=True)
class DataWindow:
    """Which part of the log was learnt from, and which part was kept untouched: log-clock milliseconds, half-open.

    `rows` and `positives` count training, validation and test rows in this order (for a ranking: people, and what was
    to be found for them); `head` is the log's last position and `epoch` its last visible import when the run started.
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
    `Result.measure` computes. `labels` are the outcomes where they are one number per row; for a ranking `wanted`
    counts what was to be found. `bars` are bar charts for the report, such as recall by segment. `notes` are what to
    beware of. `unprofiled` is what people get of whom nothing personal may be used, where that is no model that could
    be released.
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
    wanted: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A model and its baselines, each one able to answer, and how they did on data none of them saw.

    `baselines` are in the order of `evaluation.baselines`. `importances` are shares by column, for people to look at,
    `meanings` words for columns that no feature declares, `chosen_by` what was measured on the validation period.
    `simulated` is True when it was learnt from simulated rows.
    """

    model: Artifact
    baselines: tuple[Artifact, ...]
    evaluation: Evaluation
    window: DataWindow
    importances: Mapping[str, float] = field(default_factory=dict)
    simulated: bool = False
    meanings: Mapping[str, str] = field(default_factory=dict)
    chosen_by: tuple[Bars, ...] = ()


class Learner(Protocol):
    """One per use case; jobs/train.py runs it, then the gate, then the release."""

    def learn(self, material: Material) -> Learned:
        """Fit on the past, choose on the validation period, judge once on the test period."""
        ...

    def evaluate(self, material: Material, artifact: Artifact, start: int, end: int) -> Evaluation:
        """Judge a model on mature labels in [start, end), which it must not have seen, beside `material.baselines`.

        On the test period of its training it finds the very rows and numbers that training found.
        """
        ...


def mean_of(values: Floats) -> Measure:
    """Return the measure of a metric that is a mean over test rows, such as NDCG per person."""

    def measure(weights: Floats) -> float:
        return float(np.average(values, weights=weights))

    return measure
