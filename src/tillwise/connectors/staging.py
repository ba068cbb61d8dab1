"""From a file to rows that are values or have a reason: `staged` holds each row's values and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np

from tillwise.connectors.conditions import where_sql
from tillwise.connectors.files import OpenFile
from tillwise.connectors.mapping import Feed, Source
from tillwise.connectors.moments import (
    MomentReading,
    check_zones,
    make_zone_table,
    moment_doubtful,
    moment_problems,
    moment_value,
    read_moment,
)  # fmt: skip
from tillwise.connectors.targets import UNIT_PRICE
from tillwise.connectors.values import BY_READER, Problem, Reading, line_total, read_feed
from tillwise.errors import InvalidEvent, InvalidMapping
from tillwise.events.build import lacking
from tillwise.events.compiled import COMPILED
from tillwise.events.properties import Kind
from tillwise.events.values import READERS

_TRUE: Final = ("true", "t", "yes", "y", "1")
_FALSE: Final = ("false", "f", "no", "n", "0")
_MEND_SHARE: Final = 0.5
"""When more rows than this fail in the same way, the mapping is wrong, not the rows."""


class Staged(NamedTuple):
    """What `staged` holds: `_row`, `v<index>` per feed, `total<index>` per unit price, `bad` (0 = good), `doubtful`.

    `problems[bad - 1]` says what `bad` means; `rows` were read, `counts` of them are bad by code.
    """

    file: OpenFile
    problems: tuple[Problem, ...]
    rows: int
    counts: dict[int, int]
    prices: dict[int, int]

    def value(self, source: Source, name: str, *, line: bool = False) -> str | None:
        """Return the column of `staged` that holds a property, or None when nothing feeds it."""
        for index, feed in enumerate(source.feeds):
            if feed.line == line and feed.name == name:
                return f"v{index}"
            if feed.line == line and feed.name == UNIT_PRICE and name == "line_total":
                return f"total{index}"
        return None


def stage(connection: duckdb.DuckDBPyConnection, source: Source, file: OpenFile, latest: int) -> Staged:
    """Make `staged`; raise InvalidMapping when a column as a whole cannot be what the mapping says it is.

    `latest` is the last time a row may have, in Unix milliseconds.
    """
    readings = [_reading(source, feed, index, file) for index, feed in enumerate(source.feeds)]
    _read_rows(connection, source, file, readings)
    for index, (feed, reading) in enumerate(zip(source.feeds, readings, strict=True)):
        if isinstance(reading, MomentReading):
            check_zones(connection, source, file, feed, index)
            make_zone_table(connection, feed, index)
        elif feed.kind in BY_READER:
            _make_reader_table(connection, feed, index)
    prices = _prices(source)
    problems = _problems(source, readings, prices, latest)
    _stage_rows(connection, readings, prices, source, problems)
    found = connection.execute("SELECT bad, count(*), min(_row) FROM staged GROUP BY bad ORDER BY bad").fetchall()
    rows = sum(n for _, n, _ in found)
    for bad, n, first in found:
        if bad and n > rows * _MEND_SHARE and problems[bad - 1].mend:
            problem = problems[bad - 1]
            raise InvalidMapping(
                f"{source.place}, column '{problem.feed.field}' (fed to {problem.feed.target}): {n} of {rows} rows"
                " fail,"
                f" first line {file.line(first)}: {problem.reason}; {problem.mend}",
                field=problem.feed.field,
            )
    return Staged(file, problems, rows, {bad: n for bad, n, _ in found if bad}, prices)


def _required(source: Source, feed: Feed) -> bool:
    if source.task == "catalog":
        return feed.name == "item_id"
    if source.task == "subjects":
        return feed.name == "subject"
    compiled = COMPILED[source.event]
    table = compiled.line if feed.line else compiled.event
    return feed.name == "timestamp" or feed.name in table.required or feed.name in source.one_event_per


def _negative(source: Source, feed: Feed) -> bool:
    if source.task != "event":
        return feed.name == "in_stock"
    compiled = COMPILED[source.event]
    declared = (compiled.line if feed.line else compiled.event).properties.get(feed.name)
    return feed.name == UNIT_PRICE or (declared is not None and declared.negative)


def _reading(source: Source, feed: Feed, index: int, file: OpenFile) -> Reading | MomentReading:
    if feed.kind is Kind.TIMESTAMP:
        kind = "VARCHAR" if feed.column is None else file.types[feed.column]
        return read_moment(feed, kind, source.place)
    return read_feed(feed, index, file.types, required=_required(source, feed), negative=_negative(source, feed))


def _read_rows(
    connection: duckdb.DuckDBPyConnection, source: Source, file: OpenFile, readings: list[Reading | MomentReading]
) -> None:
    columns = ["_row"]
    for index, reading in enumerate(readings):
        if isinstance(reading, MomentReading):
            columns += [f"{reading.local} AS l{index}", f"{reading.utc} AS u{index}",
                        f"coalesce({reading.missing}, false) AS m{index}"]  # fmt: skip
        else:
            columns.append(f"{reading.raw} AS r{index}")
    where = where_sql(source.where, file.types)
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE read_rows AS SELECT {', '.join(columns)} FROM src WHERE {where}"
        )
    except duckdb.Error:
        raise InvalidMapping(
            f"{source.place}: the file breaks off or is damaged inside: write it again from where it came", field="file"
        ) from None


def _make_reader_table(connection: duckdb.DuckDBPyConnection, feed: Feed, index: int) -> None:
    """Read each distinct text once with the very parser tracking uses; make `read_<index>` (text, value)."""
    raw = f"SELECT DISTINCT r{index} FROM read_rows WHERE r{index} IS NOT NULL ORDER BY 1"
    mapped = dict(feed.value_map)
    texts = {text for (text,) in connection.execute(raw).fetchall()} | {text for text in mapped.values() if text}
    pairs = [(text, value) for text in sorted(texts) if (value := _read_text(feed.kind, text)) is not None]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE read_{index} (text VARCHAR, value VARCHAR)")
    if pairs:
        arrays = {
            "text": np.array([text for text, _ in pairs], dtype=object),
            "value": np.array([value for _, value in pairs], dtype=object),
        }
        connection.register("read_numpy", arrays)
        connection.execute(f"INSERT INTO read_{index} SELECT text, value FROM read_numpy")
        connection.unregister("read_numpy")


def _read_text(kind: Kind, text: str) -> str | None:
    if kind is Kind.BOOLEAN:
        lowered = text.lower()
        return "1" if lowered in _TRUE else "0" if lowered in _FALSE else None
    reader: Callable[[Any], Any] = READERS[kind]
    try:
        return str(reader(text))
    except InvalidEvent:
        return None


def _prices(source: Source) -> dict[int, int]:
    """Return, by the index of each unit price, the index of the quantity it is multiplied with."""
    places = {(feed.name, feed.line): index for index, feed in enumerate(source.feeds)}
    return {index: places["quantity", feed.line] for index, feed in enumerate(source.feeds) if feed.name == UNIT_PRICE}


def _problems(
    source: Source, readings: list[Reading | MomentReading], prices: dict[int, int], latest: int
) -> tuple[Problem, ...]:
    problems: list[Problem] = []
    for index, reading in enumerate(readings):
        if isinstance(reading, MomentReading):
            problems += moment_problems(reading, index, latest, required=_required(source, reading.feed))
        else:
            problems += reading.problems
    for index in prices:
        feed, total = source.feeds[index], f"total{index}"
        problems.append(
            Problem(f"{total} < 0", feed, "quantity × price must not be negative",
                    "write negate = true on the quantity of returns, or leave these rows out with where")
        )  # fmt: skip
        problems.append(Problem(f"abs({total}) > 1000000000000000", feed, "is larger than any amount a shop can mean"))
    return (*problems, *_one_of(source))


def _one_of(source: Source) -> list[Problem]:
    """Return the problem of a row that says nothing of what its event is about."""
    names = COMPILED[source.event].declared.one_of if source.task == "event" else ()
    places = {feed.name: index for index, feed in enumerate(source.feeds) if not feed.line}
    fed = [places[name] for name in names if name in places]
    if not fed:
        return []
    return [Problem(" AND ".join(f"v{index} IS NULL" for index in fed), source.feeds[fed[0]], lacking(names))]


def _stage_rows(
    connection: duckdb.DuckDBPyConnection, readings: list[Reading | MomentReading], prices: dict[int, int],
    source: Source, problems: tuple[Problem, ...],
) -> None:  # fmt: skip
    values, doubtful = ["*"], ["false"]
    for index, reading in enumerate(readings):
        if isinstance(reading, MomentReading):
            values.append(f"{moment_value(index)} AS v{index}")
            doubtful.append(moment_doubtful(index))
        else:
            values.append(f"{reading.value} AS v{index}")
    totals = [f"{line_total(f'v{p}', f'v{q}', source.feeds[p])} AS total{p}" for p, q in prices.items()]
    cases = " ".join(f"WHEN {problem.condition} THEN {code}" for code, problem in enumerate(problems, 1))
    bad = f"CASE {cases} ELSE 0 END" if cases else "0"
    kept = [_typed(index, feed) for index, feed in enumerate(source.feeds)]
    kept += [
        f"CASE WHEN abs(total{p}) <= 1000000000000000 THEN CAST(total{p} AS BIGINT) END AS total{p}" for p in prices
    ]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE staged AS"
        f" WITH valued AS (SELECT {', '.join(values)}, {' OR '.join(doubtful)} AS doubtful FROM read_rows),"
        f" priced AS (SELECT {', '.join(['*', *totals])} FROM valued)"
        f" SELECT _row, {', '.join(kept)}, CAST({bad} AS INTEGER) AS bad, doubtful FROM priced"
    )
    connection.execute("DROP TABLE read_rows")


def _typed(index: int, feed: Feed) -> str:
    if feed.name == UNIT_PRICE:
        return f"v{index}"
    if feed.kind in (Kind.INTEGER, Kind.MONEY):
        return f"CASE WHEN abs(v{index}) <= 1000000000000000 THEN CAST(v{index} AS BIGINT) END AS v{index}"
    if feed.kind is Kind.BOOLEAN:
        return f"CAST(v{index} AS BIGINT) AS v{index}"
    return f"v{index}"
