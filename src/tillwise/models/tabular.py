"""Boosted trees (LightGBM) for a yes-or-no question: deterministic, calibrated, exactly explained, data only.

Ke et al., LightGBM (NeurIPS 2017); contributions are TreeSHAP (Lundberg et al., Nature Machine Intelligence 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import lightgbm
import numpy as np

from tillwise.errors import ArtifactDamaged
from tillwise.models.arrays import array_bytes, read_array
from tillwise.models.artifact import Artifact
from tillwise.models.calibration import Calibration, calibrate
from tillwise.models.model import Design, Matrix, Rows, Vector, checked
from tillwise.vocabulary.canonical import Json

DEFAULTS: Json = {
    "num_leaves": 31,
    "max_depth": 6,
    "learning_rate": 0.05,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
}
ROUNDS = 300
PATIENCE = 40


class TabularModel:
    """Trees and their calibration."""

    kind: ClassVar[str] = "tabular"

    def __init__(self, booster: Any, calibration: Calibration, columns: tuple[str, ...]) -> None:
        self._booster = booster
        self._calibration = calibration
        self.columns = columns

    def margin(self, x: Matrix) -> Vector:
        """Return n raw log-odds, before calibration."""
        return np.asarray(self._booster.predict(checked(x, self.columns), raw_score=True, num_threads=1))

    def predict(self, x: Matrix) -> Vector:
        """Return n calibrated probabilities."""
        return self._calibration.probability(self.margin(x))

    def contributions(self, x: Matrix) -> Vector:
        """Return n × (f + 1) TreeSHAP values: they sum to the log-odds before calibration."""
        return np.asarray(self._booster.predict(checked(x, self.columns), pred_contrib=True, num_threads=1))

    @classmethod
    def load(cls, artifact: Artifact) -> TabularModel:
        """Read trees and calibration."""
        columns = tuple(artifact.manifest["columns"])
        try:
            booster = lightgbm.Booster(model_str=artifact.files["trees.txt"].decode())
        except (KeyError, UnicodeDecodeError, lightgbm.basic.LightGBMError) as error:
            raise ArtifactDamaged(f"model {artifact.version}: trees.txt cannot be read; train again") from error
        calibration = Calibration(artifact.manifest["calibration"], read_array(artifact, "calibration.npy"))
        return cls(booster, calibration, columns)


def fit_tabular(
    design: Design,
    train: Rows,
    validation: Rows,
    *,
    params: Mapping[str, Any] | None = None,
    monotone: Mapping[str, int] | None = None,
    rounds: int = ROUNDS,
) -> Artifact:
    """Fit trees on `train`; stop early and calibrate on `validation`, which comes after it in time.

    `params` replaces DEFAULTS by LightGBM's names; `monotone` maps a column to 1 (never lowers) or −1 (never raises).
    """
    settings = {**DEFAULTS, **(params or {})}
    settings["monotone_constraints"] = [int((monotone or {}).get(name, 0)) for name in design.columns]
    fixed = {
        "objective": "binary", "metric": "binary_logloss", "seed": design.seed, "deterministic": True,
        "force_row_wise": True, "num_threads": 2, "verbosity": -1,
    }  # fmt: skip
    data = lightgbm.Dataset(
        checked(train.x, design.columns), train.y, weight=train.weight, feature_name=list(design.columns),
        params={**settings, **fixed},
    )  # fmt: skip
    held = lightgbm.Dataset(validation.x, validation.y, weight=validation.weight, reference=data)
    booster = lightgbm.train(
        {**settings, **fixed}, data, rounds, valid_sets=[held],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )  # fmt: skip
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    margin = np.asarray(lightgbm.Booster(model_str=text).predict(validation.x, raw_score=True))
    calibration = calibrate(margin, validation.y, seed=design.seed)
    manifest = design.manifest("tabular", params=settings, calibration=calibration.kind)
    return Artifact(manifest, {"trees.txt": text.encode(), "calibration.npy": array_bytes(calibration.numbers)})
