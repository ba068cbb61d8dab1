"""From rows to events: rows of one order become one event with its lines, numbered in the order of their times.

`ev` holds one row per event (nr = 1, 2, …), `li` one row per product line. What looks wrong is flagged and kept, rows
of one event that name different people are not used.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

import duckdb
import numpy as np

from tillwise.connectors.files import literal
from tillwise.connectors.mapping import Feed, Source
from tillwise.connectors.staging import Staged
from tillwise.connectors.targets import UNIT_PRICE
from tillwise.connectors.values import is_rounded
from tillwise.events.compiled import COMPILED
from tillwise.events.event import Line
from tillwise.events.facts import PERSON_KEYS
from tillwise.events.properties import Kind
from tillwise.events.types_orders import MISMATCH
from tillwise.events.values import public_code

CLASH: Final = "rows of one event name different people"
COLUMNS: Final = Line._fields[2:]
_TEXTS: Final = (Kind.ID, Kind.COUNTRY)
_SUMS: Final = ("amount", "quantity", "discount")
_ENVELOPE: Final = ("subject", "anonymous_id", "timestamp", "event_id")
_SEPARATOR: Final = "chr(31)"


class Body(NamedTuple):
    """A property as it stands in an event's body: name, column of `ev` or `li`, and whether it is true/false."""

    name: str
    column: str
    boolean: bool


class Assembled(NamedTuple):
    """`ev` and `li` are ready. `people` maps person-like keys to columns of `ev`; `texts` stand behind codes."""

    events: int
    body: tuple[Body, ...]
    line_body: tuple[Body, ...]
    people: dict[str, str]
    has_lines: bool
    texts: frozenset[str]
    clashes: tuple[int, ...]
    flagged: Counter[str]
    foreign: bool


def assemble(
    connection: duckdb.DuckDBPyConnection, source: Source, staged: Staged, shop_currency: str | None
) -> Assembled:
    """Make `ev` and `li` from the good rows of `staged`."""
    texts = _make_codes(connection, source)
    flagged: Counter[str] = Counter()
    foreign = bool(shop_currency and source.currency and source.currency != shop_currency)
    clashes = _group(connection, source, staged)
    has_lines = any(feed.line for feed in source.feeds)
    if has_lines:
        _make_lines(connection, source, staged, foreign=foreign)
    _make_events(connection, source, staged, has_lines=has_lines, foreign=foreign)
    _count_flags(connection, source, staged, flagged, has_lines=has_lines)
    _count_gaps(connection, source, staged, flagged)
    if foreign:
        flagged["foreign_currency"] += _one(connection, "SELECT count(*) FROM ev")
    return Assembled(
        _one(connection, "SELECT count(*) FROM ev"), _bodies(source, line=False), _bodies(source, line=True),
        _people(source), has_lines, texts, clashes, flagged, foreign,
    )  # fmt: skip


def _make_codes(connection: duckdb.DuckDBPyConnection, source: Source) -> frozenset[str]:
    """Make `code_<index>` (text, code) for each property that becomes a code; return the texts."""
    every: set[str] = set()
    for index, feed in enumerate(source.feeds):
        if _column(source, feed) not in COLUMNS or feed.kind not in _TEXTS:
            continue
        found = connection.execute(f"SELECT DISTINCT v{index} FROM staged WHERE bad = 0 AND v{index} IS NOT NULL")
        texts = [text for (text,) in found.fetchall()]
        every.update(texts)
        arrays = {
            "text": np.array(texts, dtype=object),
            "code": np.array([public_code(text) for text in texts], dtype=np.int64),
        }
        connection.execute(f"CREATE OR REPLACE TEMP TABLE code_{index} (text VARCHAR, code BIGINT)")
        if texts:
            connection.register("code_numpy", arrays)
            connection.execute(f"INSERT INTO code_{index} SELECT text, code FROM code_numpy")
            connection.unregister("code_numpy")
    return frozenset(every)


def _group(connection: duckdb.DuckDBPyConnection, source: Source, staged: Staged) -> tuple[int, ...]:
    """Make `grouped` (event-level values, nr, ident) and `member` (_row, nr); return rows of events that clash."""
    stamp = staged.value(source, "timestamp")
    level = {feed.name: value for feed in source.feeds if not feed.line and (value := staged.value(source, feed.name))}
    level |= {"line_total": total} if (total := staged.value(source, "line_total")) else {}
    columns = dict.fromkeys(level.values())
    keys = [value for name in source.one_event_per if (value := staged.value(source, name))]
    who = [value for name in ("subject", "anonymous_id") if (value := staged.value(source, name))]
    if not keys:
        ident = _row_ident(connection, source, staged)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE grouped AS SELECT row_number() OVER (ORDER BY {stamp}, _row) AS nr,"
            f" _row AS first_row, 1 AS n, {stamp} AS ts, {', '.join(columns)}, {ident} AS ident, false AS clash,"
            f" false AS differs FROM numbered"
        )
        connection.execute("CREATE OR REPLACE TEMP VIEW member AS SELECT first_row AS _row, nr FROM grouped")
        return ()
    firsts = [f"arg_min({value}, _row) AS {value}" for value in columns if value not in (*keys, stamp)]
    clash = " OR ".join(f"min({value}) <> max({value})" for value in who) or "false"
    others = [value for value in columns if value not in (*keys, *who)]
    differs = " OR ".join(f"min({value}) <> max({value})" for value in others) or "false"
    ident = f"concat_ws({_SEPARATOR}, {literal(source.event)}, {', '.join(keys)})"
    stamps = [] if stamp in keys else [f"max({stamp}) AS {stamp}"]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE g AS SELECT {', '.join([*keys, *firsts, *stamps])}, min(_row) AS first_row,"
        f" count(*) AS n, coalesce({clash}, false) AS clash, coalesce({differs}, false) AS differs"
        f" FROM staged WHERE bad = 0 GROUP BY {', '.join(keys)}"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE grouped AS SELECT row_number() OVER (ORDER BY {stamp}, first_row) AS nr, *,"
        f" {stamp} AS ts, {ident} AS ident FROM g WHERE NOT clash"
    )
    same = " AND ".join(f"s.{key} = g.{key}" for key in keys)
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW member AS SELECT s._row, g.nr FROM staged s JOIN grouped g"
        f" ON {same} WHERE s.bad = 0"
    )
    rows = connection.execute(
        f"SELECT s._row FROM staged s JOIN g ON {same} WHERE s.bad = 0 AND g.clash ORDER BY 1"
    ).fetchall()
    return tuple(row for (row,) in rows)


def _row_ident(connection: duckdb.DuckDBPyConnection, source: Source, staged: Staged) -> str:
    """Make `numbered` from the good rows; return the SQL that names a row the same in any file and mapping.

    Rows that are alike in all mapped values are numbered, so that all are kept, and known again when they come again.
    """
    given = staged.value(source, "event_id")
    if given:
        connection.execute("CREATE OR REPLACE TEMP VIEW numbered AS SELECT *, 1 AS again FROM staged WHERE bad = 0")
        return given
    feeds = sorted((feed.name, index) for index, feed in enumerate(source.feeds))
    values = [f"v{index}" for _, index in feeds]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE numbered AS SELECT *, row_number() OVER"
        f" (PARTITION BY {', '.join(values)} ORDER BY _row) AS again FROM staged WHERE bad = 0"
    )
    named = ", ".join(f"{literal(name + '=')} || coalesce(CAST(v{index} AS VARCHAR), '')" for name, index in feeds)
    return f"concat_ws({_SEPARATOR}, {literal(source.event)}, {named}, again)"


def _make_lines(connection: duckdb.DuckDBPyConnection, source: Source, staged: Staged, *, foreign: bool) -> None:
    line = _columns_sql(source, staged, line=True, foreign=foreign)
    amount, quantity = line.get("amount", "NULL"), line.get("quantity", "NULL")
    line["flag"] = f"CASE WHEN {quantity} = 0 OR {amount} = 0 THEN 1 END"
    selected = [f"CAST({line.get(name, 'NULL')} AS BIGINT) AS {name}" for name in COLUMNS if name != "shop"]
    values = [value for feed in source.feeds if feed.line and (value := _body_value(source, staged, feed))]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE li AS SELECT m.nr, s._row, {', '.join(selected)},"
        f" {', '.join(dict.fromkeys(f's.{value}' for value in values))} FROM staged s JOIN member m USING (_row)"
        f" ORDER BY m.nr, s._row"
    )


def _make_events(
    connection: duckdb.DuckDBPyConnection, source: Source, staged: Staged, *, has_lines: bool, foreign: bool
) -> None:
    declared = COMPILED[source.event].declared
    own = _columns_sql(source, staged, line=False, foreign=foreign)
    totals = [name for name in _SUMS if has_lines and name not in own]
    own |= {name: f"t.{name}" for name in totals}
    if declared.flag is MISMATCH:
        billing, shipping = staged.value(source, "billing_country"), staged.value(source, "shipping_country")
        if billing and shipping:
            own["flag"] = f"CAST(s.{billing} <> s.{shipping} AS BIGINT)"
    elif declared.person and "item" in own and "quantity" in own and "flag" not in own:
        own["flag"] = f"CASE WHEN {own['quantity']} = 0 THEN 1 END"
    selected = [f"CAST({own.get(name, 'NULL')} AS BIGINT) AS {name}" for name in COLUMNS if name != "shop"]
    join = ""
    if has_lines:
        sums = ", ".join(f"sum({name}) AS {name}" for name in _SUMS)
        join = f" LEFT JOIN (SELECT nr, {sums} FROM li GROUP BY nr) t USING (nr)"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE ev AS SELECT s.* EXCLUDE (differs, clash, n), s.n AS size, {', '.join(selected)}"
        f" FROM grouped s{join} ORDER BY nr"
    )


def _columns_sql(source: Source, staged: Staged, *, line: bool, foreign: bool) -> dict[str, str]:
    """Return, by fact column, the SQL that fills it from `s`."""
    table = COMPILED[source.event].line if line else COMPILED[source.event].event
    columns: dict[str, str] = {}
    for index, feed in enumerate(source.feeds):
        if feed.line != line:
            continue
        value = staged.value(source, "line_total", line=line) if feed.name == "unit_price" else f"v{index}"
        name = "line_total" if feed.name == "unit_price" else feed.name
        declared = table.properties.get(name)
        if declared is None or declared.column not in COLUMNS or declared.column == "order_ref":
            continue
        if declared.kind is Kind.MONEY and foreign:
            continue
        if declared.kind in _TEXTS:
            columns[declared.column] = f"(SELECT code FROM code_{index} c WHERE c.text = s.v{index})"
        else:
            columns[declared.column] = f"s.{value}"
    return columns


def _column(source: Source, feed: Feed) -> str:
    compiled = COMPILED[source.event]
    declared = (compiled.line if feed.line else compiled.event).properties.get(feed.name)
    return "" if declared is None else declared.column


def _people(source: Source) -> dict[str, str]:
    places = {feed.name: f"v{index}" for index, feed in enumerate(source.feeds) if not feed.line}
    properties = COMPILED[source.event].event.properties
    return {p.column: places[name] for name, p in properties.items() if p.column in PERSON_KEYS and name in places}


def _body_value(source: Source, staged: Staged, feed: Feed) -> str | None:
    if not feed.line and (feed.name in _ENVELOPE or _column(source, feed) in PERSON_KEYS):
        return None
    name = "line_total" if feed.name == "unit_price" else feed.name
    return staged.value(source, name, line=feed.line)


def _bodies(source: Source, *, line: bool) -> tuple[Body, ...]:
    bodies = []
    for index, feed in enumerate(source.feeds):
        if feed.line != line or (not line and (feed.name in _ENVELOPE or _column(source, feed) in PERSON_KEYS)):
            continue
        if feed.name == "unit_price":
            bodies.append(Body("line_total", f"total{index}", boolean=False))
        else:
            bodies.append(Body(feed.name, f"v{index}", feed.kind is Kind.BOOLEAN))
    return tuple(bodies)


def _count_flags(
    connection: duckdb.DuckDBPyConnection, source: Source, staged: Staged, flagged: Counter[str], *, has_lines: bool
) -> None:
    if has_lines:
        flagged["zero_quantity"] += _one(connection, "SELECT count(*) FROM li WHERE quantity = 0")
        flagged["zero_value"] += _one(
            connection, "SELECT count(*) FROM li WHERE amount = 0 AND quantity IS DISTINCT FROM 0"
        )
        values = [f"v{index}" for index in range(len(source.feeds))]
        flagged["identical_rows"] += _one(
            connection, f"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM staged WHERE bad = 0 GROUP BY"
            f" {', '.join(values)} HAVING count(*) > 1)",
        )  # fmt: skip
    elif not source.one_event_per:
        flagged["identical_rows"] += _one(connection, "SELECT count(*) FROM numbered WHERE again > 1")
    flagged["rows_disagree"] += _one(connection, "SELECT count(*) FROM grouped WHERE differs")
    flagged["doubtful_local_time"] += _one(connection, "SELECT count(*) FROM staged WHERE bad = 0 AND doubtful")


def _count_gaps(connection: duckdb.DuckDBPyConnection, source: Source, staged: Staged, flagged: Counter[str]) -> None:
    """Count what is kept although something about it is not known: whose it is, what it cost, exactly or at all."""
    if COMPILED[source.event].declared.person:
        who = [value for name in ("subject", "anonymous_id") if (value := staged.value(source, name))]
        nobody = " AND ".join(f"{value} IS NULL" for value in who) or "true"
        flagged["nobody_named"] += _one(connection, f"SELECT count(*) FROM ev WHERE {nobody}")
    for price, quantity in staged.prices.items():
        rounded = is_rounded(f"v{price}", f"v{quantity}", source.feeds[price])
        flagged["rounded_price"] += _one(connection, f"SELECT count(*) FROM staged WHERE bad = 0 AND {rounded}")
    for index, feed in enumerate(source.feeds):
        if feed.name == UNIT_PRICE or _column(source, feed) == "amount":
            value = f"total{index}" if feed.name == UNIT_PRICE else f"v{index}"
            flagged["no_amount"] += _one(connection, f"SELECT count(*) FROM staged WHERE bad = 0 AND {value} IS NULL")
    for name in [name for name, n in flagged.items() if not n]:
        del flagged[name]


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return 0 if row is None or row[0] is None else int(row[0])
