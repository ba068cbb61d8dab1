"""How good a ranking is: full sort for everybody who bought in the period, beside the declared baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.jobs.learning import Evaluation, Result, mean_of
from tillwise.models.bootstrap import intervals
from tillwise.models.ranking.choosing import Slice, both_lists_of
from tillwise.models.ranking.components import Components
from tillwise.models.ranking.history import Decay
from tillwise.models.ranking.metrics import Lists, Values, coverage_at, ndcg_at, recall_at
from tillwise.models.ranking.parts import Kind, PartSpec
from tillwise.releases.card import Metric

NOT_PERSONAL: Final = (Kind.POPULAR,)
"""Parts that know nothing of a person: what people get without permission, measured like any model."""
K: Final = 20
PRIMARY: Final = f"ndcg@{K}"
_DECLARED: Final = (
    ("popularity, 7 days", PartSpec("popular_7d", Kind.POPULAR, 1.0, window=7)),
    ("own history", PartSpec("own", Kind.OWN, 1.0, Decay(half_life=90.0))),
    ("implicit ALS", PartSpec("als", Kind.FACTORS, 1.0)),
    ("EASE", PartSpec("ease", Kind.NEIGHBOURS, 1.0)),
)


def baselines_of(components: Components) -> tuple[tuple[str, PartSpec], ...]:
    """Return the declared baselines that can be computed: what is popular, what the person bought before (how often,
    how lately), plain factors, a plain linear item model."""
    return tuple(
        (name, part)
        for name, part in _DECLARED
        if (part.kind is not Kind.FACTORS or components.fold is not None)
        and (part.kind is not Kind.NEIGHBOURS or part.name in components.weights)
    )


def plain(components: Components) -> Components:
    """Return the components for a baseline: own history counts as it is, whatever is bought again how often."""
    return replace(components, again=np.ones_like(components.again))


def judge(
    components: Components,
    parts: Sequence[PartSpec],
    people: NDArray[np.int64],
    test: Slice,
    period: tuple[int, int],
    seed: int,
) -> Evaluation:
    """Judge a blend and its baselines on the same people (ascending, one test row each); `period` is what it covers."""
    contenders = [("blend", components, tuple(parts))]
    contenders += [(name, plain(components), (part,)) for name, part in baselines_of(components)]
    results = [_result(name, own, contender, test, people, seed) for name, own, contender in contenders]
    return Evaluation(
        start=period[0], end=period[1], primary=PRIMARY, subjects=people, model=results[0],
        baselines=tuple(results[1:]),
    )  # fmt: skip


def _result(
    name: str,
    components: Components,
    parts: Sequence[PartSpec],
    test: Slice,
    people: NDArray[np.int64],
    seed: int,
) -> Result:
    lists, fresh = both_lists_of(components, parts, test, K)
    values = {**measured(lists, test), **found_new(fresh, test)}
    metrics = []
    for key, column in values.items():
        kept = np.flatnonzero(~np.isnan(column))
        if len(kept):
            found = intervals({key: mean_of(column[kept])}, people[kept], seed=seed, draws=300)[key]
            metrics.append(Metric(key, found.value, found.low, found.high))
    metrics.append(Metric(f"coverage@{K}", coverage_at(lists, len(test.items), K)))
    profiled = any(part.kind not in NOT_PERSONAL for part in parts)
    return Result(name, tuple(metrics), mean_of(values[PRIMARY]), profiled=profiled)


def measured(lists: Lists, test: Slice) -> Mapping[str, Values]:
    """Return, per person: NDCG and recall, and recall by segment: repeat items, head and tail of the shop."""
    seen = _seen(test)
    counts = test.items.bought[:, -1]
    head = frozenset(np.argsort(-counts, kind="stable")[: max(len(counts) // 10, 1)].tolist())
    segments = {
        "repeat": [want & own for want, own in zip(test.wanted, seen, strict=True)],
        "head": [want & head for want in test.wanted],
        "tail": [want - head for want in test.wanted],
    }
    return {
        PRIMARY: ndcg_at(lists, test.wanted, K),
        f"recall@{K}": recall_at(lists, test.wanted, K),
        **{f"recall@{K}, {name} items": recall_at(lists, wanted, K) for name, wanted in segments.items()},
    }


def found_new(lists: Lists, test: Slice) -> Mapping[str, Values]:
    """Return, per person, how well lists without anything they already had find what was new to them."""
    wanted = [want - own for want, own in zip(test.wanted, _seen(test), strict=True)]
    return {f"recall@{K}, new items": recall_at(lists, wanted, K), f"ndcg@{K}, new items": ndcg_at(lists, wanted, K)}


def _seen(people: Slice) -> list[frozenset[int]]:
    return [frozenset(own.tolist()) for own in np.split(people.histories.items, people.histories.offsets[1:-1])]
