"""Learning a blend: fit the item models on the past, choose decays and weights on the validation slice, refit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tillwise.features.snapshots import ItemSnapshot
from tillwise.models.ranking.als import AlsSettings, FoldIn, fit_als
from tillwise.models.ranking.components import Components
from tillwise.models.ranking.ease import EaseSettings, NextSettings, fit_ease, fit_next
from tillwise.models.ranking.history import Decay, Histories
from tillwise.models.ranking.knn import KnnSettings, fit_knn
from tillwise.models.ranking.metrics import Lists, top
from tillwise.models.ranking.parts import Kind, PartSpec, Scores, scales
from tillwise.models.ranking.rp3 import Rp3Settings, fit_rp3
from tillwise.models.ranking.tuning import Pool, choose_weights, joined, pool_of
from tillwise.vocabulary.canonical import Json

DECAYS = (Decay(step=0.4), Decay(step=0.6), Decay(step=0.8))
CHOOSERS = 3000
"""People that weights and decays are chosen on: more do not move the choice, only the time."""
HEAD = 10_000
"""Items that weights and decays are chosen on."""
CHUNK = 256
"""People scored at once: bounds memory to CHUNK × items floats per part."""


@dataclass(frozen=True, slots=True)
class BlendSettings:
    """Which parts there are and how each is learnt; None leaves a part out."""

    knn: KnnSettings | None = field(default_factory=KnnSettings)
    rp3: Rp3Settings | None = field(default_factory=Rp3Settings)
    ease: EaseSettings | None = field(default_factory=EaseSettings)
    follow: NextSettings | None = None
    als: AlsSettings | None = field(default_factory=AlsSettings)
    windows: tuple[int, ...] = (7, 30)
    content: bool = True
    own: bool = True
    decays: tuple[Decay, ...] = DECAYS
    newest: int = 300
    """Actions of a person that pairs are made of; older ones still count for factors and popularity."""

    def describe(self) -> Json:
        """Return the settings for a manifest."""
        plain: Json = msgspec.to_builtins(self)
        return plain

    def parts(self) -> tuple[PartSpec, ...]:
        """Return the parts, all with weight 0 and the first decay."""
        decay = self.decays[0]
        names = [name for name in ("knn", "rp3", "ease", "follow") if getattr(self, name) is not None]
        parts = [PartSpec(name, Kind.NEIGHBOURS, decay=decay) for name in names]
        if self.als is not None:
            parts.append(PartSpec("als", Kind.FACTORS, decay=decay))
        if self.own:
            parts.append(PartSpec("own", Kind.OWN, decay=decay))
        if self.content:
            parts.append(PartSpec("content", Kind.CONTENT, decay=decay))
        parts += [PartSpec(f"popular_{days}d", Kind.POPULAR, window=days) for days in self.windows]
        return tuple(parts)


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """People to choose or judge on: what they had done, what they wanted next, and the item snapshot of that moment.

    `repeats` False hides what somebody already did from their list.
    """

    histories: Histories
    wanted: Sequence[frozenset[int]]
    items: ItemSnapshot
    repeats: bool = True


def fit_components(
    histories: Histories, codes: NDArray[np.int64], settings: BlendSettings, seed: int,
    side: sp.csr_matrix | None = None, step: Callable[[str], None] = lambda _: None,
) -> Components:  # fmt: skip
    """Learn every part from these histories over the items `codes`; `side` is attributes × items (0/1)."""
    items, recent = len(codes), histories.newest(settings.newest)
    weights: dict[str, sp.csr_matrix] = {}
    if settings.knn is not None:
        step("what is bought together")
        weights["knn"] = fit_knn(recent, items, settings.knn)
    if settings.rp3 is not None:
        step("walks through baskets")
        weights["rp3"] = fit_rp3(histories, items, settings.rp3)
    if settings.ease is not None:
        step("linear item model")
        weights["ease"] = fit_ease(recent, items, settings.ease, side)
    if settings.follow is not None:
        step("what comes next")
        weights["follow"] = fit_next(recent, items, settings.follow, side)
    fold = None
    if settings.als is not None:
        step("factors")
        factors = fit_als(histories, items, settings.als, seed)
        fold = FoldIn.of(factors, settings.als.penalty, settings.als.alpha)
    return Components(codes, weights, fold, bought_again(histories, items))


def bought_again(histories: Histories, items: int) -> Scores:
    """Return each item's share of people who took it at two or more moments, drawn towards the shop's own rate."""
    order = np.lexsort((histories.steps, histories.items, histories.people()))
    person, item, step = histories.people()[order], histories.items[order], histories.steps[order]
    pair = np.ones(len(order), dtype=bool)
    pair[1:] = (np.diff(person) != 0) | (np.diff(item) != 0)
    moment = pair.copy()
    moment[1:] |= np.diff(step) != 0
    times = np.bincount(np.cumsum(pair)[moment] - 1, minlength=int(pair.sum()))
    taken = item[pair]
    takers = np.bincount(taken, minlength=items)
    again = np.bincount(taken, weights=times > 1, minlength=items)
    rate = again.sum() / max(takers.sum(), 1)
    rates: Scores = ((again + 10 * rate) / (takers + 10)).astype(np.float32)
    return rates


def choose(
    components: Components, parts: Sequence[PartSpec], validation: Slice, settings: BlendSettings, seed: int, *, k: int
) -> tuple[tuple[PartSpec, ...], Mapping[str, float]]:
    """Return the parts with decays and weights chosen on the validation slice, and NDCG@k of each part and the blend.

    First each part's decay, by its own NDCG@k; then all weights together. At most CHOOSERS people, drawn with the
    seed, and the HEAD most frequent items of their histories take part: the choice needs no more.
    """
    components, validation = _head(components, _some(validation, CHOOSERS, seed))
    chosen = []
    alone: dict[str, float] = {}
    for part in parts:
        fades = part.kind is not Kind.POPULAR
        trials = [replace(part, decay=decay) for decay in settings.decays] if fades else [part]
        values = [_pool(components, (trial,), validation, k).ndcg(np.ones(1), k) for trial in trials]
        best = int(np.argmax(values))
        chosen.append(trials[best])
        alone[part.name] = values[best]
    weights, reached = choose_weights(_pool(components, chosen, validation, 5 * k), k, seed)
    weighted = tuple(replace(part, weight=float(w)) for part, w in zip(chosen, weights, strict=True))
    return weighted, {**alone, "blend": reached}


def _pool(components: Components, parts: Sequence[PartSpec], people: Slice, depth: int) -> Pool:
    pools = []
    for rows in _chunks(people.histories.rows):
        histories = people.histories.take(rows)
        scaled = [_scaled(components, part, histories, people.items) for part in parts]
        wanted = [people.wanted[row] for row in rows.tolist()]
        pools.append(pool_of(scaled, wanted, _hidden(histories, people, len(components.codes)), depth))
    return joined(pools)


def _scaled(components: Components, part: PartSpec, histories: Histories, items: ItemSnapshot) -> NDArray[np.float32]:
    raw = components.many(part, histories, items)
    scaled: NDArray[np.float32] = raw / scales(raw, part.kind)[:, np.newaxis]
    return scaled


def _some(people: Slice, most: int, seed: int) -> Slice:
    if people.histories.rows <= most:
        return people
    rows = np.sort(np.random.default_rng(seed).choice(people.histories.rows, most, replace=False)).astype(np.int64)
    return replace(people, histories=people.histories.take(rows), wanted=[people.wanted[row] for row in rows.tolist()])


def _head(components: Components, people: Slice) -> tuple[Components, Slice]:
    size = len(components.codes)
    if size <= HEAD:
        return components, people
    head = people.histories.head(size, HEAD)
    places = {item: place for place, item in enumerate(head.tolist())}
    wanted = [frozenset(places[item] for item in want if item in places) for want in people.wanted]
    fold = components.fold
    smaller = Components(
        components.codes[head],
        {name: matrix[head][:, head] for name, matrix in components.weights.items()},
        None if fold is None else replace(fold, factors=fold.factors[head]),
        components.again[head],
    )
    items, histories = people.items.take(head), people.histories.within(head, size)
    return smaller, replace(people, histories=histories, wanted=wanted, items=items)


def _hidden(histories: Histories, people: Slice, items: int) -> NDArray[np.bool_] | None:
    if people.repeats:
        return None
    hidden = np.zeros((histories.rows, items), dtype=bool)
    hidden[histories.people(), histories.items] = True
    return hidden


def _chunks(rows: int) -> list[NDArray[np.int64]]:
    return [np.arange(start, min(start + CHUNK, rows)) for start in range(0, rows, CHUNK)]


def lists_of(components: Components, parts: Sequence[PartSpec], people: Slice, k: int) -> Lists:
    """Return the k best items of each person by full sort over all items."""
    lists = []
    for rows in _chunks(people.histories.rows):
        histories = people.histories.take(rows)
        total = np.zeros((len(rows), len(components.codes)), dtype=np.float32)
        for part in parts:
            if part.weight:
                total += np.float32(part.weight) * _scaled(components, part, histories, people.items)
        hidden = _hidden(histories, people, len(components.codes))
        if hidden is not None:
            total[hidden] = -np.inf
        lists.append(top(total, k))
    return np.concatenate(lists)
