"""SQL that reads a time: what a column holds becomes local or UTC milliseconds, then UTC by the source's zone."""

from __future__ import annotations

from typing import Final, NamedTuple

import duckdb
import numpy as np

from tillwise.connectors.files import OpenFile, literal, quoted
from tillwise.connectors.mapping import Feed, Source
from tillwise.connectors.values import MISSING, Problem
from tillwise.connectors.zones import BUCKET, offsets
from tillwise.errors import InvalidMapping
from tillwise.events.values import EARLIEST

EPOCH_FORMATS: Final = {"epoch_s": 1000, "epoch_ms": 1}
_INTEGERS: Final = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "HUGEINT",
)
_OFFSET: Final = "(?i)[0-9](Z|\\s?UTC|\\s?GMT|[+-][0-9]{2}:?[0-9]{2})$"


class MomentReading(NamedTuple):
    """How a time is read: `local` and `utc` milliseconds from the file's row, one of them unless it is broken."""

    feed: Feed
    local: str
    utc: str
    missing: str


def read_moment(feed: Feed, kind: str, place: str) -> MomentReading:
    """Return how to read a time from a column of this type; raise InvalidMapping when it needs a format."""
    column = literal(feed.const or "") if feed.column is None else quoted(feed.column)
    null = f"{column} IS NULL"
    if kind.startswith("TIMESTAMP WITH"):
        return MomentReading(feed, "NULL::BIGINT", f"epoch_ms({column})", null)
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return MomentReading(feed, f"epoch_ms(CAST({column} AS TIMESTAMP))", "NULL::BIGINT", null)
    numeric = kind in (*_INTEGERS, "DOUBLE", "FLOAT") or kind.startswith("DECIMAL")
    if feed.timestamp_format in EPOCH_FORMATS:
        scaled = f"TRY_CAST({column} AS DOUBLE) * {EPOCH_FORMATS[feed.timestamp_format or '']}"
        fit = f"isfinite({scaled}) AND abs({scaled}) < 9e15"
        nothing = null if numeric else f"trim({column}) = ''"
        return MomentReading(feed, "NULL::BIGINT", f"CASE WHEN {fit} THEN CAST(round({scaled}) AS BIGINT) END", nothing)
    if numeric or kind != "VARCHAR":
        raise InvalidMapping(
            f"{place}, column '{feed.field}' holds {kind}, not times; write timestamp_format ="
            ' "epoch_s" or "epoch_ms" if these are Unix times, or name another column',
            field=feed.field,
        )
    nothing = f"({null} OR trim({column}) IN ({', '.join(map(literal, MISSING))}))"
    text = f"trim({column})"
    if feed.timestamp_format is not None:
        parsed = f"try_strptime({text}, {literal(feed.timestamp_format)})"
        if "%z" in feed.timestamp_format:
            return MomentReading(feed, "NULL::BIGINT", f"epoch_ms({parsed})", nothing)
        return MomentReading(feed, f"epoch_ms({parsed})", "NULL::BIGINT", nothing)
    has_offset = f"regexp_matches({text}, {literal(_OFFSET)})"
    local = f"TRY_CAST(CASE WHEN NOT {has_offset} THEN {text} END AS TIMESTAMP)"
    utc = f"TRY_CAST(CASE WHEN {has_offset} THEN {text} END AS TIMESTAMPTZ)"
    return MomentReading(
        feed, f"CASE WHEN isfinite({local}) THEN epoch_ms({local}) END",
        f"CASE WHEN isfinite({utc}) THEN epoch_ms({utc}) END", nothing,
    )  # fmt: skip


def check_zones(connection: duckdb.DuckDBPyConnection, source: Source, file: OpenFile, feed: Feed, index: int) -> None:
    """Raise InvalidMapping unless every time of a column says its offset, or none does and the source says its zone."""
    row = connection.execute(
        f"SELECT min(_row) FILTER (l{index} IS NOT NULL), min(_row) FILTER (u{index} IS NOT NULL) FROM read_rows"
    ).fetchone()
    local, utc = row if row is not None else (None, None)
    where = f"{source.place}, column '{feed.field}'"
    if local is not None and utc is not None:
        raise InvalidMapping(
            f"{where} mixes time zones: line {file.line(utc)} states its offset, line {file.line(local)} does not;"
            " make them one form in the file, or write two [[source]] tables with where",
            field=feed.field,
        )
    if local is not None and feed.zone is None:
        raise InvalidMapping(
            f'{where} holds local times (line {file.line(local)}); write timezone = "Europe/Berlin" under [[source]],'
            ' or "UTC" if they are UTC',
            field="timezone",
        )


def make_zone_table(connection: duckdb.DuckDBPyConnection, feed: Feed, index: int) -> None:
    """Make `zone_<index>`: the offset of every quarter hour of local time that occurs."""
    found = connection.execute(
        f"SELECT DISTINCT l{index} // {BUCKET} FROM read_rows WHERE l{index} >= {EARLIEST} ORDER BY 1"
    ).fetchall()
    buckets = [bucket for (bucket,) in found if bucket * BUCKET < 253_370_000_000_000]  # the year 9999
    known = offsets(feed.zone or "UTC", buckets)
    table = {
        "bucket": np.array(buckets, dtype=np.int64),
        "shift": np.array([each.milliseconds for each in known], dtype=np.int64),
        "doubtful": np.array([each.doubtful for each in known], dtype=bool),
    }
    connection.register("zone_numpy", table)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE zone_{index} AS SELECT * FROM zone_numpy")
    connection.unregister("zone_numpy")


def moment_value(index: int) -> str:
    """Return UTC milliseconds."""
    shift = f"(SELECT shift FROM zone_{index} WHERE bucket = l{index} // {BUCKET})"
    return f"coalesce(u{index}, l{index} - {shift})"


def moment_doubtful(index: int) -> str:
    """Return true where the local time happened twice or never."""
    return f"coalesce((SELECT doubtful FROM zone_{index} WHERE bucket = l{index} // {BUCKET}), false)"


def moment_problems(reading: MomentReading, index: int, latest: int, *, required: bool) -> tuple[Problem, ...]:
    """Return how a time can fail: missing, no time, before 1990, or later than `latest` (Unix ms)."""
    feed = reading.feed
    problems = [
        Problem(f"NOT m{index} AND l{index} IS NULL AND u{index} IS NULL", feed, "is no time such as 2026-11-21T09:30Z",
                'write timestamp_format, such as "%d/%m/%Y %H:%M"'),
        Problem(f"coalesce(u{index}, l{index}) < {EARLIEST}", feed, "lies before 1990",
                'if these are Unix times, write timestamp_format = "epoch_s" or "epoch_ms"'),
        Problem(f"v{index} IS NULL AND NOT m{index} OR v{index} > {latest}", feed, "lies in the future",
                "check timestamp_format"),
    ]  # fmt: skip
    if required:
        problems.insert(0, Problem(f"m{index}", feed, "is missing", "name another column"))
    return tuple(problems)
