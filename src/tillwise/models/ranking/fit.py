"""Learning a blend, first half: fit the item models on the past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tillwise.models.ranking.als import AlsSettings, FoldIn, fit_als
from tillwise.models.ranking.components import Components
from tillwise.models.ranking.ease import EaseSettings, NextSettings, fit_ease, fit_next
from tillwise.models.ranking.history import Decay, Histories
from tillwise.models.ranking.knn import KnnSettings, fit_knn
from tillwise.models.ranking.parts import Kind, PartSpec, Scores
from tillwise.models.ranking.rp3 import Rp3Settings, fit_rp3
from tillwise.vocabulary.canonical import Json

DECAYS = (Decay(step=0.4), Decay(step=0.6), Decay(step=0.8))


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
