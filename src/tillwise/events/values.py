"""Reading one value: each kind of property has one strict, fast parser that says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from ipaddress import ip_address
from math import isfinite
from typing import Any, Final

from tillwise.errors import InvalidEvent, InvalidInput
from tillwise.events.properties import Kind
from tillwise.vocabulary.codes import code_of
from tillwise.vocabulary.money import MAX_MINOR, exponent

ID_LIMIT: Final = 200
TEXT_LIMIT: Final = 10_000
INTEGER_LIMIT: Final = 10**12
_LARGEST_NUMBER_ID: Final = 10**30
EARLIEST: Final = 631_152_000_000
"""1990-01-01 in Unix milliseconds: older timestamps are a sender's mistake."""
FUTURE_LIMIT: Final = 86_400_000
"""Timestamps further ahead of the log clock than this are a sender's mistake."""

# Control characters, lone surrogates, and the invisible or direction-changing characters that make two ids look alike.
_UNFIT_FOR_ID: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")
_UNFIT_FOR_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NOISE: Final = 1e-6
"""Binary fractions carry representation noise (0.1 + 0.2); a millionth of a minor unit is noise, more is a decimal."""

public_code: Final = lru_cache(maxsize=131_072)(code_of)
"""`code_of`, remembered: the same items, categories and countries come again and again."""


@lru_cache(maxsize=256)
def _scale(currency: str) -> int:
    return int(10 ** exponent(currency))


def read_id(value: Any) -> str:
    """Return an opaque id as text; raise InvalidEvent when it is no id."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_NUMBER_ID:
        text = str(value)
    else:
        raise InvalidEvent(f"an id must be text, not {_kind(value)}")
    if len(text) > ID_LIMIT:
        raise InvalidEvent(f"an id has at most {ID_LIMIT} characters, this has {len(text)}")
    if _UNFIT_FOR_ID.search(text):
        raise InvalidEvent("an id must not hold control or invisible characters")
    if not text or text.isspace():
        raise InvalidEvent("an id must not be empty")
    return text


def read_text(value: Any) -> str:
    """Return free text; raise InvalidEvent when it is none or too long."""
    if not isinstance(value, str):
        raise InvalidEvent(f"must be text, not {_kind(value)}")
    if len(value) > TEXT_LIMIT:
        raise InvalidEvent(f"text has at most {TEXT_LIMIT} characters, this has {len(value)}")
    if _UNFIT_FOR_TEXT.search(value):
        raise InvalidEvent("text must not hold control characters")
    return value


def read_integer(value: Any) -> int:
    """Return a whole number, also from 2.0 and "2"; raise InvalidEvent otherwise."""
    if isinstance(value, bool) or value is None:
        raise InvalidEvent(f"must be a whole number, not {_kind(value)}")
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,13}", value.strip(), re.ASCII):
        value = int(value)
    if isinstance(value, float) and isfinite(value) and value.is_integer():
        value = int(value)
    if not isinstance(value, int):
        raise InvalidEvent(f"must be a whole number, not {_kind(value)}")
    if abs(value) > INTEGER_LIMIT:
        raise InvalidEvent("is larger than any number a shop can mean")
    return value


def read_money(value: Any, currency: str) -> int:
    """Return decimal major units as minor units of `currency`; raise InvalidEvent for more decimals than it has."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise InvalidEvent(f"an amount must be a number, not {_kind(value)}")
    if isinstance(value, float) and isfinite(value):
        scaled = value * _scale(currency)
        nearest = round(scaled)
        if abs(scaled - nearest) < _NOISE and abs(nearest) < 10**9:
            return nearest
    if isinstance(value, str) and not re.fullmatch(r"\s*[+-]?[0-9]{1,20}(\.[0-9]{0,20})?\s*", value, re.ASCII):
        raise InvalidEvent("an amount must be a decimal number such as 19.90")
    try:
        exact = Decimal(str(value).strip()) * _scale(currency)
    except (ArithmeticError, ValueError):
        raise InvalidEvent("an amount must be a decimal number such as 19.90") from None
    if not exact.is_finite() or abs(exact) > MAX_MINOR:
        raise InvalidEvent("is larger than any amount a shop can mean")
    if exact != exact.to_integral_value():
        raise InvalidEvent(f"has more decimals than {currency} allows ({exponent(currency)})")
    return int(exact)


def read_timestamp(value: Any) -> int:
    """Return RFC 3339 text as Unix milliseconds (no offset means UTC); raise InvalidEvent when it is no time."""
    if not isinstance(value, str):
        raise InvalidEvent(f"a time must be text such as 2026-11-21T09:30:00Z, not {_kind(value)}")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidEvent("is no time such as 2026-11-21T09:30:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return round(moment.timestamp() * 1000)
    except (OverflowError, ValueError):
        raise InvalidEvent("is no time a shop can mean") from None


def read_country(value: Any) -> str:
    """Return an ISO 3166-1 alpha-2 code in capitals; raise InvalidEvent when it has another shape."""
    if isinstance(value, str) and len(value) == 2 and value.isascii() and value.isalpha():
        return value.upper()
    raise InvalidEvent("a country must be two letters such as DE")


def read_currency(value: Any) -> str:
    """Return an ISO 4217 code in capitals; raise InvalidEvent when there is no such currency."""
    if isinstance(value, str):
        with suppress(InvalidInput):
            exponent(value.upper())
            return value.upper()
    raise InvalidEvent("a currency must be one of ISO 4217, three letters such as EUR")


def read_boolean(value: Any) -> bool:
    """Return true or false, also from 0 and 1; raise InvalidEvent otherwise."""
    if isinstance(value, bool):
        return value
    if value in (0, 1):
        return bool(value)
    raise InvalidEvent(f"must be true or false, not {_kind(value)}")


def read_ip(value: Any) -> str:
    """Return an IPv4 or IPv6 address in its canonical text; raise InvalidEvent when it is none."""
    try:
        address = ip_address(value.strip()) if isinstance(value, str) else None
    except ValueError:
        address = None
    if address is None:
        raise InvalidEvent("must be an internet address such as 192.0.2.9")
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def read_email(value: Any) -> str:
    """Return an e-mail address, or the shop's hash of one, in small letters."""
    return read_id(value).strip().lower()


READERS: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.ID: read_id,
    Kind.TEXT: read_text,
    Kind.INTEGER: read_integer,
    Kind.TIMESTAMP: read_timestamp,
    Kind.COUNTRY: read_country,
    Kind.CURRENCY: read_currency,
    Kind.BOOLEAN: read_boolean,
    Kind.IP: read_ip,
    Kind.EMAIL: read_email,
}
"""The parser of each kind; money and lines need more than the value and are read where they stand."""


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", float: "a fraction", str: "text"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
