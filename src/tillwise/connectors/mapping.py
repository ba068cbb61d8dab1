"""The nouns of an import: a mapping says which column of which file feeds which property, and on what basis.

CONTRACT, section 2, is the mapping's specification; connectors/mapping_file.py reads one from TOML.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tillwise.events.properties import Kind
from tillwise.vocabulary.canonical import Json, digest_of

Op = Literal["=", "!=", "in", "<", ">", "starts_with", "not_starts_with", "is_null", "not_null"]
OPS: Final[tuple[Op, ...]] = ("=", "!=", "in", "<", ">", "starts_with", "not_starts_with", "is_null", "not_null")
Scalar = str | int | float | bool
Unit = Literal["major", "minor"]
Task = Literal["event", "catalog", "subjects"]
REST: Final = "*"
"""In a `value_map`: every value that has no entry of its own."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a column of the file; several are joined by AND. `value` is a tuple for `in`."""

    column: str
    op: Op
    value: Scalar | tuple[Scalar, ...] | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """Where one property's value comes from: a column or a constant, and how it is turned.

    `target` is the name as written, `name` the declared property it means, `line` True for a property of a product
    line. `unit` and `currency` are set for money. `zone` is set for a timestamp that carries no offset of its own.
    """

    target: str
    name: str
    kind: Kind
    line: bool = False
    column: str | None = None
    const: str | None = None
    unit: Unit | None = None
    currency: str | None = None
    value_map: tuple[tuple[str, str], ...] = ()
    timestamp_format: str | None = None
    zone: str | None = None
    negate: bool = False

    @property
    def field(self) -> str:
        """Return what to call this value in a message: the file's column, else the property."""
        return self.column or self.target


@dataclass(frozen=True, slots=True)
class Source:
    """One `[[source]]`: a file, what its rows are, and what feeds them.

    `delay` is in milliseconds: how long after its timestamp the shop could know a row. `label` names the source
    within its mapping and stays the same when other sources are added.
    """

    label: str
    place: str
    file: str
    task: Task
    event: str
    feeds: tuple[Feed, ...]
    where: tuple[Condition, ...] = ()
    one_event_per: tuple[str, ...] = ()
    delay: int = 0
    currency: str | None = None

    def feed(self, name: str, *, line: bool = False) -> Feed | None:
        """Return what feeds the property `name`, or None."""
        return next((feed for feed in self.feeds if feed.name == name and feed.line == line), None)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return every column of the file this source reads."""
        fed = (feed.column for feed in self.feeds if feed.column is not None)
        return tuple(dict.fromkeys((*fed, *(condition.column for condition in self.where))))


@dataclass(frozen=True, slots=True)
class PurposeBasisText:
    """What the mapping says of one purpose; the words are those of privacy.ledger.PurposeBasis."""

    purpose: str
    basis: str
    notice: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Basis:
    """What the mapping declares about its people: their place, and a basis per purpose."""

    place: str
    purposes: tuple[PurposeBasisText, ...]

    def as_json(self) -> Json:
        """Return the declaration as it is kept with the import."""
        rows = {p.purpose: {"basis": p.basis, "notice": p.notice, "evidence": p.evidence} for p in self.purposes}
        return {"place": self.place, "purposes": rows}


@dataclass(frozen=True, slots=True)
class Mapping:
    """A whole mapping file. `folder` is where it lies: its files are named from there unless a data folder is given.

    `simulated` rows are about invented people and never mix with real ones.
    """

    name: str
    file: str
    folder: Path
    basis: Basis | None
    sources: tuple[Source, ...]
    simulated: bool = False

    def declared(self, source: Source) -> str:
        """Return the content name of all that decides a source's rows, so that a later change is noticed."""
        feeds = [
            [f.name, f.line, f.column, f.const, f.unit, f.currency, list(f.value_map), f.timestamp_format, f.zone,
             f.negate]
            for f in source.feeds
        ]  # fmt: skip
        return digest_of(
            {
                "file": source.file, "task": source.task, "event": source.event, "feeds": feeds,
                "where": [[c.column, c.op, c.value] for c in source.where], "per": list(source.one_event_per),
                "delay": source.delay, "basis": None if self.basis is None else self.basis.as_json(),
            }
        )  # fmt: skip
