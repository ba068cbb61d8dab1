"""How long data are kept, by kind and purpose: read from `retention.toml`, shortened or lengthened by the shop.

Two things follow from it. A job deletes what no purpose may read any more (jobs/retention.py). And nothing older is
read, whether or not the job ran: windows of features and histories end where the retention of their data ends, for the
purpose they are read for and for training.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from typing import Any, Final

from tillwise.errors import ConfigurationError
from tillwise.events.types import EVENT_TYPES, event_code, line_code
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.shipped import shipped_text

DAY: Final = 24 * 3_600_000
ELSE: Final = "else"
CLOCKS: Final = ("log", "wall")
_REQUIRED: Final = frozenset({"name", "meaning", "tables", "clock", "days", "most", "kind", "source", "confidence",
                              "reviewed"})  # fmt: skip
_OPTIONAL: Final = frozenset({"events", "least"})
_WHERE: Final = "tillwise.toml [retention]"


@dataclass(frozen=True, slots=True)
class Keeping:
    """One kind of data: how long it may be read per purpose, why, and within which bounds the shop may choose."""

    name: str
    meaning: str
    tables: tuple[str, ...]
    clock: str
    otherwise: int
    most: int
    least: int
    kind: str
    source: str
    confidence: str
    reviewed: date
    events: tuple[str, ...] = ()
    purposes: Mapping[Purpose, int] = field(default_factory=dict)
    reason: str = ""
    """Why the shop keeps it longer than the default, in its own words."""

    def days(self, purpose: Purpose | None = None) -> int:
        """Return how many days it may be read for a purpose; for None, how long it is kept at all."""
        if purpose is None:
            return max((self.otherwise, *self.purposes.values()))
        return self.purposes.get(purpose, self.otherwise)


class Retention:
    """Every row, by kind, table or event type."""

    def __init__(self, rows: Iterable[Keeping]) -> None:
        self.rows = tuple(rows)
        self._named = {row.name: row for row in self.rows}
        self._events = {event: row for row in self.rows for event in row.events}
        self._tables = {table: row for row in self.rows for table in row.tables if not row.events}

    def __iter__(self) -> Iterator[Keeping]:
        return iter(self.rows)

    def find(self, what: str) -> Keeping | None:
        """Return the row of a kind of data, an event type, or a table of its own; None when there is none."""
        return self._named.get(what) or self._events.get(what) or self._tables.get(what)

    def days(self, what: str, purpose: Purpose | None = None) -> int:
        """Return how many days something may be read for a purpose (None: is kept); 0 for what stands in no row."""
        row = self.find(what)
        return 0 if row is None else row.days(purpose)

    def reach(self, events: Collection[str], *purposes: Purpose) -> int:
        """Return how far back, in milliseconds, rows of all these event types may be read for all these purposes."""
        return min((self.days(event, purpose) for event in events for purpose in purposes), default=0) * DAY

    def cut_offs(self, *purposes: Purpose) -> list[tuple[int, tuple[int, ...]]]:
        """Return (milliseconds, row types) per kind of events: how far back rows may be read for these purposes."""
        return [
            (self.reach(row.events, *purposes), tuple(sorted(code(event) for event in row.events for code in _CODES)))
            for row in self.rows
            if row.events
        ]


_CODES: Final = (event_code, line_code)


def load_retention(chosen: Mapping[str, Mapping[str, Any]] | None = None, text: str | None = None) -> Retention:
    """Read the table shipped with tillwise, or the one in `text`, and apply what the shop chose.

    Raises ConfigurationError naming the row and what is wrong: a broken or incomplete row, an event type in no row, a
    choice beyond the bounds, or a longer retention without its reason.
    """
    rows = _shipped() if text is None else _read(text)
    named = {row.name: row for row in rows}
    for name, choice in (chosen or {}).items():
        if name not in named:
            raise ConfigurationError(f"{_WHERE}: there is no kind of data '{name}'; these are: {', '.join(named)}")
        named[name] = _chosen(named[name], choice)
    return Retention(named.values())


def days(what: str, purpose: Purpose | None = None) -> int:
    """Return the shipped number of days for a kind of data, a table or an event type (see Retention.days)."""
    return load_retention().days(what, purpose)


def _chosen(row: Keeping, choice: Mapping[str, Any]) -> Keeping:
    where = f"{_WHERE}.{row.name}"
    given = dict(choice)
    reason = given.pop("reason", "")
    if not isinstance(reason, str):
        raise ConfigurationError(f"{where}: the reason is a text")
    wanted: dict[str, int] = {}
    for name, value in given.items():
        if name != "days" and name not in {purpose.value for purpose in Purpose}:
            raise ConfigurationError(f"{where}: '{name}' is neither days, reason nor a purpose")
        wanted[name] = _number(where, name, value)
    otherwise = wanted.pop("days", row.otherwise)
    purposes = {purpose: min(value, otherwise) if "days" in given else value for purpose, value in row.purposes.items()}
    purposes |= {Purpose(name): value for name, value in wanted.items()}
    changed = replace(row, otherwise=otherwise, purposes=purposes, reason=reason)
    for value in (otherwise, *purposes.values()):
        if value > row.most:
            raise ConfigurationError(f"{where}: {value} days are more than the {row.most} that are possible")
    if changed.days() < row.least:
        raise ConfigurationError(f"{where}: {changed.days()} days are fewer than the {row.least} the law asks for")
    longer = otherwise > row.otherwise or any(value > row.days(purpose) for purpose, value in purposes.items())
    if longer and not reason.strip():
        raise ConfigurationError(f"{where}: keeping longer than {row.days()} days needs a reason")
    return changed


def _number(where: str, name: str, value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ConfigurationError(f"{where}: {name} is a number of days from 1 on, not {value!r}")
    return int(value)


@cache
def _shipped() -> tuple[Keeping, ...]:
    return _read(shipped_text("tillwise.privacy", "retention.toml"))


def _read(text: str) -> tuple[Keeping, ...]:
    try:
        found = tomllib.loads(text)["data"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise ConfigurationError(f"retention.toml: {error}") from None
    rows = tuple(_row(each) for each in found)
    twice = [row.name for index, row in enumerate(rows) if row.name in {each.name for each in rows[:index]}]
    named = [event for row in rows for event in row.events]
    twice += sorted({event for event in named if named.count(event) > 1})
    if twice:
        raise ConfigurationError(f"retention.toml: {', '.join(twice)} stands in two rows")
    unknown = sorted(set(named) - EVENT_TYPES.keys())
    if unknown:
        raise ConfigurationError(f"retention.toml: there is no event type {', '.join(unknown)}")
    return rows


def _row(each: Mapping[str, Any]) -> Keeping:
    where = f"retention.toml, {each.get('name', 'a row without a name')}"
    if missing := sorted(_REQUIRED - each.keys()):
        raise ConfigurationError(f"{where}: lacks {', '.join(missing)}")
    if unknown := sorted(each.keys() - _REQUIRED - _OPTIONAL):
        raise ConfigurationError(f"{where}: '{unknown[0]}' is not known")
    if each["clock"] not in CLOCKS:
        raise ConfigurationError(f"{where}: the clock is {' or '.join(CLOCKS)}")
    given = {name: _number(where, name, value) for name, value in each["days"].items()}
    if ELSE not in given:
        raise ConfigurationError(f"{where}: days lack `else`")
    otherwise = given.pop(ELSE)
    try:
        purposes = {Purpose(name): value for name, value in given.items()}
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    row = Keeping(
        name=each["name"], meaning=each["meaning"], tables=tuple(each["tables"]), clock=each["clock"],
        otherwise=otherwise, most=each["most"], least=each.get("least", 1), kind=each["kind"], source=each["source"],
        confidence=each["confidence"], reviewed=each["reviewed"], events=tuple(each.get("events", ())),
        purposes=purposes,
    )  # fmt: skip
    if not row.least <= row.days() <= row.most:
        raise ConfigurationError(f"{where}: {row.days()} days do not lie between {row.least} and {row.most}")
    return row
