"""SQL that reads one value: what a column holds becomes what a property is, and every way to fail has a reason.

All of it runs in DuckDB over whole columns. Decimals are exact: text and DECIMAL columns keep up to 12 decimals, binary
fractions are read at 9 decimals, so that 0.1 + 0.2 is 0.3.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tillwise.connectors.files import literal, quoted
from tillwise.connectors.mapping import REST, Feed
from tillwise.connectors.targets import UNIT_PRICE
from tillwise.events.properties import Kind
from tillwise.events.values import ID_LIMIT, INTEGER_LIMIT, TEXT_LIMIT
from tillwise.vocabulary.money import MAX_MINOR, exponent

MISSING: Final = ("", "nan", "NaN", "null", "NULL", "None", "\\N", "#N/A")
"""What other programs write into a text column when there is nothing."""
_NO_NUMBER: Final = tuple(text for text in MISSING if text.lower() != "nan")
"""The same where a number stands: `nan` says that a calculation went wrong, not that there is nothing."""
SCALE: Final = 12
_DECIMAL: Final = f"DECIMAL(30, {SCALE})"
_WHOLE_TYPES: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_FLOATS: Final = ("DOUBLE", "FLOAT")
_PRICE_LIMIT: Final = 10**9
BY_READER: Final = (Kind.COUNTRY, Kind.CURRENCY, Kind.BOOLEAN, Kind.IP, Kind.EMAIL)
"""Kinds with few distinct values or an involved form: each distinct text is read once, in Python."""
# The same characters events/values.py refuses, as DuckDB's regular expressions (RE2) write them.
_UNFIT_FOR_ID: Final = (
    "[\\x00-\\x1f\\x7f-\\x9f\\x{200b}-\\x{200f}\\x{2028}-\\x{202e}\\x{2060}-\\x{2069}\\x{feff}]"
)  # fmt: skip
_UNFIT_FOR_TEXT: Final = "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]"


class Problem(NamedTuple):
    """A way a value can fail: the SQL condition, the reason, and what to change when most rows fail so."""

    condition: str
    feed: Feed
    reason: str
    mend: str = ""


class Reading(NamedTuple):
    """How a feed is read, in two steps of SQL: `raw` from the file's row, then `value` from `raw`."""

    feed: Feed
    raw: str
    value: str
    problems: tuple[Problem, ...]


def read_feed(feed: Feed, index: int, types: dict[str, str], *, required: bool, negative: bool) -> Reading:
    """Return how to read `feed`; its steps are called r<index> and v<index>."""
    r, v = f"r{index}", f"v{index}"
    kind = "VARCHAR" if feed.column is None else types[feed.column]
    problems = [Problem(f"{r} IS NULL", feed, "is missing", "name another column, or leave these rows out with where")]
    if not required:
        problems = []
    if feed.value_map and not any(key == REST for key, _ in feed.value_map):
        keys = ", ".join(literal(key) for key, _ in feed.value_map)
        problems.append(
            Problem(f"{r} IS NOT NULL AND {r} NOT IN ({keys})", feed, "has no entry in value_map",
                    'add the missing entries, or "*" = "" to leave the rest empty')
        )  # fmt: skip
    if feed.kind in (Kind.INTEGER, Kind.MONEY):
        raw, value, more = _number(feed, kind, r, v, negative=negative)
    elif feed.kind in BY_READER:
        raw, value = _text(feed, kind), f"(SELECT value FROM read_{index} WHERE text = {_mapped(feed, r)})"
        more = [
            Problem(f"{r} IS NOT NULL AND {v} IS NULL AND {_mapped(feed, r)} IS NOT NULL", feed, _WRONG[feed.kind],
                    "name another column, or translate it with value_map")
        ]  # fmt: skip
    else:
        raw, value = _text(feed, kind), _mapped(feed, r)
        limit, unfit = (TEXT_LIMIT, _UNFIT_FOR_TEXT) if feed.kind is Kind.TEXT else (ID_LIMIT, _UNFIT_FOR_ID)
        what = "text" if feed.kind is Kind.TEXT else "an id"
        more = [
            Problem(f"length({v}) > {limit}", feed, f"{what} has at most {limit} characters"),
            Problem(f"regexp_matches({v}, {literal(unfit)})", feed, f"{what} must not hold control characters"),
        ]
    return Reading(feed, raw, value, (*problems, *more))


def line_total(price: str, quantity: str, feed: Feed) -> str:
    """Return quantity × unit price in minor units: exact, rounded half to even once.

    `price` is an exact decimal of SCALE places, `quantity` a whole number; null when one is missing or too large.
    """
    product, unit = _product(price, quantity, feed)
    size = f"abs({product})"
    up = f"CASE WHEN 2 * ({size} % {unit}) > {unit} OR (2 * ({size} % {unit}) = {unit} AND ({size} // {unit}) % 2 = 1)"
    rounded = f"sign({product}) * ({size} // {unit} + {up} THEN 1 ELSE 0 END)"
    return f"CASE WHEN {_known(price, quantity)} THEN {rounded} END"


def is_rounded(price: str, quantity: str, feed: Feed) -> str:
    """Return whether line_total had to round: the price has more decimals than the currency, and they matter."""
    product, unit = _product(price, quantity, feed)
    return f"CASE WHEN {_known(price, quantity)} THEN {product} % {unit} <> 0 ELSE false END"


def _product(price: str, quantity: str, feed: Feed) -> tuple[str, int]:
    """Return quantity × price in units of 10⁻¹² of what the price is in, and how many of them are a minor unit."""
    decimals = exponent(feed.currency or "") if feed.unit == "major" else 0
    return f"(CAST({price} * {10**SCALE} AS HUGEINT) * CAST({quantity} AS HUGEINT))", 10 ** (SCALE - decimals)


def _known(price: str, quantity: str) -> str:
    return f"abs({price}) <= {_PRICE_LIMIT} AND abs({quantity}) <= {INTEGER_LIMIT}"


_WRONG: Final = {
    Kind.COUNTRY: "a country must be two letters such as DE",
    Kind.CURRENCY: "a currency must be one of ISO 4217, three letters such as EUR",
    Kind.BOOLEAN: "must be true or false",
    Kind.IP: "must be an internet address such as 192.0.2.9",
    Kind.EMAIL: "an id must not hold control or invisible characters",
}


def _text(feed: Feed, kind: str) -> str:
    if feed.column is None:
        return literal(feed.const or "")
    column = quoted(feed.column)
    if kind == "VARCHAR":
        missing = _NO_NUMBER if feed.kind in (Kind.INTEGER, Kind.MONEY) else MISSING
        nothing = ", ".join(literal(each) for each in missing)
        return f"CASE WHEN trim({column}) IN ({nothing}) THEN NULL ELSE trim({column}) END"
    if kind in _FLOATS:
        # An integer key with gaps often arrives as a binary fraction: 17850.0 is the id 17850.
        whole = f"isfinite({column}) AND {column} = trunc({column}) AND abs({column}) < 9e15"
        return (
            f"CASE WHEN isnan({column}) THEN NULL WHEN {whole} THEN CAST(CAST({column} AS BIGINT) AS VARCHAR)"
            f" ELSE CAST({column} AS VARCHAR) END"
        )
    return f"CAST({column} AS VARCHAR)"


def _mapped(feed: Feed, raw: str) -> str:
    if not feed.value_map:
        return raw
    cases = " ".join(f"WHEN {literal(key)} THEN {_result(to)}" for key, to in feed.value_map if key != REST)
    rest = next((_result(to) for key, to in feed.value_map if key == REST), "NULL")
    if not cases:
        return f"CASE WHEN {raw} IS NOT NULL THEN {rest} END"
    return f"CASE WHEN {raw} IS NULL THEN NULL ELSE CASE {raw} {cases} ELSE {rest} END END"


def _result(text: str) -> str:
    return literal(text) if text else "NULL"


def _number(feed: Feed, kind: str, r: str, v: str, *, negative: bool) -> tuple[str, str, list[Problem]]:
    sign = "-" if feed.negate else ""
    if kind in _WHOLE_TYPES and not feed.value_map and feed.name != UNIT_PRICE:
        scale = 10 ** exponent(feed.currency or "") if feed.unit == "major" else 1
        return quoted(feed.column or ""), f"{sign}CAST({r} AS HUGEINT) * {scale}", _limits(feed, v, negative=negative)
    if kind in _FLOATS and not feed.value_map:
        raw, exact = quoted(feed.column or ""), f"TRY_CAST(TRY_CAST({r} AS DECIMAL(30, 9)) AS {_DECIMAL})"
        raw = f"CASE WHEN isnan({raw}) THEN NULL ELSE {raw} END"
    else:
        raw, exact = _text(feed, kind), f"TRY_CAST({_mapped(feed, r)} AS {_DECIMAL})"
    problems = [
        Problem(f"{_mapped(feed, r) if feed.value_map else r} IS NOT NULL AND {exact} IS NULL", feed, "is not a number",
                'name another column; decimals need a point ("19.90")')
    ]  # fmt: skip
    if kind == "VARCHAR":
        problems.append(
            Problem(f"regexp_matches({r}, '\\.\\d{{{SCALE + 1},}}')", feed, f"has more than {SCALE} decimals")
        )
    if feed.name == UNIT_PRICE:
        problems.append(Problem(f"abs({v}) > {_PRICE_LIMIT}", feed, "is larger than any price a shop can mean"))
        if feed.unit == "minor":
            problems.append(_fraction(feed, exact))
        return raw, f"{sign}{exact}", problems
    scaled = exact if feed.unit != "major" else f"{exact} * {10 ** exponent(feed.currency or '')}"
    problems.append(_fraction(feed, scaled))
    value = f"CASE WHEN {scaled} = trunc({scaled}) THEN CAST({sign}{scaled} AS HUGEINT) END"
    return raw, value, [*problems, *_limits(feed, v, negative=negative)]


def _fraction(feed: Feed, scaled: str) -> Problem:
    condition = f"{scaled} <> trunc({scaled})"
    if feed.unit == "minor":
        return Problem(
            condition, feed, "has decimals, but minor units are whole",
            'write unit = "major" if the column holds amounts such as 19.90',
        )  # fmt: skip
    if feed.unit == "major":
        return Problem(
            condition, feed, f"has more decimals than {feed.currency} allows",
            "check the currency; if it is the price of one unit, feed unit_price instead",
        )  # fmt: skip
    return Problem(condition, feed, "must be a whole number", "name another column")


def _limits(feed: Feed, v: str, *, negative: bool) -> list[Problem]:
    limit = MAX_MINOR if feed.kind is Kind.MONEY else INTEGER_LIMIT
    problems = [Problem(f"abs({v}) > {limit}", feed, "is larger than any number a shop can mean")]
    if not negative:
        mend = (
            "take negate out" if feed.negate else "write negate = true for returns, or leave these rows out with where"
        )
        problems.append(Problem(f"{v} < 0", feed, "must not be negative", mend))
    return problems
