"""Baselines that can answer: the plain rate, and one column read as a rule."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tillwise.models.arrays import array_bytes, read_array
from tillwise.models.artifact import Artifact
from tillwise.models.calibration import Calibration, calibrate
from tillwise.models.model import Design, Matrix, Rows, Vector, checked


class RateModel:
    """Everyone gets the rate that was seen."""

    kind: ClassVar[str] = "rate"

    def __init__(self, log_odds: float, columns: tuple[str, ...]) -> None:
        self._log_odds = log_odds
        self.columns = columns

    def margin(self, x: Matrix) -> Vector:
        """Return the same log-odds n times."""
        return np.full(len(checked(x, self.columns)), self._log_odds)

    def predict(self, x: Matrix) -> Vector:
        """Return the rate n times."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.margin(x))))

    def contributions(self, x: Matrix) -> Vector:
        """Return zeros, and the log-odds of the rate as what holds for everyone."""
        result = np.zeros((len(checked(x, self.columns)), len(self.columns) + 1))
        result[:, -1] = self._log_odds
        return result

    @classmethod
    def load(cls, artifact: Artifact) -> RateModel:
        """Read the rate."""
        return cls(float(read_array(artifact, "rate.npy")[0]), tuple(artifact.manifest["columns"]))


class RankedColumnModel:
    """One column, up or down, read as a probability; an unknown value gets the rate of the unknown."""

    kind: ClassVar[str] = "ranked_column"

    def __init__(self, numbers: Vector, calibration: Calibration, columns: tuple[str, ...]) -> None:
        self._column = int(numbers[0])
        self._sign, self._center, self._scale, self._unknown = (float(v) for v in numbers[1:5])
        self._calibration = calibration
        self.columns = columns

    def margin(self, x: Matrix) -> Vector:
        """Return n standardised values of the column, signed so that higher means likelier."""
        values = checked(x, self.columns)[:, self._column].astype(np.float64)
        return np.where(np.isnan(values), self._unknown, self._sign * (values - self._center) / self._scale)

    def predict(self, x: Matrix) -> Vector:
        """Return n calibrated probabilities."""
        return self._calibration.probability(self.margin(x))

    def contributions(self, x: Matrix) -> Vector:
        """Return the margin in the one column that was read."""
        margin = self.margin(x)
        result = np.zeros((len(margin), len(self.columns) + 1))
        result[:, self._column] = margin
        return result

    @classmethod
    def load(cls, artifact: Artifact) -> RankedColumnModel:
        """Read the column's place, scale and calibration."""
        calibration = Calibration(artifact.manifest["calibration"], read_array(artifact, "calibration.npy"))
        return cls(read_array(artifact, "column.npy"), calibration, tuple(artifact.manifest["columns"]))


def fit_rate(design: Design, train: Rows) -> Artifact:
    """Return the rate of `train`, half an event added on either side so that it is never 0 or 1."""
    weight = np.ones(len(train.y)) if train.weight is None else train.weight
    yes, no = float((weight * train.y).sum()) + 0.5, float((weight * (1 - train.y)).sum()) + 0.5
    return Artifact(design.manifest("rate"), {"rate.npy": array_bytes(np.array([np.log(yes / no)]))})


def fit_ranked_column(design: Design, train: Rows, column: str, *, rising: bool) -> Artifact:
    """Return the rule "the higher (`rising`) or lower `column`, the likelier", made a probability on `train`."""
    place = design.columns.index(column)
    values = train.x[:, place].astype(np.float64)
    known = values[~np.isnan(values)]
    center = float(known.mean()) if len(known) else 0.0
    scale = float(known.std()) if len(known) and known.std() > 0 else 1.0
    numbers = np.array([place, 1.0 if rising else -1.0, center, scale, 0.0])
    margin = RankedColumnModel(numbers, Calibration(), design.columns).margin(train.x)
    calibration = calibrate(margin, train.y, seed=design.seed)
    files = {"column.npy": array_bytes(numbers), "calibration.npy": array_bytes(calibration.numbers)}
    manifest = design.manifest("ranked_column", column=column, rising=rising, calibration=calibration.kind)
    return Artifact(manifest, files)
