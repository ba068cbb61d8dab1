"""Money in integer minor units; ISO 4217 says how many decimals a currency has."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from tillwise.errors import InvalidInput
from tillwise.vocabulary.currencies import EXPONENTS

MAX_MINOR = 10**15
"""Larger amounts are refused: sums of a billion of them still fit an int64."""


def exponent(currency: str) -> int:
    """Return the number of decimals of a currency; raise InvalidInput unless ISO 4217 has it, in capital letters."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise InvalidInput(
            f"'{currency}' is no currency of ISO 4217: write three capital letters such as EUR", field="currency"
        ) from None


def to_minor(amount: Decimal | int | float | str, currency: str) -> int:
    """Convert major units to minor units exactly; raise InvalidInput when there are more decimals than allowed."""
    scaled = _decimal(amount).scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise InvalidInput(f"{amount} has more decimals than {currency} allows ({exponent(currency)})")
    return _bounded(int(scaled), amount)


def round_to_minor(amount: Decimal, currency: str) -> int:
    """Convert a computed product such as quantity × price to minor units, rounding half to even once."""
    return _bounded(int(amount.scaleb(exponent(currency)).to_integral_value(ROUND_HALF_EVEN)), amount)


def _decimal(amount: Decimal | int | float | str) -> Decimal:
    try:
        value = Decimal(str(amount))
    except InvalidOperation:
        raise InvalidInput(f"'{amount}' is not a number") from None
    if not value.is_finite():
        raise InvalidInput(f"'{amount}' is not a finite number")
    return value


def _bounded(minor: int, amount: object) -> int:
    if abs(minor) > MAX_MINOR:
        raise InvalidInput(f"{amount} is larger than any amount a shop can mean")
    return minor
