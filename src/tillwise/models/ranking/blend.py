"""The blend: several item models, each made comparable per request, added up with weights from the validation slice.

The score is the exact sum of its parts, and each part that reads a history can say which past item said most of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tillwise.features.snapshots import ItemSnapshot
from tillwise.models.artifact import Artifact
from tillwise.models.ranking.components import Components, content
from tillwise.models.ranking.history import Decay, Histories
from tillwise.models.ranking.parts import Kind, PartSpec, Scores, neighbour_shares, scale
from tillwise.models.score import Part
from tillwise.vocabulary.canonical import Json

DECIMALS = 6
"""Parts are rounded to this, so that the last bit of a processor's sums never decides what a receipt says."""

LEARNT = (Kind.NEIGHBOURS, Kind.FACTORS)
"""Parts scored over the model's own items; the others are scored over the snapshot's."""


class Action(NamedTuple):
    """One thing a person did: item code, how much it says, later moments of the same person, age in days."""

    item: int
    weight: float
    step: int
    days: float


@dataclass(frozen=True, slots=True, eq=False)
class _Scaled:
    spec: PartSpec
    scores: Scores
    touched: NDArray[np.int64]
    profile: Scores


class Blended:
    """Scores of one request over all n items of a snapshot. `total` is float32; `parts` are exact for chosen items."""

    def __init__(self, model: BlendModel, items: ItemSnapshot, scaled: Sequence[_Scaled]) -> None:
        self._model = model
        self._places = model.places(items)
        self._scaled = scaled
        ours: Scores = np.zeros(len(model.components.codes) + 1, dtype=np.float32)
        self.total: Scores = model.popularity(items).copy()
        for part in scaled:
            if part.spec.kind in LEARNT:
                ours[:-1] += part.scores
            elif part.spec.kind is Kind.OWN:
                self.total[part.touched] += part.scores[part.touched]
            elif part.spec.kind is not Kind.POPULAR:
                self.total += part.scores
        self.total += ours[self._places]

    def parts(self, chosen: NDArray[np.int64], *, sources: bool) -> list[tuple[Part, ...]]:
        """Return each chosen item's parts that are not 0; with `sources`, and the past item that said most of it."""
        listed: list[list[Part]] = [[] for _ in range(len(chosen))]
        for part in self._scaled:
            name = part.spec.name
            amounts = np.round(self._amounts(part, chosen), DECIMALS).tolist()
            origins = self._origins(part, chosen) if sources else [None] * len(chosen)
            for row, amount, origin in zip(listed, amounts, origins, strict=True):
                if amount:
                    row.append(Part(name, origin, amount))
        return [tuple(parts) for parts in listed]

    def _amounts(self, part: _Scaled, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        if part.spec.kind not in LEARNT:
            return part.scores[chosen].astype(np.float64)
        places = self._places[chosen]
        known = places < len(part.scores)
        amounts = np.zeros(len(chosen))
        amounts[known] = part.scores[places[known]]
        return amounts

    def _origins(self, part: _Scaled, chosen: NDArray[np.int64]) -> list[int | None]:
        model = self._model
        origins: list[int | None] = [None] * len(chosen)
        if part.spec.kind not in LEARNT or not len(part.touched):
            return origins
        places = self._places[chosen]
        known = np.flatnonzero(places < len(model.components.codes))
        if part.spec.kind is Kind.NEIGHBOURS:
            weights = model.components.weights[part.spec.name]
            shares = neighbour_shares(weights, part.touched, part.profile, places[known])
        elif model.components.fold is not None:
            shares = model.components.fold.shares(part.touched, part.profile, places[known])
        sources = model.components.codes[part.touched[shares.argmax(axis=0)]]
        spoke = shares.max(axis=0) > 0
        for row, source, speaks in zip(known.tolist(), sources.tolist(), spoke.tolist(), strict=True):
            if speaks:
                origins[row] = source
        return origins


def total_of(parts: Sequence[Part]) -> float:
    """Return the score: the exactly rounded sum of the parts."""
    return math.fsum([part.amount for part in parts])


class BlendModel:
    """A released ranking. Holds item parameters only; people are folded in from what they did."""

    kind: ClassVar[str] = "ranking_blend"

    def __init__(self, components: Components, parts: tuple[PartSpec, ...]) -> None:
        self.components = components
        self.parts = tuple(part for part in parts if part.weight)
        self._laid: _Laid | None = None

    @classmethod
    def load(cls, artifact: Artifact) -> BlendModel:
        """Read a blend; raise ArtifactDamaged when its files do not fit together."""
        parts = tuple(PartSpec.read(part) for part in artifact.manifest["parts"])
        return cls(Components.load(artifact, parts), parts)

    def artifact(self, manifest: Json) -> Artifact:
        """Return the blend as an artifact; `manifest` says use case, seed, data window and learning parameters."""
        parts = [part.describe() for part in self.parts]
        return Artifact(manifest={**manifest, "kind": self.kind, "parts": parts}, files=self.components.files())

    def places(self, items: ItemSnapshot) -> NDArray[np.int64]:
        """Return, for each item of the snapshot, its place among the model's items; one past the end when unknown."""
        return self._lay(items).places

    def popularity(self, items: ItemSnapshot) -> Scores:
        """Return the sum of the popularity parts: the same for everybody."""
        return self._lay(items).popularity

    def score(self, actions: Sequence[Action], items: ItemSnapshot) -> Blended:
        """Score every item of the snapshot for somebody who did `actions` (none = nobody known)."""
        laid = self._lay(items)
        wanted = np.array([action.item for action in actions], dtype=np.int64)
        said = np.array([action[1:] for action in actions], dtype=np.float64).reshape(-1, 3)
        ours, theirs = (_touched(wanted, said, codes) for codes in (self.components.codes, items.codes))
        scaled = []
        for part in self.parts:
            if part.kind is Kind.POPULAR:
                scaled.append(laid.popular[part.name])
                continue
            known = ours if part.kind in LEARNT else theirs
            touched, profile = known.items, known.worth(part.decay)
            if part.kind is Kind.CONTENT:
                raw = content((touched, profile), items)
            elif part.kind is Kind.OWN:
                raw = np.zeros(len(items), dtype=np.float32)
                raw[touched] = profile * laid.again[touched]
            else:
                raw = self.components.one(part, touched, profile)
            scaled.append(_Scaled(part, raw * np.float32(part.weight / scale(raw, part.kind)), touched, profile))
        return Blended(self, items, scaled)

    def _lay(self, items: ItemSnapshot) -> _Laid:
        laid = self._laid
        if laid is None or laid.name != items.name:
            laid = self._laid = _Laid.of(self.components, self.parts, items)
        return laid


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    """What the model says of a snapshot's items whoever asks; computed once per snapshot."""

    name: str
    places: NDArray[np.int64]
    again: Scores
    popular: Mapping[str, _Scaled]
    popularity: Scores

    @classmethod
    def of(cls, components: Components, parts: Sequence[PartSpec], items: ItemSnapshot) -> _Laid:
        codes = components.codes
        found = np.searchsorted(codes, items.codes)
        known = np.zeros(len(items), dtype=bool)
        if len(codes):
            known = codes[np.minimum(found, len(codes) - 1)] == items.codes
        places = np.where(known, found, len(codes)).astype(np.int64)
        rate = components.again.mean() if len(codes) else 0.0
        popularity: Scores = np.zeros(len(items), dtype=np.float32)
        popular, nobody = {}, np.empty(0, dtype=np.int64)
        for part in parts:
            if part.kind is Kind.POPULAR:
                raw = items.popular(part.window)
                scores = raw * np.float32(part.weight / scale(raw, part.kind))
                popular[part.name] = _Scaled(part, scores, nobody, np.empty(0, dtype=np.float32))
                popularity += scores
        return cls(items.name, places, np.append(components.again, np.float32(rate))[places], popular, popularity)


@dataclass(frozen=True, slots=True, eq=False)
class _Touched:
    """The distinct items of one person, as places among some codes, and which of them each action is about."""

    items: NDArray[np.int64]
    history: Histories
    place: NDArray[np.int64]

    def worth(self, decay: Decay) -> Scores:
        """Return what each item is worth after fading."""
        values = self.history.values(decay)
        worth = np.bincount(self.place, weights=values, minlength=len(self.items)).astype(np.float32)
        if decay.power != 1.0:
            worth **= np.float32(decay.power)
        return worth


def _touched(wanted: NDArray[np.int64], said: NDArray[np.float64], codes: NDArray[np.int64]) -> _Touched:
    """Look the actions' items up among `codes`, which are sorted; items that are not there are left out."""
    found = np.minimum(np.searchsorted(codes, wanted), max(len(codes) - 1, 0))
    known = codes[found] == wanted if len(codes) else np.zeros(len(wanted), dtype=bool)
    history = Histories.one(np.column_stack([found, said])[known])
    items, place = np.unique(history.items, return_inverse=True)
    return _Touched(items, history, place)
