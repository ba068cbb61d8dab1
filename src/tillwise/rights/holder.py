"""What a holder of personal data promises: it finds a person's rows, hands them over, and lets go of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tillwise.events.lookup import rows_in
from tillwise.rights.person import Person
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot, Store, Transaction

Counts = dict[str, int]
"""How many rows by table (or files by kind)."""


class Holder(Protocol):
    """Holds personal data in tables of the row store. `tables` names every table it answers for."""

    @property
    def name(self) -> str:
        """Return what people read above its data."""
        ...

    @property
    def tables(self) -> frozenset[str]:
        """Return the tables it answers for."""
        ...

    def find(self, snapshot: Snapshot, person: Person) -> Counts:
        """Return how many rows of the person lie where."""
        ...

    def export(self, snapshot: Snapshot, person: Person) -> Iterator[Json]:
        """Yield the person's rows as JSON objects a person can read, each with its `table`."""
        ...

    def erase(self, transaction: Transaction, person: Person) -> Counts:
        """Delete the person's rows, and return how many lay where."""
        ...


class FileHolder(Protocol):
    """Holds copies outside the rows; they are cleaned after the rows were erased."""

    @property
    def name(self) -> str:
        """Return what people read."""
        ...

    @property
    def tables(self) -> frozenset[str]:
        """Return the tables it answers for, if any."""
        ...

    def erase_files(self, store: Store, person: Person) -> Counts:
        """Write the files that held the person anew without them; return how many. Repeating it does no harm."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one table that are found by one column: a key of the person, an order, a decision, a position."""

    table: str
    column: str
    by: str
    """The field of Person that holds the values: keys, orders, decisions or seqs."""
    shown: tuple[str, ...] = ()
    """Columns a person gets to read; empty for rows that only repeat others."""
    unless: str = ""
    """A condition under which a row is somebody else's."""


class Rows:
    """A holder made of declared parts."""

    def __init__(self, name: str, parts: Sequence[Part]) -> None:
        self.name = name
        self.parts = tuple(parts)
        self.tables = frozenset(part.table for part in parts)

    def find(self, snapshot: Snapshot, person: Person) -> Counts:
        counts: Counts = {}
        for part in self.parts:
            rows = rows_in(snapshot, f"SELECT count(*) FROM {part.table} WHERE {_where(part)}", _values(part, person))
            counts[part.table] = counts.get(part.table, 0) + sum(row[0] for row in rows)
        return {table: n for table, n in counts.items() if n}

    def export(self, snapshot: Snapshot, person: Person) -> Iterator[Json]:
        for part in self.parts:
            if part.shown:
                sql = f"SELECT {', '.join(part.shown)} FROM {part.table} WHERE {_where(part)}"
                for row in rows_in(snapshot, sql, _values(part, person)):
                    yield {"table": part.table, **_readable(dict(zip(part.shown, row, strict=True)))}

    def erase(self, transaction: Transaction, person: Person) -> Counts:
        counts: Counts = {}
        for part in self.parts:
            for value in _values(part, person):
                n = transaction.run(f"DELETE FROM {part.table} WHERE {_where(part)} (?)", (value,))
                counts[part.table] = counts.get(part.table, 0) + n
        return {table: n for table, n in counts.items() if n}


def _where(part: Part) -> str:
    return f"{f'NOT ({part.unless}) AND ' if part.unless else ''}{part.column} IN"


def _values(part: Part, person: Person) -> tuple[int | str, ...]:
    values: tuple[int | str, ...] = getattr(person, part.by)
    return values


def _readable(row: Json) -> Json:
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in row.items()}
