"""Logistic regression: the simpler model for sensitive decisions, and a baseline; every contribution is a product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tillwise.errors import ArtifactDamaged, InvalidInput
from tillwise.models.arrays import array_bytes, read_array
from tillwise.models.artifact import Artifact
from tillwise.models.calibration import Calibration, calibrate
from tillwise.models.log_odds import expit, log_expit
from tillwise.models.model import FAR, Design, Matrix, Rows, Vector, checked, column_names


class LogisticModel:
    """A weight per standardised column and per "unknown" mark, an intercept, and a calibration.

    `table` is 5 × f: centre, scale, weight, weight of being unknown, and 1 for columns read as sign(v)·ln(1 + |v|).
    """

    kind: ClassVar[str] = "logistic"

    def __init__(self, table: Vector, intercept: float, calibration: Calibration, columns: tuple[str, ...]) -> None:
        if table.shape != (5, len(columns)):
            raise ArtifactDamaged(f"weights of shape {table.shape} do not fit {len(columns)} columns; train again")
        self._table = table
        self._intercept = intercept
        self._calibration = calibration
        self.columns = columns

    def contributions(self, x: Matrix) -> Vector:
        """Return weight × standardised value, per column, and the intercept: they sum to the log-odds."""
        values = _read(checked(x, self.columns), self._table[4])
        parts = np.empty((len(values), len(self.columns) + 1))
        parts[:, :-1] = np.where(
            np.isnan(values), self._table[3], self._table[2] * _standard(values, self._table[0], self._table[1])
        )
        parts[:, -1] = self._intercept
        return parts

    def margin(self, x: Matrix) -> Vector:
        """Return n log-odds, before calibration."""
        return np.asarray(self.contributions(x).sum(axis=1))

    def predict(self, x: Matrix) -> Vector:
        """Return n calibrated probabilities."""
        return self._calibration.probability(self.margin(x))

    @classmethod
    def load(cls, artifact: Artifact) -> LogisticModel:
        """Read the weights."""
        calibration = Calibration(artifact.manifest.get("calibration", ""), read_array(artifact, "calibration.npy"))
        intercept = read_array(artifact, "intercept.npy")
        return cls(read_array(artifact, "weights.npy"), float(intercept.sum()), calibration, column_names(artifact))


def fit_logistic(
    design: Design, train: Rows, validation: Rows | None = None, *, ridge: float = 1.0, logs: Sequence[str] = ()
) -> Artifact:
    """Fit weights by L-BFGS on the penalised log loss: `ridge` / 2 × the squared weights, the intercept left free.

    `logs` names columns of amounts and counts, read as ln(1 + v). With `validation` rows the probability is
    calibrated on them. Raises InvalidInput when `train` holds one outcome only.
    """
    if len(np.unique(train.y)) < 2:
        raise InvalidInput("every label is the same: there is nothing to learn yet")
    in_logs = np.array([float(name in logs) for name in design.columns])
    values = _read(checked(train.x, design.columns), in_logs)
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    center = np.where(known, values, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, values - center, 0.0) ** 2).sum(axis=0) / count)
    scale = np.where(spread > 0, spread, 1.0)
    z = np.hstack([np.where(known, _standard(values, center, scale), 0.0), ~known])
    weights = _minimise(z, train, ridge)
    width = len(design.columns)
    table = np.vstack([center, scale, weights[:width], weights[width:-1], in_logs])
    calibration = Calibration()
    if validation is not None:
        raw = LogisticModel(table, float(weights[-1]), calibration, design.columns).margin(validation.x)
        calibration = calibrate(raw, validation.y, weight=validation.weight, seed=design.seed)
    files = {"weights.npy": table, "intercept.npy": weights[-1:], "calibration.npy": calibration.numbers}
    manifest = design.manifest(LogisticModel.kind, params={"ridge": ridge}, calibration=calibration.kind)
    return Artifact(manifest, {name: array_bytes(array) for name, array in files.items()})


def _read(x: Matrix, logs: Vector) -> Vector:
    values = x.astype(np.float64)
    return np.where(logs > 0, np.copysign(np.log1p(np.abs(values)), values), values)


def _standard(values: Vector, center: Vector, scale: Vector) -> Vector:
    return np.asarray(np.clip((values - center) / scale, -FAR, FAR))


def _minimise(z: Vector, train: Rows, ridge: float) -> Vector:
    from scipy.optimize import minimize  # noqa: PLC0415 - only fitting needs SciPy; a server starts without

    y, weight = train.y, np.ones(len(train.y)) if train.weight is None else train.weight

    def loss(w: Vector) -> tuple[float, Vector]:
        margin = z @ w[:-1] + w[-1]
        value = -(weight * (y * log_expit(margin) + (1 - y) * log_expit(-margin))).sum()
        error = weight * (expit(margin) - y)
        slope = np.append(z.T @ error + ridge * w[:-1], error.sum())
        return float(value + 0.5 * ridge * (w[:-1] ** 2).sum()), slope

    fit = minimize(loss, np.zeros(z.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(fit.x)
