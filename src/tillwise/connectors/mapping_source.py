"""Reading one `[[source]]` of a mapping file: its columns and its conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeGuard

from tillwise.connectors.mapping import OPS, Condition, Feed, Scalar, Task, Unit
from tillwise.connectors.targets import UNIT_PRICE, Target, catalog_target, event_target, subject_target, suggest
from tillwise.errors import InvalidMapping
from tillwise.events.event_type import EventType
from tillwise.events.properties import Kind
from tillwise.vocabulary.currencies import EXPONENTS

_FEED_KEYS: Final = (
    "column", "const", "unit", "currency", "value_map", "timestamp_format", "negate",
)  # fmt: skip
_WHERE_KEYS: Final = ("column", "op", "value")
_NUMBERS: Final = (Kind.INTEGER, Kind.MONEY)


class Given(NamedTuple):
    """What a source says for all of its columns."""

    zone: str | None
    timestamp_format: str | None
    currency: str | None
    negate: bool


def read_feeds(
    table: dict[str, Any], declared: EventType | None, task: Task, zone: str | None, place: str
) -> tuple[Feed, ...]:
    """Return what feeds each property; `declared` is the event type, None for catalog and subjects."""
    columns = table.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise InvalidMapping(f"{place}: no columns; add [source.columns] with one line per property", field="columns")
    given = Given(
        zone, _text(table, "timestamp_format", place), _currency(columns, place), _flag(table, "negate", place)
    )
    resolve = _resolver(declared, task)
    feeds: list[Feed] = []
    for written, rule in columns.items():
        where = f'{place}, column "{written}"'
        target = resolve(written, where)
        if any(feed.name == target.name and feed.line == target.line for feed in feeds):
            raise InvalidMapping(f"{where}: '{target.name}' is fed twice; keep one", field=written)
        feeds.append(_feed(written, target, rule, given, where))
    _check_together(feeds, declared, task, place)
    return tuple(feeds)


def read_where(written: Any, place: str) -> tuple[Condition, ...]:
    """Return the conditions of a source."""
    place = f"{place}, where"
    if not isinstance(written, list) or not all(isinstance(each, dict) for each in written):
        raise InvalidMapping(
            f'{place} must be a list such as [{{ column = "invoice", op = "starts_with", value = "C" }}]', field="where"
        )
    return tuple(_condition(each, f"{place} {number}") for number, each in enumerate(written, 1))


def _condition(table: dict[str, Any], place: str) -> Condition:
    _known(table, _WHERE_KEYS, place, "a condition")
    column, op = table.get("column"), table.get("op")
    if not isinstance(column, str) or not column:
        raise InvalidMapping(f"{place}: name the column of the file", field="column")
    if op not in OPS:
        raise InvalidMapping(f"{place}: op = {op!r} is not known; write one of {', '.join(OPS)}", field="op")
    if op in ("is_null", "not_null"):
        if "value" in table:
            raise InvalidMapping(f"{place}: {op} takes no value; take it out", field="value")
        return Condition(column, op)
    value = table.get("value")
    if op == "in":
        if not isinstance(value, list) or not value or not all(_scalar(each) for each in value):
            raise InvalidMapping(f'{place}: in takes a list such as ["a", "b"]', field="value")
        return Condition(column, op, tuple(value))
    if not _scalar(value):
        hint = 'use op = "in" for a list' if isinstance(value, list) else "give text, a number, true or false"
        raise InvalidMapping(f"{place}: {op} takes one value; {hint}", field="value")
    if op in ("starts_with", "not_starts_with") and not isinstance(value, str):
        raise InvalidMapping(f"{place}: {op} takes text in quotes, not {value!r}", field="value")
    return Condition(column, op, value)


def _resolver(declared: EventType | None, task: Task) -> Callable[[str, str], Target]:
    if declared is not None:
        known = declared
        return lambda written, place: event_target(known, written, place)
    return catalog_target if task == "catalog" else subject_target


def _feed(written: str, target: Target, rule: Any, given: Given, place: str) -> Feed:
    if isinstance(rule, str):
        rule = {"column": rule}
    if not isinstance(rule, dict):
        raise InvalidMapping(
            f'{place}: name a column in quotes, or write a table such as {{ column = "…", unit = "major" }}',
            field=written,
        )
    _known(rule, _FEED_KEYS, place, "a transformation")
    column, const = rule.get("column"), rule.get("const")
    if (column is None) == (const is None):
        raise InvalidMapping(f"{place}: give either column or const", field=written)
    if column is not None and (not isinstance(column, str) or not column):
        raise InvalidMapping(f"{place}: column must be a name in quotes, not {column!r}", field=written)
    if const is not None and not _scalar(const):
        raise InvalidMapping(f"{place}: const must be text or a number, not {const!r}", field=written)
    unit, currency = _money(rule, target.kind, given.currency, place)
    negate = _flag(rule, "negate", place)
    if negate and target.kind not in _NUMBERS:
        raise InvalidMapping(f"{place}: negate turns numbers only, '{target.name}' is none; take it out", field=written)
    stamp = target.kind is Kind.TIMESTAMP
    if "timestamp_format" in rule and not stamp:
        raise InvalidMapping(f"{place}: timestamp_format belongs to a time; take it out", field=written)
    text = None if const is None else str(const).lower() if isinstance(const, bool) else str(const)
    return Feed(
        target=written, name=target.name, kind=target.kind, line=target.line, column=column, const=text, unit=unit,
        currency=currency, value_map=_value_map(rule, place), zone=given.zone if stamp else None,
        timestamp_format=(_text(rule, "timestamp_format", place) or given.timestamp_format) if stamp else None,
        negate=negate or (given.negate and target.kind in _NUMBERS and target.name not in (UNIT_PRICE, "price")),
    )  # fmt: skip


def _money(rule: dict[str, Any], kind: Kind, currency: str | None, place: str) -> tuple[Unit | None, str | None]:
    if kind is not Kind.MONEY:
        for key in ("unit", "currency"):
            if key in rule:
                raise InvalidMapping(f"{place}: {key} belongs to amounts of money; take it out", field=key)
        return None, None
    unit = rule.get("unit")
    if unit not in ("major", "minor"):
        said = "say" if unit is None else f"unit = {unit!r} is not known; write"
        raise InvalidMapping(
            f'{place}: {said} unit = "major" (19.90) or unit = "minor" (1990), and currency = "EUR"', field="unit"
        )
    currency = rule.get("currency", currency)
    _check_currency(currency, place)
    return unit, currency


def _check_currency(code: Any, place: str) -> None:
    if not isinstance(code, str) or code not in EXPONENTS:
        said = "say" if code is None else f"{code!r} is no currency; write"
        raise InvalidMapping(f'{place}: {said} currency = "EUR", an ISO 4217 code', field="currency")


def _currency(columns: dict[str, Any], place: str) -> str | None:
    rule = columns.get("currency")
    if rule is None:
        return None
    if not isinstance(rule, dict) or not isinstance(rule.get("const"), str):
        raise InvalidMapping(
            f'{place}, column "currency": write {{ const = "EUR" }}; when a file has several currencies, write one'
            " [[source]] for each with a where on that column",
            field="currency",
        )
    code = str(rule["const"]).upper()
    _check_currency(code, f'{place}, column "currency"')
    return code


def _value_map(rule: dict[str, Any], place: str) -> tuple[tuple[str, str], ...]:
    written = rule.get("value_map")
    if written is None:
        return ()
    if not isinstance(written, dict) or not written or not all(_scalar(value) for value in written.values()):
        raise InvalidMapping(
            f'{place}: value_map must be a table such as {{ "Germany" = "DE", "*" = "" }}', field="value_map"
        )
    return tuple((key, str(value).lower() if isinstance(value, bool) else str(value)) for key, value in written.items())


def _check_together(feeds: list[Feed], declared: EventType | None, task: Task, place: str) -> None:
    names = {(feed.name, feed.line) for feed in feeds}
    currencies = sorted({feed.currency for feed in feeds if feed.currency})
    if len(currencies) > 1:
        raise InvalidMapping(
            f"{place}: one source has one currency, not {' and '.join(currencies)}; write one [[source]] for each",
            field="currency",
        )
    for line in (False, True):
        if (UNIT_PRICE, line) in names and not {("quantity", line), ("line_total", line)} & names:
            raise InvalidMapping(
                f"{place}: unit_price needs the quantity beside it; feed '{'products.' if line else ''}quantity' too",
                field=UNIT_PRICE,
            )
        if {(UNIT_PRICE, line), ("line_total", line)} <= names:
            raise InvalidMapping(f"{place}: feed line_total or unit_price, not both", field=UNIT_PRICE)
    wanted = {"event": ["timestamp"], "catalog": ["item_id"], "subjects": ["subject"]}[task]
    if declared is not None:
        wanted += [p.name for p in declared.properties if p.required]
    missing = [name for name in wanted if (name, False) not in names]
    if any(line for _, line in names) and ("product_id", True) not in names:
        missing.append("products.item_id")
    if declared is not None and declared.one_of and not any((name, False) in names for name in declared.one_of):
        missing.append(" or ".join(declared.one_of))
    if missing:
        raise InvalidMapping(
            f"{place}: nothing feeds {', '.join(missing)}; add it to [source.columns]", field=missing[0]
        )


def _known(table: dict[str, Any], known: tuple[str, ...], place: str, what: str) -> None:
    for key in table:
        if key not in known:
            raise InvalidMapping(
                f"{place}: '{key}' is not {what} a mapping knows; {suggest(key, known, 'there are')}", field=key
            )


def _text(table: dict[str, Any], key: str, place: str) -> str | None:
    value = table.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise InvalidMapping(f"{place}: {key} must be text in quotes, not {value!r}", field=key)
    return value


def _flag(table: dict[str, Any], key: str, place: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise InvalidMapping(f"{place}: {key} must be true or false, not {value!r}", field=key)
    return value


def _scalar(value: Any) -> TypeGuard[Scalar]:
    return isinstance(value, str | int | float | bool)
