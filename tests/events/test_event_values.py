"""Reading values: money to the last unit, ids without tricks, times without guesses."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.errors import InvalidEvent
from tillwise.events.values import (
    read_country,
    read_currency,
    read_email,
    read_id,
    read_integer,
    read_ip,
    read_money,
    read_text,
    read_timestamp,
)  # fmt: skip

CURRENCIES = {"EUR": 2, "JPY": 0, "KWD": 3}


@given(st.integers(-(10**15), 10**15), st.sampled_from(sorted(CURRENCIES)))
@settings(max_examples=200, deadline=None)
def test_money_written_as_a_decimal_is_read_exactly(minor: int, currency: str) -> None:
    """Whatever amount a shop can mean, as text or Decimal it is read to the last minor unit."""
    exact = Decimal(minor).scaleb(-CURRENCIES[currency])
    assert read_money(format(exact, "f"), currency) == minor
    assert read_money(exact, currency) == minor


@given(st.integers(-(10**11), 10**11), st.sampled_from(sorted(CURRENCIES)))
@settings(max_examples=200, deadline=None)
def test_money_as_a_json_number_is_read_exactly(minor: int, currency: str) -> None:
    """A JSON number is a binary fraction; its shortest text is the amount that was meant."""
    assert read_money(minor / 10 ** CURRENCIES[currency], currency) == minor


def test_representation_noise_is_no_decimal() -> None:
    """0.1 + 0.2 in a browser is thirty cents."""
    assert read_money(0.1 + 0.2, "EUR") == 30
    assert read_money(1.1 * 3, "EUR") == 330


@pytest.mark.parametrize(
    ("value", "currency"),
    [(1.999, "EUR"), ("1.001", "EUR"), (0.5, "JPY"), ("1.0000000001", "EUR"), (Decimal("0.0001"), "KWD"),
     (1e-5, "EUR"), (19.9901, "EUR")],
)  # fmt: skip
def test_more_decimals_than_the_currency_has_are_refused(value: object, currency: str) -> None:
    with pytest.raises(InvalidEvent, match="decimals"):
        read_money(value, currency)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), "NaN", "1e3", "1,50", "١٢", "", True, None, [], {}, 10**40, 1e300,
     Decimal("NaN"), Decimal("sNaN"), Decimal("1E+9999999"), 10**5000, "0x10", "1_000"],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(InvalidEvent):
        read_money(value, "EUR")


@pytest.mark.parametrize(
    "value",
    ["", " ", "\t", "a\x00b", "a\nb", "\x7f", "x" * 201, "pay\u202epal", "zero\u200bwidth", "\ufeffbom", "\ud800",
     True, 1.5, None, [], {}, 10**31],
)  # fmt: skip
def test_ids_that_trick_or_say_nothing_are_refused(value: object) -> None:
    with pytest.raises(InvalidEvent):
        read_id(value)


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp")), min_size=1, max_size=200))
@settings(deadline=None)
def test_any_other_text_is_an_id_and_stays_as_it_is(text: str) -> None:
    """Ids are opaque: nothing is normalised, trimmed or folded."""
    if text.isspace():
        with pytest.raises(InvalidEvent):
            read_id(text)
    else:
        assert read_id(text) == text


def test_numbers_are_ids_too() -> None:
    assert read_id(17) == "17"


def test_text_may_break_lines_but_not_hold_control_characters() -> None:
    assert read_text("two\nlines\tand a tab 🧵") == "two\nlines\tand a tab 🧵"
    for bad in ("nul\x00", "\x1b[31m", "\ud83d", "x" * 10_001, 5, None):
        with pytest.raises(InvalidEvent):
            read_text(bad)


@pytest.mark.parametrize(("value", "expected"), [(2, 2), (2.0, 2), ("2", 2), ("-3", -3), (0, 0)])
def test_whole_numbers(value: object, expected: int) -> None:
    assert read_integer(value) == expected


@pytest.mark.parametrize("value", [2.5, "2.0", "two", True, None, float("nan"), float("inf"), 10**13, "9" * 14, "²"])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(InvalidEvent):
        read_integer(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-21T09:30:00.123Z", 1795253400123),
        ("2026-11-21T10:30:00.123+01:00", 1795253400123),
        ("2026-11-21T09:30:00.123456", 1795253400123),
    ],
)
def test_times_are_read_to_the_millisecond_and_without_an_offset_as_utc(value: str, expected: int) -> None:
    assert read_timestamp(value) == expected


@pytest.mark.parametrize("value", ["yesterday", "", 1795253400, None, "2026-13-01", "2026-11-21T25:00:00Z", "٢٠٢٦"])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(InvalidEvent):
        read_timestamp(value)


def test_addresses_have_one_form() -> None:
    """However an internet address or an e-mail address is written, it is one key."""
    assert read_ip("2001:DB8::0001") == read_ip(" 2001:db8:0:0:0:0:0:1 ") == "2001:db8::1"
    assert read_ip("::ffff:192.0.2.9") == "192.0.2.9"
    assert read_email("Ann@Example.COM") == "ann@example.com"
    for bad in ("999.1.1.1", "localhost", 7, None):
        with pytest.raises(InvalidEvent):
            read_ip(bad)


def test_countries_and_currencies_have_their_shape() -> None:
    assert read_country("de") == "DE"
    assert read_currency("eur") == "EUR"
    for bad in ("DEU", "D1", "", "ßß", 49, None):
        with pytest.raises(InvalidEvent):
            read_country(bad)
    for bad in ("EURO", "E1R", "€€€", "", None, 978):
        with pytest.raises(InvalidEvent):
            read_currency(bad)


def test_a_currency_is_one_that_exists() -> None:
    """Three letters are not enough: without its decimals an amount would be a hundred times too much or too little."""
    for unknown in ("XXQ", "XXX", "XTS", "XAU", "ZZZ"):
        with pytest.raises(InvalidEvent, match="ISO 4217"):
            read_currency(unknown)
    assert read_currency("hrk") == "HRK"
