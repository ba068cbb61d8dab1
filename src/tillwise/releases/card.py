"""The model card: what a model is, what it learnt from, how good it is beside its baselines, and what to beware of.

After Mitchell et al., Model Cards for Model Reporting (FAT* 2019). A card holds no wall-clock time: the same log and
seed give the same card; when a model answered is the releases' to say.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from tillwise.errors import ArtifactDamaged
from tillwise.models.bootstrap import Interval
from tillwise.vocabulary.canonical import canonical


class Metric(msgspec.Struct, frozen=True):
    """A measured number with its 95 % interval (None where there is none) and which way is better."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    better: Literal["higher", "lower", "one"] = "higher"


class Split(msgspec.Struct, frozen=True):
    """One part of the data in time, half-open [start, end) in log-clock milliseconds, `positives` of `rows` labels.

    For a ranking, which has no label, rows are people and `positives` what was to be found for all of them.
    """

    name: str
    start: int
    end: int
    rows: int
    subjects: int = 0
    positives: int = 0


class Label(msgspec.Struct, frozen=True):
    """What was predicted: plain meaning, horizon and how long an outcome needs to become certain, in milliseconds."""

    name: str
    meaning: str
    horizon: int
    maturity: int


class LogPosition(msgspec.Struct, frozen=True):
    """The end of the log the model learnt from."""

    epoch: int
    at: int
    seq: int


class Contender(msgspec.Struct, frozen=True):
    """A baseline measured on the same rows; `version` names its artifact if it can be released instead.

    `profiled` is False for the variant people get of whom nothing personal may be used.
    """

    name: str
    metrics: tuple[Metric, ...]
    version: str | None = None
    kind: str = ""
    profiled: bool = True

    @property
    def title(self) -> str:
        """Return the name with what it stands for."""
        return self.name if self.profiled else f"{self.name} (nothing personal)"


class Caution(msgspec.Struct, frozen=True):
    """Something to beware of, such as `fairness_not_assessed`, in plain words."""

    code: str
    text: str


class Curve(msgspec.Struct, frozen=True):
    """Points of a plot: `kind` is `calibration`, `gain` or `precision_recall`; `size` is the rows behind each point."""

    kind: str
    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    size: tuple[int, ...] = ()


class Bar(msgspec.Struct, frozen=True):
    """One measured bar of a group of bars, such as recall@20 of "new items"."""

    group: str
    label: str
    value: float
    low: float | None = None
    high: float | None = None


class Bars(msgspec.Struct, frozen=True):
    """A bar chart: recall@k by segment, say."""

    title: str
    unit: str
    bars: tuple[Bar, ...]


class Importance(msgspec.Struct, frozen=True):
    """A column's share of the model's mean absolute contributions, 0 to 1, with its meaning in plain words."""

    column: str
    share: float
    meaning: str = ""


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """Everything to know about one model version."""

    use_case: str
    version: str
    kind: str
    features: str
    columns: tuple[str, ...]
    seed: int
    label: Label
    position: LogPosition
    splits: tuple[Split, ...]
    primary: str
    metrics: tuple[Metric, ...]
    baselines: tuple[Contender, ...] = ()
    params: dict[str, Any] = {}
    importances: tuple[Importance, ...] = ()
    curves: tuple[Curve, ...] = ()
    bars: tuple[Bars, ...] = ()
    chosen_by: tuple[Bars, ...] = ()
    warnings: tuple[Caution, ...] = ()
    notes: tuple[str, ...] = ()
    simulated: bool = False

    def metric(self, name: str) -> Metric | None:
        """Return the model's metric of that name on the test period."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def to_json(self) -> bytes:
        """Return canonical JSON; a metric that could not be computed (NaN) is left out."""
        baselines = tuple(msgspec.structs.replace(one, metrics=_finite(one.metrics)) for one in self.baselines)
        return canonical(msgspec.structs.replace(self, metrics=_finite(self.metrics), baselines=baselines))


def _finite(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """Return the metrics that have a value, with bounds only where both are numbers."""
    return tuple(
        metric if _bounded(metric) else msgspec.structs.replace(metric, low=None, high=None)
        for metric in metrics
        if math.isfinite(metric.value)
    )


def _bounded(metric: Metric) -> bool:
    return all(bound is not None and math.isfinite(bound) for bound in (metric.low, metric.high))


def measured(
    intervals: Mapping[str, Interval], *, lower_is_better: Collection[str] = ("log_loss", "brier", "ece")
) -> tuple[Metric, ...]:
    """Return metrics of measured intervals, in their order; a value that is not finite is left out."""
    return tuple(
        Metric(name, found.value, found.low, found.high, "lower" if name in lower_is_better else "higher")
        for name, found in intervals.items()
        if all(math.isfinite(number) for number in found)
    )


def save_card(folder: Path, card: ModelCard) -> Path:
    """Write the card beside its artifact, whole or not at all; return the file."""
    target = folder / card.version.removeprefix("sha256:") / "card.json"
    partial = target.with_name(f".card.{os.getpid()}")
    partial.write_bytes(card.to_json())
    os.replace(partial, target)
    return target


def read_card(data: bytes) -> ModelCard:
    """Read a card back; raise ArtifactDamaged when it is no card."""
    try:
        return msgspec.json.decode(data, type=ModelCard)
    except msgspec.MsgspecError as error:
        raise ArtifactDamaged(f"a model card cannot be read: {error}") from error
