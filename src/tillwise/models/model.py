"""A model of a yes-or-no question: what every kind promises, whatever is inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import ArtifactDamaged, InvalidInput
from tillwise.models.artifact import Artifact
from tillwise.vocabulary.canonical import Json

Matrix = NDArray[np.float32]
Vector = NDArray[np.float64]

FAR: Final = 8.0
"""A standardised value beyond this many deviations counts as this many: one wild row must not decide."""


class Model(Protocol):
    """A released answer to one question.

    Scores and explanations belong together: `predict(x) = calibrate(contributions(x).sum(axis=1))` for one increasing
    function `calibrate`, so that the signs and shares of the contributions hold for the probability as well.
    """

    kind: ClassVar[str]
    columns: tuple[str, ...]

    def predict(self, x: Matrix) -> Vector:
        """Return n probabilities for n × f values (NaN = unknown); raise InvalidInput for another width."""
        ...

    def contributions(self, x: Matrix) -> Vector:
        """Return n × (f + 1) exact contributions in log-odds; the last column is what holds for everyone."""
        ...

    @classmethod
    def load(cls, artifact: Artifact) -> Model:
        """Build the model from its files; raise ArtifactDamaged when they do not fit together."""
        ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to learn from: n × f values (NaN = unknown), n labels 0 or 1, and n weights (None = all equal)."""

    x: Matrix
    y: Vector
    weight: Vector | None = None

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or len(self.x) != len(self.y):
            raise InvalidInput(f"{self.x.shape} values do not fit {len(self.y)} labels")
        if self.weight is not None and len(self.weight) != len(self.y):
            raise InvalidInput(f"{len(self.weight)} weights do not fit {len(self.y)} labels")
        if not np.isin(self.y, (0.0, 1.0)).all():
            raise InvalidInput("a label is 0 or 1")


@dataclass(frozen=True, slots=True)
class Design:
    """What is learnt from what; all of it goes into the manifest and so into the model's name.

    `features` is the definition hash of the columns, `data` the window and log positions of the training table.
    """

    use_case: str
    columns: tuple[str, ...]
    features: str
    seed: int = 7
    data: Json | None = None

    def manifest(self, kind: str, **more: object) -> Json:
        """Return the manifest of an artifact of this kind."""
        return {
            "format": 1,
            "kind": kind,
            "use_case": self.use_case,
            "columns": list(self.columns),
            "features": self.features,
            "seed": self.seed,
            "data": self.data or {},
            **more,
        }


def checked(x: Matrix, columns: tuple[str, ...]) -> Matrix:
    """Return `x` as n × f float32 values; raise InvalidInput when a column is missing or too many."""
    values = np.asarray(x, dtype=np.float32)
    if values.ndim != 2 or values.shape[1] != len(columns):
        raise InvalidInput(f"the model reads {len(columns)} columns, got values of shape {values.shape}")
    return values


def column_names(artifact: Artifact) -> tuple[str, ...]:
    """Return the columns a manifest names; raise ArtifactDamaged when it names none."""
    names = artifact.manifest.get("columns")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ArtifactDamaged(f"model {artifact.version}: its manifest names no columns; train again")
    return tuple(names)


def file_of(artifact: Artifact, name: str) -> bytes:
    """Return a file of an artifact; raise ArtifactDamaged when it has none of that name."""
    try:
        return artifact.files[name]
    except KeyError:
        raise ArtifactDamaged(f"model {artifact.version}: {name} is missing; restore it or train again") from None


def importances(model: Model, x: Matrix, *, rows: int = 2000) -> dict[str, float]:
    """Return each column's share of the mean absolute contributions over (at most `rows` evenly spaced) rows of x."""
    step = max(1, len(x) // rows)
    weight = np.abs(model.contributions(x[::step])[:, :-1]).mean(axis=0) if len(x) else np.zeros(len(model.columns))
    total = float(weight.sum()) or 1.0
    return {name: float(value) / total for name, value in zip(model.columns, weight, strict=True)}
