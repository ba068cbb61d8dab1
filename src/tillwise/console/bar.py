"""The bar above every page: who is signed in, and the pages their roles may open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tillwise.access.roles import Need, need
from tillwise.access.signed import Signed

OVERVIEW: Final = need("page overview", "aggregates")
PEOPLE: Final = need("page people", "accounts")
REQUESTS: Final = need("page requests", "requests")
DATA: Final = need("page data", "aggregates")

PAGES: Final[tuple[tuple[str, str, Need], ...]] = (
    ("/", "The last hour", OVERVIEW),
    ("/console/requests", "Requests", REQUESTS),
    ("/console/people", "People", PEOPLE),
    ("/console/data", "Data", DATA),
)
"""Path, name and need of every page with a place in the bar."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What the template prints."""

    name: str
    roles: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


def bar_of(signed: Signed) -> Bar:
    """Return the bar of somebody: pages they may not open are not in it."""
    links = tuple((path, name) for path, name, shown in PAGES if signed.may(shown))
    return Bar(signed.name, tuple(dict.fromkeys(signed.roles)), links)
