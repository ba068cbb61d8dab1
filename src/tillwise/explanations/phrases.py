"""What a column's value is in plain words: a phrase per column, its value written as people write it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tillwise.vocabulary.currencies import EXPONENTS

Unit = Literal["count", "money", "duration", "share", "number", "flag"]
"""`money` is minor units, `duration` milliseconds, `share` 0 to 1, `flag` 0 or 1."""

_SECOND: Final = 1_000
_STEPS: Final = (
    ("year", 365 * 86_400 * _SECOND),
    ("month", 30 * 86_400 * _SECOND),
    ("day", 86_400 * _SECOND),
    ("hour", 3_600 * _SECOND),
    ("minute", 60 * _SECOND),
    ("second", _SECOND),
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """How a column is said: `{value}` stands for its value in words.

    `one`, `none` and `unknown` replace the text for the values 1, 0 and "not known"; a `flag` is `text` when it is set
    and `none` when it is not. Columns of one `group` are told as one reason, by the phrase of the strongest.

    `absent` is said instead when one of the columns `needs` is 0: nothing is claimed of what the question did not name.
    """

    text: str
    unit: Unit = "count"
    one: str | None = None
    none: str | None = None
    unknown: str | None = None
    group: str | None = None
    needs: tuple[str, ...] = ()
    absent: str | None = None

    def tell(self, value: float | None, known: Mapping[str, float | None], currency: str = "") -> str:
        """Return the phrase for a value among the `known` values of the same question."""
        if self.absent is not None and any(known.get(name) == 0 for name in self.needs):
            return self.absent
        return self.say(value, currency)

    def say(self, value: float | None, currency: str = "") -> str:
        """Return the phrase with the value in it; amounts are minor units of `currency`."""
        if value is None or math.isnan(value):
            return self.unknown or f"not known: {self.text.replace('{value}', '…')}"
        if value == 1 and self.one is not None:
            return self.one
        if value == 0 and self.none is not None:
            return self.none
        return self.text.replace("{value}", written(value, self.unit, currency))


def written(value: float, unit: Unit, currency: str = "") -> str:
    """Return a number as people write it: `12.50 EUR`, `3 days`, `42 %`, `1 204`."""
    if unit == "money":
        decimals = EXPONENTS.get(currency, 2)
        return f"{value / 10**decimals:,.{decimals}f} {currency}".replace(",", " ").strip()
    if unit == "duration":
        return duration(value)
    if unit == "share":
        return f"{100 * value:.0f} %"
    if unit == "number":
        return f"{value:,.1f}".replace(",", " ").removesuffix(".0")
    return f"{value:,.0f}".replace(",", " ")


def duration(milliseconds: float) -> str:
    """Return a length of time in its largest fitting unit: `3 days`, `1 hour`, `45 seconds`."""
    size = abs(milliseconds)
    name, step = next(((name, step) for name, step in _STEPS if size >= step), ("second", _SECOND))
    number = int(size // step)
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
