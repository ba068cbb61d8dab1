"""From assembled rows to the very Events that tracking makes: chunk by chunk, in the order of their positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import duckdb

from tillwise.connectors.assembling import COLUMNS, Assembled, Body
from tillwise.connectors.mapping import Source
from tillwise.connectors.staging import Staged
from tillwise.events.compiled import COMPILED
from tillwise.events.event import Event, Line

CHUNK: Final = 4_000
"""Events written at once."""
_FACTS: Final = tuple(name for name in COLUMNS if name != "shop")
_SHOP: Final = COLUMNS.index("shop")
_WIDTH: Final = len(Line._fields)
_new: Final = tuple.__new__


class Permission(NamedTuple):
    """What the rows of an import may be read for, and whether they are simulated."""

    purposes: int
    simulated: bool


def read_events(
    connection: duckdb.DuckDBPyConnection, source: Source, staged: Staged, assembled: Assembled, allowed: Permission
) -> Iterator[list[Event]]:
    """Yield chunks of events in order; `ts` is the row's own time, the delay is the caller's."""
    compiled = COMPILED[source.event]
    purposes = compiled.mask & allowed.purposes
    columns = _EventColumns.of(source, staged, assembled)
    lines = _Lines(connection, compiled.declared.line_code, assembled) if assembled.has_lines else None
    first = 1
    while first <= assembled.events:
        last = first + CHUNK - 1
        rows = connection.execute(f"{columns.sql} WHERE nr BETWEEN {first} AND {last} ORDER BY nr").fetchall()
        products = {} if lines is None else lines.between(first, last)
        yield [columns.event(row, compiled.declared.code, products, purposes, allowed, source.event) for row in rows]
        first = last + 1


class _EventColumns(NamedTuple):
    """Where each part of an event stands in a row of `sql`."""

    sql: str
    who: tuple[bool, bool]
    order: bool
    people: tuple[str, ...]
    body: tuple[Body, ...]

    @classmethod
    def of(cls, source: Source, staged: Staged, assembled: Assembled) -> _EventColumns:
        who = [staged.value(source, name) for name in ("subject", "anonymous_id")]
        order = staged.value(source, "order_id")
        selected = ["nr", "ts", "ident", *(name for name in (*who, order) if name), *assembled.people.values()]
        selected += [body.column for body in assembled.body] + list(_FACTS)
        sql = f"SELECT {', '.join(selected)} FROM ev"
        return cls(
            sql, (who[0] is not None, who[1] is not None), order is not None, tuple(assembled.people), assembled.body
        )

    def event(
        self, row: Sequence[Any], code: int, products: dict[int, _Products], purposes: int, allowed: Permission,
        name: str,
    ) -> Event:  # fmt: skip
        """Return the event of one row."""
        values = iter(row)
        nr, ts, ident = next(values), next(values), next(values)
        user, anonymous = (next(values) if there else None for there in self.who)
        order = next(values) if self.order else None
        people = {key: value for key in self.people if (value := next(values)) is not None}
        body = _body(self.body, values)
        lines: list[Line] = [_line(0, code, values)]
        found = products.get(nr)
        if found is not None:
            lines.extend(found.lines)
            body["products"] = found.bodies
        return Event(
            type=name, ts=ts, message_id=ident, user_id=user, anonymous_id=anonymous, order_id=order, people=people,
            body=body, lines=tuple(lines) if COMPILED[name].declared.facts else (), purposes=purposes,
            simulated=allowed.simulated,
        )  # fmt: skip


class _Products(NamedTuple):
    """The product lines of one event."""

    lines: list[Line]
    bodies: list[dict[str, Any]]


class _Lines:
    """Reads the product lines of a chunk of events."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, code: int, assembled: Assembled) -> None:
        self._connection = connection
        # The columns of a Line first and whole, so that a line is a slice of the row: there are millions of them.
        facts = ["0" if name == "shop" else name for name in COLUMNS]
        body = [body.column for body in assembled.line_body]
        number = "row_number() OVER (PARTITION BY nr ORDER BY _row)"
        self._sql = f"SELECT {', '.join([number, str(code), *facts, 'nr', *body])} FROM li"
        self._names = tuple(body.name for body in assembled.line_body)
        self._booleans = tuple(body.name for body in assembled.line_body if body.boolean)

    def between(self, first: int, last: int) -> dict[int, _Products]:
        found: dict[int, _Products] = {}
        names, booleans = self._names, self._booleans
        rows = self._connection.execute(f"{self._sql} WHERE nr BETWEEN {first} AND {last} ORDER BY nr, _row")
        for row in rows.fetchall():
            nr = row[_WIDTH]
            products = found.get(nr)
            if products is None:
                products = found[nr] = _Products([], [])
            products.lines.append(_new(Line, row[:_WIDTH]))
            body = dict(zip(names, row[_WIDTH + 1 :], strict=True))
            if None in row[_WIDTH + 1 :]:
                body = {name: value for name, value in body.items() if value is not None}
            for name in booleans:
                if name in body:
                    body[name] = bool(body[name])
            products.bodies.append(body)
        return found


def _body(declared: Sequence[Body], values: Iterator[Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for each in declared:
        value = next(values)
        if value is not None:
            body[each.name] = bool(value) if each.boolean else value
    return body


def _line(number: int, code: int, values: Iterator[Any]) -> Line:
    facts = list(values)
    facts.insert(_SHOP, 0)
    return _new(Line, (number, code, *facts))
