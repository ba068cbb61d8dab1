"""Models in force: who answers for each use case, since when, which gates they passed, and what to beware of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tillwise.errors import TillwiseError
from tillwise.releases.card import ModelCard
from tillwise.releases.gate import GateResult
from tillwise.releases.releases import Release, Releases
from tillwise.vocabulary.store import Snapshot


@dataclass(frozen=True, slots=True)
class InForce:
    """One use case's answerer; `release` is None when nothing was ever released."""

    use_case: str
    release: Release | None
    gates: tuple[GateResult, ...]
    metric: str
    warnings: tuple[str, ...]
    simulated: bool


def read_in_force(snapshot: Snapshot, releases: Releases, use_cases: Iterable[str]) -> list[InForce]:
    """Return who answers for each of these use cases."""
    return [_one(snapshot, releases, name) for name in sorted(use_cases)]


def _one(snapshot: Snapshot, releases: Releases, use_case: str) -> InForce:
    release = releases.current(snapshot, use_case)
    if release is None:
        return InForce(use_case, None, (), "", ("nothing is released: the declared rules answer",), simulated=False)
    card = _card(snapshot, releases, release.version)
    if card is None:
        return InForce(use_case, release, release.gates, "", (), simulated=False)
    warnings = tuple(caution.text for caution in card.warnings)
    return InForce(use_case, release, release.gates, _metric(card), warnings, card.simulated)


def _card(snapshot: Snapshot, releases: Releases, version: str | None) -> ModelCard | None:
    if version is None:
        return None
    try:
        return releases.card(snapshot, version)
    except TillwiseError:
        return None  # a release may be older than its card; the page then shows less


def _metric(card: ModelCard) -> str:
    found = card.metric(card.primary)
    if found is None:
        return ""
    interval = "" if found.low is None or found.high is None else f" ({found.low:.3f} to {found.high:.3f})"
    return f"{found.name} {found.value:.3f}{interval}"
