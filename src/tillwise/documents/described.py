"""What documents are made from: a shop's declarations, and the store that tells what really ran."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tillwise.decisions.use_case import UseCase
from tillwise.privacy.purposes import Rulebook
from tillwise.recipients.vendor import Vendor
from tillwise.releases.card import ModelCard
from tillwise.releases.releases import Release, Releases
from tillwise.settings import Settings
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Store

Keep = Callable[[str, Purpose | None], int | None]
"""Days a table (or a fideslang category) is kept for a purpose; None where nothing was declared."""


def kept_until_erased(what: str, purpose: Purpose | None) -> int | None:
    """Say that nothing limits how long data are kept."""
    return None


@dataclass(frozen=True, slots=True)
class Described:
    """A shop, as far as its documents need it. `learners` names the use cases that learn.

    `holders` maps a table to who finds and erases a person's rows in it, `stays` a table to why its marks outlive an
    erasure. `folder` is None for a shop without one (tests).
    """

    settings: Settings
    store: Store
    use_cases: Mapping[str, UseCase]
    releases: Releases
    rules: Rulebook
    learners: frozenset[str] = frozenset()
    vendors: tuple[Vendor, ...] = ()
    holders: Mapping[str, str] = field(default_factory=dict)
    stays: Mapping[str, str] = field(default_factory=dict)
    keep: Keep = kept_until_erased
    folder: Path | None = None
    wall: Callable[[], Milliseconds] = wall_now

    @property
    def name(self) -> str:
        """Return the shop's name."""
        return self.settings.shop.name


@dataclass(frozen=True, slots=True)
class Answering:
    """Who answers for a use case: the release in force and its card, None where there is none."""

    release: Release | None
    card: ModelCard | None


def answering(shop: Described, snapshot: Snapshot) -> dict[str, Answering]:
    """Return who answers for each use case now."""
    released = {release.use_case: release for release in shop.releases.in_force(snapshot)}
    return {name: _answering(shop, snapshot, released.get(name)) for name in shop.use_cases}


def _answering(shop: Described, snapshot: Snapshot, release: Release | None) -> Answering:
    if release is None or release.version is None:
        return Answering(release, None)
    # A baseline may have no card of its own; the document then says less, it never fails.
    row = snapshot.one("SELECT 1 FROM cards WHERE version = ?", (release.version,))
    return Answering(release, None if row is None else shop.releases.card(snapshot, release.version))
