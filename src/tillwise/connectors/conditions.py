"""The conditions of a source as SQL over its file's columns."""

from __future__ import annotations

from collections.abc import Iterable

from tillwise.connectors.files import literal, quoted
from tillwise.connectors.mapping import Condition, Scalar


def where_sql(conditions: Iterable[Condition], types: dict[str, str]) -> str:
    """Return the conditions joined by AND; "true" when there are none.

    Text compares as text, a number compares numerically whatever the column holds. A missing value satisfies `!=` and
    `not_starts_with`, and no other comparison.
    """
    parts = [_condition(each, types[each.column]) for each in conditions]
    return " AND ".join(parts) or "true"


def _condition(condition: Condition, kind: str) -> str:
    column, op, value = quoted(condition.column), condition.op, condition.value
    text = f"nullif(trim(CAST({column} AS VARCHAR)), '')"
    if op == "is_null":
        return f"({text} IS NULL)"
    if op == "not_null":
        return f"({text} IS NOT NULL)"
    if isinstance(value, tuple):
        return "(" + " OR ".join(_compare(column, text, "=", each) for each in value) + ")"
    if op == "starts_with":
        return f"coalesce(starts_with({text}, {literal(str(value))}), false)"
    if op == "not_starts_with":
        return f"coalesce(NOT starts_with({text}, {literal(str(value))}), true)"
    return _compare(column, text, op, value if value is not None else "")


def _compare(column: str, text: str, op: str, value: Scalar) -> str:
    if isinstance(value, bool):
        left, right = f"lower({text})", literal(str(value).lower())
    elif isinstance(value, int | float):
        left, right = f"TRY_CAST({column} AS DOUBLE)", f"{value!r}::DOUBLE"
    else:
        left, right = text, literal(value)
    if op == "!=":
        return f"({left} IS DISTINCT FROM {right})"
    return f"coalesce({left} {op} {right}, false)"
