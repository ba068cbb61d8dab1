"""What documents are made from: a shop's declarations, and the store that tells what really ran."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tillwise.decisions.use_case import UseCase
from tillwise.privacy.gate import Gate
from tillwise.privacy.purposes import Rulebook
from tillwise.privacy.retention import Retention, load_retention
from tillwise.recipients.book import VendorBook
from tillwise.recipients.vendor import Vendor
from tillwise.releases.card import ModelCard
from tillwise.releases.releases import Release, Releases
from tillwise.settings import Settings
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Store


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
    gate: Gate
    learners: frozenset[str] = frozenset()
    book: VendorBook | None = None
    holders: Mapping[str, str] = field(default_factory=dict)
    stays: Mapping[str, str] = field(default_factory=dict)
    retention: Retention = field(default_factory=load_retention)
    folder: Path | None = None
    wall: Callable[[], Milliseconds] = wall_now

    @property
    def rules(self) -> Rulebook:
        """Return the rules in force."""
        return self.gate.rules

    def keep(self, what: str, purpose: Purpose | None = None) -> int | None:
        """Return for how many days an event type, a kind of data or a table is kept; None without a declared time."""
        return self.retention.days(what, purpose) or None

    @property
    def vendors(self) -> tuple[Vendor, ...]:
        """Return the vendor records in force, by name."""
        found = () if self.book is None else self.book.vendors.values()
        return tuple(sorted(found, key=lambda vendor: vendor.name))

    @property
    def name(self) -> str:
        """Return the shop's name."""
        return self.settings.shop.name


class Holding(Protocol):
    """What documents ask of a holder of personal data (rights/holder.py)."""

    @property
    def name(self) -> str:
        """Return what people read above its data."""
        ...

    @property
    def tables(self) -> frozenset[str]:
        """Return the tables it answers for."""
        ...


def tables_of(holders: Iterable[Holding]) -> dict[str, str]:
    """Return the holder's name for every table that has one."""
    return {table: holder.name for holder in holders for table in holder.tables}


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
