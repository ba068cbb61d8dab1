"""Learning a blend, second half: choose decays and weights on the validation slice, and make lists by full sort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tillwise.features.snapshots import ItemSnapshot
from tillwise.models.ranking.components import Components
from tillwise.models.ranking.fit import BlendSettings
from tillwise.models.ranking.history import Histories
from tillwise.models.ranking.item_weights import as_matrix
from tillwise.models.ranking.metrics import Lists, top
from tillwise.models.ranking.parts import Kind, PartSpec, scales
from tillwise.models.ranking.tuning import Pool, Worth, choose_weights, joined, pool_of

CHOOSERS = 1500
"""People that weights and decays are chosen on: more do not move the choice, only the time."""
HEAD = 10_000
"""Items that weights and decays are chosen on."""
CHUNK = 256
"""People scored at once: bounds memory to CHUNK × items floats per part."""
FINDING = 0.3
"""What lists of new things count beside whole lists when weights are chosen."""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """People to choose or judge on: what they had done, what they wanted next, and the item snapshot of that moment.

    `repeats` False hides what somebody already did from their list.
    """

    histories: Histories
    wanted: Sequence[frozenset[int]]
    items: ItemSnapshot
    repeats: bool = True


def choose(
    components: Components, parts: Sequence[PartSpec], validation: Slice, settings: BlendSettings, seed: int, *, k: int
) -> tuple[tuple[PartSpec, ...], Mapping[str, float]]:
    """Return the parts with decays and weights chosen on the validation slice, and NDCG@k of each part and the blend.

    First each part's decay, by its own NDCG@k; then all weights together. At most CHOOSERS people, drawn with the
    seed, and the HEAD most frequent items of their histories take part: the choice needs no more.
    """
    with threadpool_limits(1, "blas"):  # many small products: threads would only wait for each other
        return _choose(*_head(components, _some(validation, CHOOSERS, seed)), parts, settings, seed, k)


def _choose(
    components: Components, validation: Slice, parts: Sequence[PartSpec], settings: BlendSettings, seed: int, k: int
) -> tuple[tuple[PartSpec, ...], Mapping[str, float]]:
    finding = _finding(validation)
    chosen = []
    alone: dict[str, float] = {}
    for part in parts:
        fades = part.kind is not Kind.POPULAR
        trials = [replace(part, decay=decay) for decay in settings.decays] if fades else [part]
        where = validation if part.kind is Kind.OWN or finding is None else finding
        values = [_pool(components, (trial,), where, k).ndcg(np.ones(1), k) for trial in trials]
        best = int(np.argmax(values))
        chosen.append(trials[best])
        alone[part.name] = values[best]
    pool = _pool(components, chosen, validation, 5 * k)
    fresh = None if finding is None else _pool(components, chosen, finding, 5 * k)
    weights, _ = choose_weights(_worth(pool, fresh, k), len(chosen), seed)
    weighted = tuple(replace(part, weight=float(w)) for part, w in zip(chosen, weights, strict=True))
    return weighted, {**alone, "blend": pool.ndcg(weights, k)}


def _finding(people: Slice) -> Slice | None:
    """Return the same people with only what was new to them wanted and listed; None when there is nobody such."""
    if not people.repeats:
        return None
    seen = [frozenset(own.tolist()) for own in np.split(people.histories.items, people.histories.offsets[1:-1])]
    wanted = [want - own for want, own in zip(people.wanted, seen, strict=True)]
    return replace(people, wanted=wanted, repeats=False) if any(wanted) else None


def _worth(pool: Pool, finding: Pool | None, k: int) -> Worth:
    """Return NDCG@k, plus FINDING times NDCG@k on what was new: own history alone must not order the rest."""
    if finding is None:
        return lambda weights: pool.ndcg(weights, k)
    return lambda weights: pool.ndcg(weights, k) + FINDING * finding.ndcg(weights, k)


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
        {name: as_matrix(weights)[head][:, head] for name, weights in components.weights.items()},
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
    return _sorted(components, parts, people, (people.repeats,), k)[0]


def both_lists_of(components: Components, parts: Sequence[PartSpec], people: Slice, k: int) -> tuple[Lists, Lists]:
    """Return each person's lists with what they already had, and without it."""
    whole, fresh = _sorted(components, parts, people, (True, False), k)
    return whole, fresh


def _sorted(
    components: Components, parts: Sequence[PartSpec], people: Slice, repeats: Sequence[bool], k: int
) -> list[Lists]:
    lists: list[list[Lists]] = [[] for _ in repeats]
    with threadpool_limits(1, "blas"):
        for rows in _chunks(people.histories.rows):
            histories = people.histories.take(rows)
            total = _total(components, parts, histories, people.items)
            for kept, again in zip(lists, repeats, strict=True):
                hidden = _hidden(histories, replace(people, repeats=again), len(components.codes))
                if hidden is not None:
                    total[hidden] = -np.inf
                kept.append(top(total, k))
    return [np.concatenate(kept) for kept in lists]


def _total(
    components: Components, parts: Sequence[PartSpec], histories: Histories, items: ItemSnapshot
) -> NDArray[np.float32]:
    total = np.zeros((histories.rows, len(components.codes)), dtype=np.float32)
    for part in parts:
        if part.weight:
            total += np.float32(part.weight) * _scaled(components, part, histories, items)
    return total
