"""The console: what its pages need of a shop, read in one snapshot each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from tillwise.access.keys import list_keys
from tillwise.access.staff import read_staff
from tillwise.console import pages
from tillwise.console.bar import Bar
from tillwise.console.force import read_in_force
from tillwise.console.hour import HOUR, MOST, read_hour
from tillwise.console.staff import staff_table
from tillwise.console.story import tell
from tillwise.decisions.replay import Replayer
from tillwise.decisions.use_case import UseCase
from tillwise.errors import NotFound
from tillwise.releases.releases import Releases
from tillwise.settings import Settings
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import LogClock, Milliseconds, wall_now
from tillwise.vocabulary.store import Snapshot, Store


class Observed(Protocol):
    """A shop as its console sees it."""

    @property
    def settings(self) -> Settings: ...

    @property
    def store(self) -> Store: ...

    @property
    def clock(self) -> LogClock: ...

    @property
    def releases(self) -> Releases: ...

    @property
    def replayer(self) -> Replayer: ...

    @property
    def use_cases(self) -> Mapping[str, UseCase]: ...

    def problems(self) -> Sequence[str]: ...


class Console:
    """Makes the pages of one shop."""

    def __init__(self, shop: Observed, wall: Callable[[], Milliseconds] = wall_now) -> None:
        self._shop = shop
        self._wall = wall

    @property
    def name(self) -> str:
        """Return the shop's name."""
        return self._shop.settings.shop.name

    def overview(self, bar: Bar | None = None, *, listed: bool = True) -> str:
        """Return the page of the last hour; without `listed` no single decision is on it."""
        shop, now = self._shop, self._shop.clock.now()
        with shop.store.snapshot() as snapshot:
            hour = read_hour(snapshot, self._wall())
            force = read_in_force(snapshot, shop.releases, shop.use_cases)
            events = _events(snapshot, now)
        if not listed:
            hour = replace(hour, latest=[])
        return pages.overview(self.name, now, hour, force, events, shop.problems(), bar, listed=listed)

    def decision(self, decision_id: str, bar: Bar | None = None) -> str | None:
        """Return the page of one decision, None when nobody knows it."""
        try:
            story = tell(self._shop.store, self._shop.replayer, self._shop.use_cases, decision_id)
        except NotFound:
            return None
        return pages.decision(self.name, story, bar)

    def people(self, bar: Bar | None = None) -> str:
        """Return the page of people, grants, duties and keys."""
        now = self._wall()
        with self._shop.store.snapshot() as snapshot:
            members = read_staff(snapshot)
        return pages.people(self.name, staff_table(members, list_keys(self._shop.store), now), bar)

    def has_people(self) -> bool:
        """Return True when somebody can sign in with a name; until then the page offers the admin key first."""
        with self._shop.store.snapshot() as snapshot:
            return snapshot.one("SELECT 1 FROM people WHERE password IS NOT NULL AND disabled IS NULL") is not None


def _events(snapshot: Snapshot, now: Milliseconds) -> Json:
    every = snapshot.one("SELECT seq FROM head")
    recent = snapshot.one(
        "SELECT count(*) FROM (SELECT at FROM events ORDER BY seq DESC LIMIT ?) WHERE at > ?", (MOST, now - HOUR)
    )
    aside = snapshot.one("SELECT count(*) FROM quarantine")
    return {
        "all": every[0] if every else 0,
        "hour": recent[0] if recent else 0,
        "quarantined": aside[0] if aside else 0,
    }
