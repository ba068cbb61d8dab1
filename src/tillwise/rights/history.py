"""What a person did, as they may look through it and take single things out of it.

Taking out is a correction (rights/correcting.py): the events go from every table, every sum and the exported log. What
guards against fraud, or belongs to a question they asked, is not taken out one by one: an erasure takes everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tillwise.errors import NotFound
from tillwise.events.catalog import find_items
from tillwise.events.lookup import rows_in
from tillwise.events.types_behaviour import BEHAVIOUR
from tillwise.events.types_operations import OFFERS, REVIEWS
from tillwise.rights.person import Person
from tillwise.vocabulary.store import Snapshot

REMOVABLE: Final = frozenset(
    {*(each.name for each in (*BEHAVIOUR, *OFFERS, *REVIEWS)), "Checkout Started", "Checkout Step Viewed",
     "Checkout Step Completed", "Order Completed", "Order Updated"}
)  # fmt: skip
"""Types of events that shape what a person is shown, and that they may take out one by one."""
INTEREST: Final = frozenset({"Product Viewed", "Product Clicked", "Product Added", "Product Added to Wishlist",
                             "Wishlist Product Added to Cart", "Product Shared", "Order Completed",
                             "Product Reviewed", "Review Submitted"})  # fmt: skip
"""Types that say what somebody likes; a list that was merely shown does not."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A product an event names; `title` and `category` from the event, else from the catalogue, else empty."""

    item_id: str
    title: str
    category: str


@dataclass(frozen=True, slots=True)
class Past:
    """One event: its position, when it happened by the log clock (Unix ms), what it was, and what it was about."""

    seq: int
    at: int
    type: str
    things: tuple[Thing, ...]
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """The events a person may take out, newest first, and how many others there are."""

    events: tuple[Past, ...]
    others: int

    def interests(self) -> list[tuple[str, int]]:
        """Return (category, in how many events) of what they showed an interest in, the most frequent first."""
        counts: dict[str, int] = {}
        for event in self.events:
            if event.type in INTEREST:
                for category in {thing.category for thing in event.things if thing.category}:
                    counts[category] = counts.get(category, 0) + 1
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))

    def about(self, category: str) -> tuple[int, ...]:
        """Return the positions of every event that holds something of a category, whole purchases included."""
        return tuple(event.seq for event in self.events if any(thing.category == category for thing in event.things))

    def chosen(self, seqs: Collection[int]) -> tuple[int, ...]:
        """Return these positions; raise NotFound when one of them is no event this person may take out."""
        known = {event.seq for event in self.events}
        if not set(seqs) <= known:
            raise NotFound("no such entry stands in this history")
        return tuple(sorted(set(seqs)))


def read_history(snapshot: Snapshot, person: Person) -> History:
    """Return everything a person did that shapes what they are shown."""
    rows = rows_in(snapshot, "SELECT seq, at, type, body FROM events WHERE seq IN", person.seqs)
    distinct = {row[0]: row for row in rows}
    ours = [row for row in distinct.values() if row[2] in REMOVABLE]
    bodies = {row[0]: msgspec.json.decode(row[3]) for row in ours}
    catalogue = find_items(snapshot, sorted({line["product_id"] for body in bodies.values() for line in _lines(body)}))

    def thing(line: dict[str, Any]) -> Thing:
        known = catalogue.get(line["product_id"])
        category = line.get("category") or (known.category if known else None) or ""
        return Thing(line["product_id"], (known.title if known else None) or line["product_id"], str(category))

    events = [
        Past(seq, at, kind, tuple(thing(line) for line in _lines(bodies[seq])), _text(bodies[seq]))
        for seq, at, kind, _ in sorted(ours, key=lambda row: (row[1], row[0]), reverse=True)
    ]
    return History(tuple(events), len(distinct) - len(ours))


def _lines(body: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Return what names a product: the event itself, then its lines."""
    return [part for part in (body, *(body.get("products") or ())) if part.get("product_id")]


def _text(body: dict[str, Any]) -> str:
    """Return the words of an event that names no product: what was searched for, which page it was."""
    for name in ("query", "name", "path", "promotion_id", "offer_id", "list_id", "category"):
        if value := body.get(name):
            return str(value)
    return ""
