"""How good a ranking is: full sort for everybody who bought in the period, beside the declared baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.jobs.learning import Evaluation, Result, mean_of
from tillwise.models.bootstrap import intervals
from tillwise.models.ranking.blend import BlendModel
from tillwise.models.ranking.choosing import Slice, both_lists_of
from tillwise.models.ranking.components import Components
from tillwise.models.ranking.history import Decay
from tillwise.models.ranking.metrics import Lists, Values, coverage_at, ndcg_at, recall_at
from tillwise.models.ranking.parts import Kind, PartSpec
from tillwise.releases.card import Bar, Bars, Metric

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


_SEGMENTS: Final = (
    (f"recall@{K}", "all items"),
    (f"recall@{K}, repeat items", "had before"),
    (f"recall@{K}, new items", "new to them"),
    (f"recall@{K}, head items", "best sellers"),
    (f"recall@{K}, tail items", "the rest"),
)
"""Metrics drawn as bars, each with what the group is called; best sellers are a tenth of the shop's items."""
_WORDS: Final = {
    "own": "what the person bought before", "als": "similar tastes (ALS)", "ease": "goes together (EASE)",
    "knn": "bought together (item-kNN)", "rp3": "bought by the same people (RP3β)", "next": "bought next",
    "content": "same category or brand",
}  # fmt: skip


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
    contenders: Sequence[tuple[str, BlendModel]],
    people: NDArray[np.int64],
    test: Slice,
    period: tuple[int, int],
    seed: int,
) -> Evaluation:
    """Judge models as they were saved, the blend first, on the same people (ascending, one test row each).

    `period` is what the test rows cover.
    """
    results = [_result(name, model.components, model.parts, test, people, seed) for name, model in contenders]
    return Evaluation(
        start=period[0], end=period[1], primary=PRIMARY, subjects=people, model=results[0],
        baselines=tuple(results[1:]), bars=(by_segment(results),), wanted=sum(map(len, test.wanted)),
    )  # fmt: skip


def by_segment(results: Sequence[Result]) -> Bars:
    """Return recall as bars: one group per kind of item, one bar per contender."""
    bars = [
        Bar(group, result.name, metric.value, metric.low, metric.high)
        for name, group in _SEGMENTS
        for result in results
        for metric in result.metrics
        if metric.name == name
    ]
    return Bars("How much of what people bought is found", f"Recall@{K}", tuple(bars))


def alone(parts: Sequence[PartSpec], found: Mapping[str, float]) -> Bars:
    """Return what each part reached alone on the validation period, and the blend of them."""
    words = {part.name: said(part) for part in parts}
    bars = tuple(Bar(words.get(name, f"the {name}"), PRIMARY, value) for name, value in found.items())
    return Bars("What each part finds alone, on the validation period", f"NDCG@{K}", bars)


def said(part: PartSpec) -> str:
    """Return what a part goes by, in plain words."""
    if part.kind is Kind.POPULAR:
        return f"popularity of the last {part.window} days"
    return _WORDS.get(part.name, part.name)


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
