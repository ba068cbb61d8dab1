"""Declarations turned into look-ups: which property a name means, and how its value is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tillwise.errors import InvalidEvent
from tillwise.events.event_type import EventType
from tillwise.events.facts import PERSON_KEYS
from tillwise.events.properties import Kind, Property, Sensitivity
from tillwise.events.types import EVENT_TYPES
from tillwise.events.values import READERS, read_money

_MISSING = (None, "")
_HARMLESS = (Sensitivity.ANONYMOUS, Sensitivity.PSEUDONYMOUS)


class Declared(NamedTuple):
    """A name a sender may use: the property it means, and its rank among that property's names (0 = canonical)."""

    name: str
    rank: int
    kind: Kind
    stored: bool


class Table(NamedTuple):
    """The declared properties of an event or of its lines, ready for use."""

    names: dict[str, Declared]
    properties: dict[str, Property]
    required: tuple[str, ...]
    context: tuple[tuple[str, tuple[str, ...]], ...]


class Compiled(NamedTuple):
    """An event type, ready for use."""

    declared: EventType
    mask: int
    event: Table
    line: Table


class Refused(InvalidEvent):
    """A value that breaks its declaration, with what had parsed before it."""

    def __init__(self, message: str, *, field: str, parsed: dict[str, Any]) -> None:
        super().__init__(message, field=field)
        self.parsed = parsed


def compile_type(declared: EventType) -> Compiled:
    """Return a type with its look-ups."""
    return Compiled(declared, declared.mask, compile_properties(declared.properties), compile_properties(declared.line))


def compile_properties(properties: tuple[Property, ...]) -> Table:
    """Return the look-ups of some properties; the first to claim a name has it."""
    names: dict[str, Declared] = {}
    for declared in properties:
        for rank, name in enumerate(declared.names):
            names.setdefault(name, Declared(declared.name, rank, declared.kind, declared.stored))
    return Table(
        names,
        {declared.name: declared for declared in properties},
        tuple(declared.name for declared in properties if declared.required),
        tuple((declared.name, tuple(declared.context.split("."))) for declared in properties if declared.context),
    )


COMPILED: Mapping[str, Compiled] = {name: compile_type(declared) for name, declared in EVENT_TYPES.items()}


def pick(table: Table, given: Mapping[str, Any], undeclared: list[str], prefix: str = "") -> dict[str, Any]:
    """Return the declared, stored and present values by canonical name; of two names for one thing the first wins."""
    picked: dict[str, Any] = {}
    ranks: dict[str, int] = {}
    names = table.names
    for given_name, value in given.items():
        declared = names.get(given_name)
        if declared is None:
            undeclared.append(prefix + given_name)
        elif declared.stored and value not in _MISSING:
            name, rank = declared.name, declared.rank
            if name not in picked or rank < ranks.get(name, 0):
                picked[name] = value
                if rank:
                    ranks[name] = rank
                else:
                    ranks.pop(name, None)
    return picked


def parse(table: Table, picked: Mapping[str, Any], currency: str, prefix: str = "") -> dict[str, Any]:
    """Return every value parsed by its kind (`products` stays as it is); raise Refused at the first that breaks."""
    parsed: dict[str, Any] = {}
    properties = table.properties
    for name, value in picked.items():
        declared = properties[name]
        kind = declared.kind
        try:
            if kind is Kind.LINES:
                continue
            result = read_money(value, currency) if kind is Kind.MONEY else READERS[kind](value)
        except InvalidEvent as error:
            raise Refused(str(error), field=prefix + name, parsed=harmless(table, parsed)) from None
        if (kind is Kind.MONEY or kind is Kind.INTEGER) and result < 0 and not declared.negative:
            raise Refused("must not be negative", field=prefix + name, parsed=harmless(table, parsed))
        parsed[name] = result
    for name in table.required:
        if name not in parsed:
            raise Refused("is missing", field=prefix + name, parsed=harmless(table, parsed))
    return parsed


def harmless(table: Table, parsed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may be kept in quarantine: nothing personal, no free text, no order id."""
    return {
        name: value
        for name, value in parsed.items()
        if (declared := table.properties.get(name)) is not None
        and declared.sensitivity in _HARMLESS
        and declared.kind is not Kind.TEXT
        and declared.column not in (*PERSON_KEYS, "order_ref")
    }
