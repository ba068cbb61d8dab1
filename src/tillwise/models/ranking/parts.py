"""The parts of a blend: what each one scores from, and how its raw scores become comparable."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import ArtifactDamaged
from tillwise.models.ranking.history import Decay
from tillwise.models.ranking.item_weights import ItemWeights
from tillwise.vocabulary.canonical import Json

Scores = NDArray[np.float32]


class Kind(StrEnum):
    """Where a part's scores come from."""

    NEIGHBOURS = "neighbours"
    """Item-to-item weights (kNN, RP3β, EASE, next): profile · W."""
    FACTORS = "factors"
    """Item factors, the person folded in."""
    OWN = "own"
    """What the person did before, times how often that item is bought again."""
    POPULAR = "popular"
    """Purchases in the last days, from the item snapshot."""
    CONTENT = "content"
    """Shared category and brand, from the item snapshot; works for items nobody has touched."""


@dataclass(frozen=True, slots=True)
class PartSpec:
    """One part: its name, kind, weight in the blend, how a history fades for it, and numbers of its own.

    `window` is the days of a POPULAR part.
    """

    name: str
    kind: Kind
    weight: float = 0.0
    decay: Decay = field(default_factory=Decay)
    window: int = 0

    def describe(self) -> Json:
        """Return the spec for a manifest."""
        return {
            "name": self.name, "kind": self.kind.value, "weight": self.weight, "decay": self.decay.describe(),
            "window": self.window,
        }  # fmt: skip

    @classmethod
    def read(cls, value: Json) -> PartSpec:
        """Return the spec of a manifest; raise ArtifactDamaged when it is none."""
        try:
            return cls(
                name=str(value["name"]), kind=Kind(value["kind"]), weight=float(value["weight"]),
                decay=Decay.read(value["decay"]), window=int(value["window"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactDamaged(f"a part of the blend cannot be read: {error}; train again") from error


def scale(raw: Scores, kind: Kind) -> float:
    """Return what raw scores of one request are divided by: their spread over all items, or, for OWN, their maximum.

    Subtracting the mean would move every item alike, so it is left out and an untouched item keeps the score 0.
    """
    if not len(raw):
        return 1.0
    wide = raw.astype(np.float64)
    spread = float(wide.max()) if kind is Kind.OWN else math.sqrt(max(wide @ wide / len(wide) - wide.mean() ** 2, 0.0))
    return spread if spread > 1e-9 else 1.0


def scales(raw: Scores, kind: Kind) -> NDArray[np.float32]:
    """Return `scale` of every row."""
    spread = raw.max(axis=1) if kind is Kind.OWN else raw.std(axis=1, dtype=np.float64)
    return np.where(spread > 1e-9, spread, 1.0).astype(np.float32)


def neighbours(weights: ItemWeights, items: NDArray[np.int64], profile: NDArray[np.float32]) -> Scores:
    """Return Σ profile[i] · W[items[i], :] as a dense vector."""
    size = weights.shape[1]
    if not len(items):
        return np.zeros(size, dtype=np.float32)
    columns, values, _ = _rows(weights, items, profile)
    return np.bincount(columns, weights=values, minlength=size).astype(np.float32)


def neighbour_shares(
    weights: ItemWeights, items: NDArray[np.int64], profile: NDArray[np.float32], wanted: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return history × wanted: what each touched item adds to the raw score of each wanted one."""
    place = np.full(weights.shape[1], -1, dtype=np.int32)
    place[wanted] = np.arange(len(wanted))
    columns, values, sizes = _rows(weights, items, profile)
    at = place[columns]
    known = np.flatnonzero(at >= 0)
    shares = np.zeros((len(items), len(wanted)))
    shares[np.repeat(np.arange(len(items)), sizes)[known], at[known]] = values[known]
    return shares


def _rows(
    weights: ItemWeights, items: NDArray[np.int64], profile: NDArray[np.float32]
) -> tuple[NDArray[np.int32], Scores, NDArray[np.int64]]:
    """Return the columns and weighted values of some rows, one after the other, and the rows' sizes."""
    starts, ends = weights.indptr[items], weights.indptr[items + 1]
    sizes = (ends - starts).astype(np.int64)
    first = np.cumsum(sizes) - sizes
    index = np.repeat(starts - first, sizes) + np.arange(int(sizes.sum()))
    return weights.indices[index], weights.data[index] * np.repeat(profile, sizes), sizes
