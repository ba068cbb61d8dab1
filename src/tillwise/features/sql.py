"""SQL for slots: one template per aggregate and dialect, over integers only.

Nothing a shop or a caller writes reaches this text: columns come from the closed list in events/facts.py, numbers from
checked declarations, and everything that changes from read to read is bound. Row expressions never become SQL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from tillwise.features.feature import Agg, Where
from tillwise.features.plan import Slot

Dialect = Literal["sqlite", "duckdb", "postgres", "spark"]
DIALECTS: Final[tuple[Dialect, ...]] = ("sqlite", "duckdb", "postgres", "spark")

_EVERYWHERE: Final = {
    Agg.COUNT: "COUNT(*) FILTER (WHERE {when})",
    Agg.COUNT_NONNULL: "COUNT({of}) FILTER (WHERE {when})",
    Agg.SUM: "SUM({of}) FILTER (WHERE {when})",
    Agg.MIN: "MIN({of}) FILTER (WHERE {when})",
    Agg.MAX: "MAX({of}) FILTER (WHERE {when})",
    Agg.DISTINCT: "COUNT(DISTINCT {of}) FILTER (WHERE {when})",
    Agg.TIME_SINCE: "MAX({row}.at) FILTER (WHERE {when})",
}
# A sum of 64-bit integers is wider in these two: the cast brings it back, or fails when it does not fit.
_CAST_SUM: Final = "CAST(SUM({of}) FILTER (WHERE {when}) AS BIGINT)"
_TEMPLATES: Final[dict[tuple[Agg, Dialect], str]] = {
    **{(agg, dialect): text for agg, text in _EVERYWHERE.items() for dialect in DIALECTS},
    (Agg.SUM, "duckdb"): _CAST_SUM,
    (Agg.SUM, "postgres"): _CAST_SUM,
    # Two or more COUNT(DISTINCT) cost DuckDB a second pass each; lists of a window's values cost half as much.
    (Agg.DISTINCT, "duckdb"): "COALESCE(LIST_UNIQUE(LIST({of}) FILTER (WHERE {when} AND {of} IS NOT NULL)), 0)",
    # The newest row in (at, seq, line) order: 128 bits hold all three.
    (
        Agg.LAST,
        "duckdb",
    ): "ARG_MAX({of}, (CAST({row}.at AS HUGEINT) * 8796093022208 + {row}.seq) * 1048576 + {row}.line)"
    " FILTER (WHERE {when} AND {of} IS NOT NULL)",
    (Agg.LAST, "postgres"): "(ARRAY_AGG({of} ORDER BY {row}.at DESC, {row}.seq DESC, {row}.line DESC)"
    " FILTER (WHERE {when} AND {of} IS NOT NULL))[1]",
    (Agg.LAST, "spark"): "MAX_BY({of}, STRUCT({row}.at, {row}.seq, {row}.line))"
    " FILTER (WHERE {when} AND {of} IS NOT NULL)",
}


def aggregate_sql(slot: Slot, row: str, after: str | None, dialect: Dialect) -> str:
    """Return the aggregate of a slot over rows called `row`.

    `after` is the SQL of the window's open lower end, or None when the whole group lies within the window.
    SQLite has no template for `last`: there it is a read of its own (see `newest_sql`).
    """
    return _TEMPLATES[slot.agg, dialect].format(of=f"{row}.{slot.of}", row=row, when=when_sql(slot, row, after))


def when_sql(slot: Slot, row: str, after: str | None) -> str:
    """Return the condition under which a row counts for a slot: its types, conditions and window."""
    conditions = [types_sql(slot.types, row), *(_where(condition, row) for condition in slot.where)]
    if after is not None:
        conditions.insert(0, f"{row}.at > {after}")
    return " AND ".join(conditions)


def types_sql(types: tuple[int, ...], row: str) -> str:
    """Return the condition that a row is of one of these types."""
    if len(types) == 1:
        return f"{row}.type = {types[0]}"
    return f"{row}.type IN ({', '.join(map(str, types))})"


def visible_sql(row: str, value: Callable[[str], str]) -> str:
    """Return the condition that a row is visible, readable, of the same world, and not of the scored order.

    `value` gives the SQL of `at`, `mark`, `epoch`, `mask`, `simulated` and `order_ref` each time one is needed.
    """
    return (
        f"{row}.at <= {value('at')} AND ({row}.at < {value('at')} OR 2 * {row}.seq < {value('mark')})"
        f" AND {readable_sql(row, value)} AND ({row}.order_ref IS NULL OR {row}.order_ref <> {value('order_ref')})"
    )


def readable_sql(row: str, value: Callable[[str], str]) -> str:
    """Return the condition that a row, wherever it stands, is published, permitted and of the same world."""
    return (
        f"{row}.epoch <= {value('epoch')} AND ({row}.purposes & {value('mask')}) = {value('mask')}"
        f" AND {row}.simulated = {value('simulated')}"
    )


def newest_sql(slot: Slot, table: str, key: str, value: Callable[[str], str]) -> str:
    """Return a subquery for the newest non-null value of a slot (`at` for time_since): a step back through the rows."""
    of = f"l.{slot.of or 'at'}"
    return (
        f"(SELECT {of} FROM {table} l WHERE l.{key} = {value('key')} AND l.at > {value(from_name(slot.window))}"
        f" AND {visible_sql('l', value)} AND {when_sql(slot, 'l', None)} AND {of} IS NOT NULL"
        " ORDER BY l.at DESC, l.seq DESC, l.line DESC LIMIT 1)"
    )


def from_name(window: int) -> str:
    """Return the name of the bound value `at` − window."""
    return f"from_{window}"


def printed(text: str, dialect: Dialect) -> str:
    """Return a query laid out for reading, names quoted; raise sqlglot's ParseError when it is not the dialect's."""
    import sqlglot  # noqa: PLC0415 - half a second to import, and only documentation needs it

    laid_out: str = sqlglot.parse_one(text, dialect=dialect).sql(dialect=dialect, pretty=True, identify=True)
    return laid_out


def _where(condition: Where, row: str) -> str:
    column = f"{row}.{condition.column}"
    if isinstance(condition.value, int):
        return f"{column} = {_number(condition.value)}"
    if condition.op == "between":
        low, high = condition.value
        return f"{column} BETWEEN {_number(low)} AND {_number(high)}"
    return f"{column} IN ({', '.join(_number(value) for value in condition.value)})"


def _number(value: int) -> str:
    # −2⁶³ cannot be written as a literal: its digits alone are no 64-bit number.
    return str(value) if value > -(2**63) else f"({value + 1} - 1)"
