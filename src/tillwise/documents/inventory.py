"""The data inventory: every field a shop holds, from its declarations, its store, and what really arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from tillwise.documents.described import Described
from tillwise.documents.lineage import Input, Lineage, properties_of
from tillwise.documents.observed import Observed
from tillwise.documents.stores import FACT, Table, Tag, columns_in, kept_files, tables
from tillwise.documents.uses import lineages
from tillwise.events.event_type import EventType, Sender
from tillwise.events.facts import PERSON_KEYS
from tillwise.events.properties import Property, Sensitivity
from tillwise.events.types import EVENT_TYPES
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

UNDECLARED: Final = "not declared"
_LEVELS: Final = tuple(Sensitivity)


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One stored field.

    `kind` is property, feature, reading, request, computed, column or file. `purposes` are those in force that read it,
    `allowed` those its rows may be read for. `kept` is in days, None = until erased. `seen` tells whether it arrived
    (None: nothing that arrives). `erased` is the holder that finds and erases it, or why it stays.
    """

    name: str
    kind: str
    meaning: str
    category: str
    sensitivity: str
    about: str
    source: str
    stored: tuple[str, ...]
    purposes: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    used_by: tuple[str, ...] = ()
    unit: str = ""
    kept: int | None = None
    recipients: tuple[str, ...] = ()
    place: str = ""
    erased: str = ""
    seen: bool | None = None


def inventory(shop: Described, snapshot: Snapshot, observed: Observed) -> list[Field]:
    """Return every field: event properties, what use cases know, every column of every table, every file."""
    maker = _Maker(shop, observed)
    return [
        *(field for declared in EVENT_TYPES.values() for field in maker.properties(declared)),
        *(field for known in maker.known.values() for field in maker.knowledge(known)),
        *(field for table, columns in columns_in(snapshot).items() for field in maker.columns(table, columns)),
        *(maker.file(table) for table in kept_files().values()),
    ]


def untagged(fields: Iterable[Field]) -> list[Field]:
    """Return the fields of which nobody said what they are: for `doctor`, an error each."""
    return [field for field in fields if field.category in ("", UNDECLARED)]


class _Maker:
    """Makes fields out of declarations."""

    def __init__(self, shop: Described, observed: Observed) -> None:
        self._shop = shop
        self._observed = observed
        self._place = shop.settings.shop.region or UNDECLARED
        self.known = lineages(shop)

    def properties(self, declared: EventType) -> Iterator[Field]:
        """Yield the stored properties of an event type, those of its lines once."""
        done: set[str] = set()
        for each in properties_of(declared):
            if each.name not in done:
                done.add(each.name)
                yield self._property(declared, each)

    def knowledge(self, known: Lineage) -> Iterator[Field]:
        """Yield what a use case knows."""
        for each in known.inputs:
            yield self._input(known, each)

    def columns(self, name: str, columns: Iterable[str]) -> Iterator[Field]:
        """Yield every column of a table."""
        table = tables().get(name)
        for column in columns:
            tag = None if table is None else table.columns.get(column)
            if table is None or tag is None:
                yield Field(
                    name=f"{name}.{column}", kind="column", meaning="", category=UNDECLARED, sensitivity=UNDECLARED,
                    about=UNDECLARED, source=UNDECLARED, stored=(f"{name}.{column}",), place=self._place,
                )  # fmt: skip
            else:
                yield self._column(table, column, _fact(column) if tag.name == FACT else tag)

    def file(self, table: Table) -> Field:
        """Return a file or folder of the shop."""
        tag = table.columns[""]
        return Field(
            name=table.name, kind="file", meaning=table.holds, category=tag.category, sensitivity=tag.sensitivity.value,
            about=table.about, source=table.source, stored=(table.name,), place=self._place,
            kept=self._shop.keep(table.name), recipients=self._recipients(tag.category),
        )  # fmt: skip

    def _property(self, declared: EventType, each: Property) -> Field:
        users = [
            known for known in self.known.values()
            if any(s.event == declared.name and s.name == each.name for i in known.inputs for s in i.sources)
        ]  # fmt: skip
        purposes = _purposes(users, self._shop.learners)
        key = each.column in PERSON_KEYS
        came = self._observed.arrived.get(declared.name)
        seen = (declared.name, f"#{each.column}" if key else each.name) in self._observed.properties
        return Field(
            name=f"{declared.name}: {each.name}", kind="property", meaning=each.meaning, unit=each.unit,
            category=each.category, sensitivity=_level(each, declared).value,
            about="customers" if declared.person else "nobody",
            source=_source(declared, came.imports if came else ()), stored=_stored(each, key=key),
            purposes=purposes, allowed=_names(sorted(declared.purposes)),
            used_by=tuple(known.use_case for known in users),
            kept=self._shop.keep(declared.name), recipients=self._recipients(each.category),
            place=self._place, erased=self._erased("events"), seen=seen,
        )  # fmt: skip

    def _input(self, known: Lineage, each: Input) -> Field:
        category = ", ".join(each.categories) or ("system.operations" if each.tagged else UNDECLARED)
        level = Sensitivity.PSEUDONYMOUS
        if any(source.sensitivity is Sensitivity.PERSONAL for source in each.sources):
            level = Sensitivity.PERSONAL
        purposes = (known.purpose.value, *((Purpose.TRAIN.value,) if known.use_case in self._shop.learners else ()))
        stored = ("receipts.body",) if each.personal or not each.events else ("receipts.body", "tiles")
        return Field(
            name=f"{known.use_case}: {each.name}", kind=each.kind, meaning=each.meaning, unit=each.unit,
            category=category, sensitivity=level.value, about="customers",
            source="the request" if each.kind == "request" else ", ".join((*each.events, *each.inputs)),
            stored=stored, purposes=purposes, allowed=_names(each.purposes), used_by=(known.use_case,),
            kept=self._shop.keep("receipts"), recipients=self._recipients(*each.categories),
            place=self._place, erased=self._erased("receipts"),
        )  # fmt: skip

    def _column(self, table: Table, column: str, tag: Tag) -> Field:
        level = tag.sensitivity
        return Field(
            name=f"{table.name}.{column}", kind="column", meaning=f"{table.holds}; {tag.meaning}",
            category=tag.category, sensitivity=level.value, about=table.about, source=table.source,
            stored=(f"{table.name}.{column}",), purposes=(table.why,), kept=self._shop.keep(table.name),
            recipients=self._recipients(tag.category), place=self._place, erased=self._erased(table.name),
        )  # fmt: skip

    def _recipients(self, *categories: str) -> tuple[str, ...]:
        """Return the vendors whose record allows one of these categories."""
        return tuple(
            vendor.title or vendor.name
            for vendor in self._shop.vendors
            if any(category.startswith("user") and vendor.allows(category) for category in categories)
        )

    def _erased(self, table: str) -> str:
        holder = self._shop.holders.get(table, "")
        if holder:
            return holder
        return f"stays: {self._shop.stays[table]}" if table in self._shop.stays else ""


def _names(purposes: Iterable[Purpose]) -> tuple[str, ...]:
    return tuple(purpose.value for purpose in purposes)


def _level(each: Property, declared: EventType) -> Sensitivity:
    """Return how close a value is to a person where it stands: beside a person's key nothing is anonymous."""
    if declared.person:
        return max(each.sensitivity, Sensitivity.PSEUDONYMOUS, key=_LEVELS.index)
    return each.sensitivity


def _purposes(users: Iterable[Lineage], learners: Iterable[str]) -> tuple[str, ...]:
    names = {known.purpose for known in users}
    if any(known.use_case in learners for known in users):
        names.add(Purpose.TRAIN)
    return tuple(purpose.value for purpose in Purpose if purpose in names)


def _stored(each: Property, *, key: bool) -> tuple[str, ...]:
    if key:
        return (f"facts.{each.column} (keyed code)", f"by_{each.column} (keyed code)")
    return ("events.body", f"facts.{each.column}") if each.column else ("events.body",)


def _source(declared: EventType, imports: Iterable[str]) -> str:
    live = "browser or server key" if declared.sender is Sender.BROWSER else "server key"
    return "; ".join((live, *(f"import {name}" for name in imports)))


def _fact(column: str) -> Tag:
    """Return the tag of a fact column: what any event property that feeds it is, at its closest to a person."""
    feeding = [each for declared in EVENT_TYPES.values() for each in properties_of(declared) if each.column == column]
    if not feeding:
        return Tag(column, "user.behavior", Sensitivity.PSEUDONYMOUS, f"{column} of an event")
    level = max((each.sensitivity for each in feeding), key=_LEVELS.index)
    meanings: Mapping[str, None] = dict.fromkeys(each.meaning for each in feeding)
    categories = sorted({each.category for each in feeding})
    return Tag(
        column, ", ".join(categories), max(level, Sensitivity.PSEUDONYMOUS, key=_LEVELS.index), " / ".join(meanings)
    )
