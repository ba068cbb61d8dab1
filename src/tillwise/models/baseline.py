"""Baselines that can answer: the plain rate, and one column read as a rule."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tillwise.errors import ArtifactDamaged, InvalidInput
from tillwise.models.arrays import array_bytes, read_array
from tillwise.models.artifact import Artifact
from tillwise.models.calibration import Calibration, calibrate, fit_platt
from tillwise.models.model import FAR, Design, Matrix, Rows, Vector, checked, column_names


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
        return Calibration().probability(self.margin(x))

    def contributions(self, x: Matrix) -> Vector:
        """Return zeros, and the log-odds of the rate as what holds for everyone."""
        result = np.zeros((len(checked(x, self.columns)), len(self.columns) + 1))
        result[:, -1] = self._log_odds
        return result

    @classmethod
    def load(cls, artifact: Artifact) -> RateModel:
        """Read the rate."""
        return cls(float(read_array(artifact, "rate.npy").sum()), column_names(artifact))


class RankedColumnModel:
    """One column, up or down, read as a probability; an unknown value stands where the average one does.

    `rule` is the column's place, its sign, centre and scale.
    """

    kind: ClassVar[str] = "ranked_column"

    def __init__(self, rule: Vector, calibration: Calibration, columns: tuple[str, ...]) -> None:
        if rule.shape != (4,) or not 0 <= rule[0] < len(columns):
            raise ArtifactDamaged(f"the rule {rule.tolist()} does not fit {len(columns)} columns; train again")
        self._column = int(rule[0])
        self._sign, self._center, self._scale = (float(value) for value in rule[1:])
        self._calibration = calibration
        self.columns = columns

    def margin(self, x: Matrix) -> Vector:
        """Return n standardised values of the column, signed so that higher means likelier."""
        values = checked(x, self.columns)[:, self._column].astype(np.float64)
        standard = np.clip((values - self._center) / self._scale, -FAR, FAR)
        return np.where(np.isnan(values), 0.0, self._sign * standard)

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
        """Read the rule and its calibration."""
        calibration = Calibration(artifact.manifest.get("calibration", ""), read_array(artifact, "calibration.npy"))
        return cls(read_array(artifact, "rule.npy"), calibration, column_names(artifact))


def fit_rate(design: Design, train: Rows) -> Artifact:
    """Return the rate of `train`, half a row added on either side so that it is never 0 or 1."""
    weight = np.ones(len(train.y)) if train.weight is None else train.weight
    yes, no = float((weight * train.y).sum()) + 0.5, float((weight * (1 - train.y)).sum()) + 0.5
    return Artifact(design.manifest(RateModel.kind), {"rate.npy": array_bytes(np.array([np.log(yes / no)]))})


def fit_ranked_column(design: Design, train: Rows, column: str, *, rising: bool) -> Artifact:
    """Return the rule "the higher (`rising`) or lower `column`, the likelier", made a probability on `train`."""
    if column not in design.columns:
        raise InvalidInput(f"'{column}' is no column of {design.use_case}", field="column")
    place = design.columns.index(column)
    values = checked(train.x, design.columns)[:, place].astype(np.float64)
    known = values[~np.isnan(values)]
    center = float(known.mean()) if len(known) else 0.0
    spread = float(known.std()) if len(known) else 0.0
    rule = np.array([place, 1.0 if rising else -1.0, center, spread if spread > 0 else 1.0])
    margin = RankedColumnModel(rule, Calibration(), design.columns).margin(train.x)
    calibration = calibrate(margin, train.y, weight=train.weight, seed=design.seed)
    if calibration.kind == "none":
        weight = np.ones(len(train.y)) if train.weight is None else train.weight
        calibration = fit_platt(margin, train.y, weight)  # a column's deviations are no log-odds yet
    files = {"rule.npy": array_bytes(rule), "calibration.npy": array_bytes(calibration.numbers)}
    manifest = design.manifest(RankedColumnModel.kind, column=column, rising=rising, calibration=calibration.kind)
    return Artifact(manifest, files)
