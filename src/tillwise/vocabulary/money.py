"""Money in integer minor units; ISO 4217 says how many decimals a currency has."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from tillwise.errors import InvalidInput

_EXPONENTS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV"), 0),
    **dict.fromkeys(("XAF", "XOF", "XPF", "UYI"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
MAX_MINOR = 10**15
"""Larger amounts are refused: sums of a billion of them still fit an int64."""


def exponent(currency: str) -> int:
    """Return the number of decimals of a currency; raise InvalidInput unless it is three capital letters."""
    if len(currency) != 3 or not currency.isascii() or not currency.isupper() or not currency.isalpha():
        raise InvalidInput(f"'{currency}' is not an ISO 4217 code such as EUR", field="currency")
    return _EXPONENTS.get(currency, 2)


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
