"""What a blend has learnt about items: weights between items, factors, and how often each is bought again.

Nothing in here belongs to a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import ArtifactDamaged
from tillwise.features.snapshots import ItemSnapshot
from tillwise.models.arrays import array_bytes, read_array
from tillwise.models.artifact import Artifact
from tillwise.models.ranking.als import FoldIn
from tillwise.models.ranking.history import Histories
from tillwise.models.ranking.item_weights import Files, ItemWeights, as_matrix, read_sparse, sparse_files
from tillwise.models.ranking.parts import Kind, PartSpec, Scores, neighbours

if TYPE_CHECKING:
    import scipy.sparse as sp  # half a second to import, and only learning needs it: a server starts without

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Learnt arrays over the items `codes` (sorted). `again` is each item's rate of being bought again, 0 to 1."""

    codes: NDArray[np.int64]
    weights: Mapping[str, ItemWeights]
    fold: FoldIn | None
    again: Scores

    def many(self, part: PartSpec, histories: Histories, items: ItemSnapshot) -> Matrix:
        """Return people × items raw scores; `items` must list the same items as `codes`."""
        profiles = histories.matrix(part.decay, len(self.codes))
        match part.kind:
            case Kind.NEIGHBOURS:
                scores = (profiles @ as_matrix(self.weights[part.name])).toarray()
            case Kind.FACTORS:
                scores = self.vectors(profiles) @ self.factors.T
            case Kind.OWN:
                scores = profiles.toarray() * self.again
            case Kind.POPULAR:
                scores = np.tile(items.popular(part.window), (histories.rows, 1))
            case Kind.CONTENT:
                scores = np.stack([content(row, items) for row in _rows(profiles)])
        return np.asarray(scores, dtype=np.float32)

    @property
    def factors(self) -> Matrix:
        """Return the item factors; zeros of width 1 when none were learnt."""
        return np.zeros((len(self.codes), 1), dtype=np.float32) if self.fold is None else self.fold.factors

    def vectors(self, profiles: sp.csr_matrix) -> Matrix:
        """Return people × factors."""
        if self.fold is None:
            return np.zeros((profiles.shape[0], 1), dtype=np.float32)
        return self.fold.vectors(profiles)

    def one(self, part: PartSpec, touched: NDArray[np.int64], profile: Scores) -> Scores:
        """Return the raw scores of one person over `codes`, for a part that is learnt."""
        if part.kind is Kind.NEIGHBOURS:
            return neighbours(self.weights[part.name], touched, profile)
        if self.fold is None or not len(touched):
            return np.zeros(len(self.codes), dtype=np.float32)
        scores: Scores = self.fold.factors @ self.fold.vector(touched, profile)
        return scores

    def files(self) -> Files:
        """Return the arrays as files of an artifact."""
        files = {"codes.npy": array_bytes(self.codes), "again.npy": array_bytes(self.again)}
        for name, matrix in sorted(self.weights.items()):
            files |= sparse_files(name, matrix)
        if self.fold is not None:
            files["factors.npy"] = array_bytes(self.fold.factors)
        return files

    @classmethod
    def load(cls, artifact: Artifact, parts: tuple[PartSpec, ...]) -> Components:
        """Read the arrays back; raise ArtifactDamaged when they do not fit together."""
        codes = read_array(artifact, "codes.npy")
        again = read_array(artifact, "again.npy")
        weights = {p.name: read_sparse(artifact, p.name, len(codes)) for p in parts if p.kind is Kind.NEIGHBOURS}
        fold = None
        if any(part.kind is Kind.FACTORS for part in parts):
            factors = read_array(artifact, "factors.npy")
            if factors.ndim != 2 or len(factors) != len(codes):
                raise ArtifactDamaged(f"model {artifact.version}: the factors do not fit the items; train again")
            als = artifact.manifest["params"]["als"]
            fold = FoldIn.of(factors, float(als["penalty"]), float(als["alpha"]))
        if again.shape != codes.shape or codes.ndim != 1:
            raise ArtifactDamaged(f"model {artifact.version}: the rates do not fit the items; train again")
        return cls(codes, weights, fold, again)


def _rows(profiles: sp.csr_matrix) -> list[tuple[NDArray[np.int64], Scores]]:
    spans = [slice(profiles.indptr[row], profiles.indptr[row + 1]) for row in range(profiles.shape[0])]
    return [(profiles.indices[span].astype(np.int64), profiles.data[span].astype(np.float32)) for span in spans]


def content(profile: tuple[NDArray[np.int64], Scores], items: ItemSnapshot) -> Scores:
    """Return, per item, the shares of the person's attention that lie on its category and on its brand, 0 to 2."""
    touched, worth = profile
    total = float(worth.sum())
    scores = np.zeros(len(items), dtype=np.float32)
    if total <= 0:
        return scores
    for places in (items.category_places, items.brand_places):
        share = np.bincount(places[touched], weights=worth / total, minlength=int(places.max(initial=0)) + 1)
        share[0] = 0.0
        scores += share.astype(np.float32)[places]
    return scores
