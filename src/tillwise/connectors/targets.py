"""What a column may feed: the declared properties of an event, of its product lines, of an item, of a person."""

from __future__ import annotations

from collections.abc import Mapping as Table
from difflib import get_close_matches
from typing import Final, NamedTuple

from tillwise.errors import InvalidMapping
from tillwise.events.event_type import EventType
from tillwise.events.properties import Kind, Property, Sensitivity
from tillwise.events.types import EVENT_TYPES
from tillwise.events.types_behaviour import TRAITS

LINE_PREFIX: Final = "products."
UNIT_PRICE: Final = "unit_price"
"""Feeds `line_total` together with the quantity; never stored on its own."""
ENVELOPE: Final[Table[str, tuple[str, Kind]]] = {
    "subject": ("subject", Kind.ID),
    "user_id": ("subject", Kind.ID),
    "anonymous_id": ("anonymous_id", Kind.ID),
    "timestamp": ("timestamp", Kind.TIMESTAMP),
    "event_id": ("event_id", Kind.ID),
    "message_id": ("event_id", Kind.ID),
}
"""What every event carries beside its properties."""
CATALOG: Final[Table[str, tuple[str, Kind]]] = {
    "item_id": ("item_id", Kind.ID),
    "product_id": ("item_id", Kind.ID),
    "title": ("title", Kind.TEXT),
    "category": ("category", Kind.ID),
    "brand": ("brand", Kind.ID),
    "price": ("price", Kind.MONEY),
    "cost": ("cost", Kind.MONEY),
    "in_stock": ("in_stock", Kind.INTEGER),
}
_SPECIAL: Final = (
    "ethnic", "race", "religio", "politic", "health", "disab", "sexual", "orientation", "gender", "biometric",
    "genetic", "union",
)  # fmt: skip
"""Words of special categories of personal data (GDPR Art. 9), and sex, which no decision here may rest on."""
_CALLS: Final = ("Identify", "Alias")


class Target(NamedTuple):
    """A property by its canonical name, its kind, and whether it belongs to a product line."""

    name: str
    kind: Kind
    line: bool = False


def event_type_of(name: str, place: str) -> EventType:
    """Return the event type called `name`; raise InvalidMapping with the nearest name otherwise."""
    if name in _CALLS:
        raise InvalidMapping(
            f"{place}: '{name}' cannot be imported as an event; use `subjects = true` for what is known of people",
            field="event",
        )
    declared = EVENT_TYPES.get(name)
    if declared is None:
        raise InvalidMapping(
            f"{place}: '{name}' is no event type; {suggest(name, EVENT_TYPES, 'write one of')}", field="event"
        )
    return declared


def event_target(declared: EventType, written: str, place: str) -> Target:
    """Return what `written` means for this event; raise InvalidMapping with the nearest name otherwise."""
    if written in ENVELOPE:
        return Target(*ENVELOPE[written])
    line = written.startswith(LINE_PREFIX)
    name = written.removeprefix(LINE_PREFIX)
    has_lines = any(p.kind is Kind.LINES for p in declared.properties)
    if line and not has_lines:
        raise InvalidMapping(
            f"{place}: '{declared.name}' has no products; write '{name}' without '{LINE_PREFIX}'", field=written
        )
    known = _names(declared.line if line else declared.properties)
    if name in ("price", UNIT_PRICE) and "line_total" in known:
        return Target(UNIT_PRICE, Kind.MONEY, line)
    if name in known:
        found = known[name]
        _refuse_special(found.sensitivity is Sensitivity.SPECIAL, written, place)
        if found.stored and found.kind is not Kind.LINES:
            return Target(found.name, found.kind, line)
        raise InvalidMapping(f"{place}: '{written}' is not stored ({found.meaning}); leave it out", field=written)
    every = [*ENVELOPE, *_names(declared.properties)]
    if has_lines:
        every += [LINE_PREFIX + each for each in _names(declared.line)]
    raise InvalidMapping(
        f"{place}: '{declared.name}' has no property '{written}'; {suggest(written, every, 'write one of')}",
        field=written,
    )


def catalog_target(written: str, place: str) -> Target:
    """Return what `written` means for an item; raise InvalidMapping with the nearest name otherwise."""
    if written not in CATALOG:
        raise InvalidMapping(
            f"{place}: an item has no property '{written}'; {suggest(written, CATALOG, 'write one of')}", field=written
        )
    return Target(*CATALOG[written])


def subject_target(written: str, place: str) -> Target:
    """Return what `written` means for a person; nothing learnt from is read from here but country and account age."""
    if written in ("subject", "user_id"):
        return Target("subject", Kind.ID)
    _refuse_special(any(word in written.lower() for word in _SPECIAL), written, place)
    known = {name: p for p in TRAITS if p.kind is not Kind.EMAIL for name in p.names}
    known["created"] = known["created_at"]
    if written not in known:
        raise InvalidMapping(
            f"{place}: a person has no property '{written}';"
            f" {suggest(written, ('subject', *known), 'write one of')}. Nothing else about a person is kept",
            field=written,
        )
    return Target(known[written].name, known[written].kind)


def suggest(written: str, known: Table[str, object] | tuple[str, ...] | list[str], otherwise: str) -> str:
    """Return "did you mean 'x'?", or the whole list when nothing is near."""
    lowered = {name.lower(): name for name in known}
    near = get_close_matches(written.lower(), lowered, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{lowered[near[0]]}'?"
    return f"{otherwise}: {', '.join(dict.fromkeys(known))}"


def _names(properties: tuple[Property, ...]) -> dict[str, Property]:
    known: dict[str, Property] = {}
    for declared in properties:
        for name in declared.names:
            known.setdefault(name, declared)
    return known


def _refuse_special(special: bool, written: str, place: str) -> None:  # noqa: FBT001
    if special:
        raise InvalidMapping(
            f"{place}: '{written}' is a special category of personal data and is never imported; take it out",
            field=written,
        )
