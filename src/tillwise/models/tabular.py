"""Boosted trees for a yes-or-no question: deterministic, calibrated, exactly explained, data only.

LightGBM (Ke et al., NeurIPS 2017); contributions are TreeSHAP (Lundberg et al., Nature Machine Intelligence 2020).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np

from tillwise.errors import InvalidInput
from tillwise.models.arrays import array_bytes, read_array
from tillwise.models.artifact import Artifact
from tillwise.models.calibration import Calibration, calibrate
from tillwise.models.model import Design, Matrix, Rows, Vector, checked, column_names, file_of
from tillwise.models.tree_shap import TreeShap
from tillwise.models.trees import Trees
from tillwise.vocabulary.canonical import Json

DEFAULTS: Final[Json] = {
    "num_leaves": 31,
    "max_depth": 6,
    "learning_rate": 0.05,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
}
ROUNDS: Final = 300
PATIENCE: Final = 40
"""Rounds without a better validation loss after which fitting stops."""


class TabularModel:
    """Trees and their calibration."""

    kind: ClassVar[str] = "tabular"

    def __init__(self, trees: Trees, calibration: Calibration, columns: tuple[str, ...]) -> None:
        self._trees = trees
        self._building = threading.Lock()
        self._explainer: TreeShap | Trees | None = None
        self._calibration = calibration
        self.columns = columns

    def margin(self, x: Matrix) -> Vector:
        """Return n raw log-odds, before calibration."""
        return self._trees.margin(checked(x, self.columns))

    def predict(self, x: Matrix) -> Vector:
        """Return n calibrated probabilities."""
        return self._calibration.probability(self.margin(x))

    def contributions(self, x: Matrix) -> Vector:
        """Return n × (f + 1) TreeSHAP values: they sum to the log-odds before calibration."""
        return self.ready().contributions(checked(x, self.columns))

    def ready(self) -> TreeShap | Trees:
        """Build the tables that make explanations fast, once; a server calls this before its first decision."""
        if self._explainer is None:
            with self._building:
                self._explainer = self._explainer or TreeShap.of(self._trees.text, len(self.columns)) or self._trees
        return self._explainer

    @classmethod
    def load(cls, artifact: Artifact) -> TabularModel:
        """Read trees and calibration."""
        columns = column_names(artifact)
        calibration = Calibration(artifact.manifest.get("calibration", ""), read_array(artifact, "calibration.npy"))
        return cls(Trees(file_of(artifact, "trees.txt"), len(columns)), calibration, columns)


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

    `params` replaces DEFAULTS by LightGBM's names; `monotone` maps a column to 1 (more never lowers the probability)
    or −1 (never raises it). Without validation rows all `rounds` are fitted and nothing is calibrated. The same rows
    and seed give the same bytes, whatever the number of threads. Raises InvalidInput when `train` holds one outcome
    only: then there is nothing to tell apart.
    """
    if len(np.unique(train.y)) < 2:
        raise InvalidInput("every label is the same: there is nothing to learn yet")
    settings = {**DEFAULTS, **(params or {}), "rounds": rounds}
    if monotone:
        settings["monotone"] = {name: int(sign) for name, sign in sorted(monotone.items())}
    text = _boost(design, train, validation, settings)
    margin = Trees(text, len(design.columns)).margin(checked(validation.x, design.columns))
    calibration = calibrate(margin, validation.y, weight=validation.weight, seed=design.seed)
    manifest = design.manifest(TabularModel.kind, params=settings, calibration=calibration.kind)
    return Artifact(manifest, {"trees.txt": text, "calibration.npy": array_bytes(calibration.numbers)})


def _boost(design: Design, train: Rows, validation: Rows, settings: Json, *, threads: int = 0) -> bytes:
    """Return the trees as text, without the parameters LightGBM appends: the manifest says what decided them."""
    import lightgbm  # noqa: PLC0415 - answering needs only the C interface; the package costs a server its start

    constraints = settings.get("monotone", {})
    unknown = set(constraints) - set(design.columns)
    if unknown:
        raise InvalidInput(f"monotone names '{min(unknown)}', which is no column of {design.use_case}")
    params = {
        **{name: value for name, value in settings.items() if name not in ("rounds", "monotone")},
        "monotone_constraints": [constraints.get(name, 0) for name in design.columns] if constraints else None,
        "objective": "binary", "metric": "binary_logloss", "seed": design.seed, "deterministic": True,
        "force_row_wise": True, "num_threads": threads or _threads(len(train.y)), "verbosity": -1,
    }  # fmt: skip
    names = [f"column_{place}" for place in range(len(design.columns))]
    data = lightgbm.Dataset(checked(train.x, design.columns), train.y, weight=train.weight, feature_name=names)
    held = lightgbm.Dataset(checked(validation.x, design.columns), validation.y, weight=validation.weight)
    enough = len(validation.y) > 0
    booster = lightgbm.train(
        params,
        data,
        settings["rounds"],
        valid_sets=[held.set_reference(data)] if enough else None,
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)] if enough else None,
    )
    text = str(booster.model_to_string(num_iteration=booster.best_iteration if enough else -1))
    return text[: text.index("\nparameters:")].encode()


def _threads(rows: int) -> int:
    """Return how many threads pay off; the bytes are the same for any number."""
    return 2 if rows > 20_000 else 1
