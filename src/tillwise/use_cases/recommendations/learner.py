"""Learns what to show: purchases of the next days, a time split, a full sort, and a test period nobody looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tillwise.errors import InvalidInput
from tillwise.features.feature import DAY
from tillwise.features.snapshots import UNKNOWN, ItemSnapshot, boundary, build
from tillwise.jobs.learning import DataWindow, Evaluation, Learned, Material
from tillwise.models.artifact import Artifact
from tillwise.models.ranking.als import AlsSettings
from tillwise.models.ranking.behaviour import Behaviour
from tillwise.models.ranking.blend import BlendModel
from tillwise.models.ranking.choosing import Slice, choose
from tillwise.models.ranking.components import Components
from tillwise.models.ranking.ease import EaseSettings
from tillwise.models.ranking.fit import BlendSettings, fit_components
from tillwise.models.ranking.history import Decay
from tillwise.models.ranking.item_weights import as_matrix
from tillwise.models.ranking.knn import KnnSettings
from tillwise.models.ranking.parts import Kind, PartSpec
from tillwise.use_cases.recommendations.judging import K, alone, baselines_of, judge, plain, said
from tillwise.use_cases.recommendations.material import head_of, read_behaviour
from tillwise.use_cases.recommendations.policy import RecommendationPolicy
from tillwise.use_cases.recommendations.steps import FEATURES

HORIZON: Final = 28 * DAY
DAYS: Final = 365
SETTINGS: Final = BlendSettings(
    knn=KnnSettings(keep=100),
    rp3=None,
    ease=EaseSettings(penalty=200.0, side=1.0, head=3000, keep=300),
    als=AlsSettings(factors=64, iterations=10),
    decays=(
        Decay(step=0.8),
        Decay(step=0.95),
        Decay(half_life=30.0),
        Decay(half_life=90.0),
        Decay(half_life=90.0, power=0.5),
    ),
)


@dataclass(frozen=True, slots=True)
class Split:
    """Moments that cut the log: fit before `validation`, choose on [validation, test), judge on [test, end)."""

    start: int
    validation: int
    test: int
    end: int


@dataclass(frozen=True)
class RecommendationLearner:
    """Learns and judges the ranking (see jobs/learning.py). `settings` say which parts the blend may use."""

    settings: BlendSettings = field(default_factory=lambda: SETTINGS)
    horizon: int = HORIZON

    def learn(self, material: Material) -> Learned:
        """Fit, choose on the last period before the test, fit again up to it, judge once.

        Raises InvalidInput when the log is too short or holds nobody's purchases.
        """
        log = _Log.read(material)
        split = self._split(log)
        material.progress.start(0, "fit on the past")
        first = log.fit(split.validation, self.settings, material)
        _, validation = log.people(split.validation, split.test)
        material.progress.start(0, "choose decays and weights on the validation period")
        parts, found = choose(first, self.settings.parts(), validation, self.settings, material.seed, k=K)
        material.progress.start(0, "fit again, up to the test period")
        final = log.fit(split.test, self.settings, material)
        material.progress.start(0, "judge on the test period")
        people, test = log.people(split.test, split.end)
        window = log.window(split, validation, test)
        artifacts = self._artifacts(final, parts, window, material)
        evaluation = judge(
            [(name, BlendModel.load(each)) for name, each in artifacts], people, test, (split.test, split.end),
            material.seed,
        )  # fmt: skip
        model, *baselines = [artifact for _, artifact in artifacts]
        return Learned(
            model=model, baselines=tuple(baselines), evaluation=evaluation, window=window,
            importances={part.name: part.weight for part in parts}, meanings={part.name: said(part) for part in parts},
            chosen_by=(alone(parts, found),),
        )  # fmt: skip

    def evaluate(self, material: Material, artifact: Artifact, start: int, end: int) -> Evaluation:
        """Judge an artifact on purchases in [start, end); raises InvalidInput when nobody known bought anything."""
        log = _Log.read(material)
        people, test = log.people(start, end)
        if not len(people):
            raise InvalidInput("nobody with a history bought anything in this period: choose a longer one")
        contenders = [
            (name, over(BlendModel.load(each), log.items))
            for name, each in (("blend", artifact), *material.baselines.items())
        ]
        return judge(contenders, people, test, (start, end), material.seed)

    def _split(self, log: _Log) -> Split:
        at = log.behaviour.at[log.behaviour.item >= 0]
        if not len(at):
            raise InvalidInput("there are no purchases to learn from: import orders and a catalogue first")
        start, end = int(at.min()), int(at.max()) + 1
        horizon = min(self.horizon, (end - start) // 4)
        split = Split(start, end - 2 * horizon, end - horizon, end)
        for moment, until in ((split.validation, split.test), (split.test, split.end)):
            if not len(log.people(moment, until)[0]):
                raise InvalidInput("the log is too short: nobody bought again after their first purchases")
        return split

    def _artifacts(
        self, components: Components, parts: Sequence[PartSpec], window: DataWindow, material: Material
    ) -> list[tuple[str, Artifact]]:
        """Return the blend first, then the baselines, each with its name."""
        manifest = {
            "format": 1, "use_case": "recommendations", "features": FEATURES.hash, "columns": [],
            "seed": material.seed, "params": self.settings.describe(),
            "data": {"train": list(window.train), "head": window.head, "epoch": window.epoch},
        }  # fmt: skip
        contenders = [
            ("blend", components, tuple(parts)),
            *((name, plain(components), (part,)) for name, part in baselines_of(components)),
        ]
        return [(name, BlendModel(needed(own, each), each).artifact(manifest)) for name, own, each in contenders]


@dataclass(frozen=True, slots=True, eq=False)
class _Log:
    """The log as ranking learns it."""

    material: Material
    items: ItemSnapshot
    behaviour: Behaviour
    head: int
    epoch: int

    @classmethod
    def read(cls, material: Material) -> _Log:
        head = head_of(material)
        until = min(material.now, head.at + 1)
        material.progress.start(0, "read the catalogue and what people did")
        with material.store.snapshot() as snapshot:
            items = build(snapshot, until, head.epoch, past=True)
        return cls(material, items, read_behaviour(material, items, until), head.seq, head.epoch)

    def snapshot(self, moment: int) -> ItemSnapshot:
        """Return the items as they were at the boundary before `moment`, the same ones in the same order."""
        with self.material.store.snapshot() as snapshot:
            return then(self.items, build(snapshot, boundary(moment), self.epoch, past=True))

    def people(self, moment: int, end: int) -> tuple[NDArray[np.int64], Slice]:
        """Return who bought in [moment, end) and had a history before, what they knew of, and what they bought."""
        policy = RecommendationPolicy()
        known, _ = self.behaviour.before(moment, days=policy.history_days, limit=1)
        people = np.intersect1d(known, self.behaviour.buyers(moment, end))
        _, histories = self.behaviour.before(moment, days=policy.history_days, limit=policy.max_history, people=people)
        return people, Slice(histories, self.behaviour.bought_in(moment, end, people), self.snapshot(moment))

    def fit(self, moment: int, settings: BlendSettings, material: Material) -> Components:
        """Learn the parts from everything before `moment`."""
        _, histories = self.behaviour.before(moment, days=DAYS, limit=2000)
        step: Callable[[str], None] = lambda label: material.progress.start(0, label)  # noqa: E731
        return fit_components(histories, self.items.codes, settings, material.seed, attributes(self.items), step)

    def window(self, split: Split, validation: Slice, test: Slice) -> DataWindow:
        """Return which part of the log was used for what; rows are people, positives are purchases to find."""
        fitted = int((self.behaviour.at < split.validation).sum())
        return DataWindow(
            train=(split.start, split.validation), validation=(split.validation, split.test),
            test=(split.test, split.end), rows=(fitted, validation.histories.rows, test.histories.rows),
            head=self.head, epoch=self.epoch,
            positives=(fitted, sum(map(len, validation.wanted)), sum(map(len, test.wanted))),
        )  # fmt: skip


def then(items: ItemSnapshot, past: ItemSnapshot) -> ItemSnapshot:
    """Return `items` with the counts, prices and stock of a past moment.

    The two may list different ones: what no catalogue names is an item only while it sells.
    """
    place = np.searchsorted(past.codes, items.codes)
    known = np.isin(items.codes, past.codes)
    numbers = {"bought": 0, "viewed": 0, "price": UNKNOWN, "stock": UNKNOWN}
    found = {}
    for name, missing in numbers.items():
        found[name] = np.full_like(getattr(items, name), missing)
        found[name][known] = getattr(past, name)[place[known]]
    return replace(items, boundary=past.boundary, epoch=past.epoch, **found)


def attributes(items: ItemSnapshot) -> sp.csr_matrix:
    """Return attributes × items (0/1): every category and every brand is one attribute."""
    kinds = (items.category_places, items.brand_places)
    rows, columns, offset = [], [], 0
    for places in kinds:
        carried = np.flatnonzero(places > 0)
        rows.append(places[carried] + offset)
        columns.append(carried)
        offset += int(places.max(initial=0)) + 1
    ones = np.ones(sum(map(len, rows)), dtype=np.float32)
    return sp.csr_matrix((ones, (np.concatenate(rows), np.concatenate(columns))), shape=(offset, len(items)))


def needed(components: Components, parts: Sequence[PartSpec]) -> Components:
    """Return only what these parts score from."""
    used = {part.name for part in parts if part.weight}
    return replace(
        components,
        weights={name: matrix for name, matrix in components.weights.items() if name in used},
        fold=components.fold if any(part.weight and part.kind is Kind.FACTORS for part in parts) else None,
    )


def over(model: BlendModel, items: ItemSnapshot) -> BlendModel:
    """Return the model over the items of a snapshot."""
    same = np.array_equal(model.components.codes, items.codes)
    return model if same else BlendModel(aligned(model.components, items), model.parts)


def aligned(components: Components, items: ItemSnapshot) -> Components:
    """Return the components over the items of a snapshot; items the model does not know have zeros."""
    codes = components.codes
    found = np.minimum(np.searchsorted(codes, items.codes), max(len(codes) - 1, 0))
    known = np.flatnonzero(codes[found] == items.codes) if len(codes) else np.empty(0, dtype=np.int64)
    ones = np.ones(len(known), dtype=np.float32)
    move = sp.csr_matrix((ones, (known, found[known])), shape=(len(items), len(codes)))
    weights = {name: (move @ as_matrix(own) @ move.T).tocsr() for name, own in components.weights.items()}
    fold = None
    if components.fold is not None:
        fold = replace(components.fold, factors=np.asarray(move @ components.fold.factors, dtype=np.float32))
    again = np.full(len(items), components.again.mean() if len(codes) else 0, dtype=np.float32)
    again[known] = components.again[found[known]]
    return Components(items.codes, weights, fold, again)
