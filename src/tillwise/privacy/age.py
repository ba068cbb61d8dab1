"""Age at the gate: what is known of a person's age is a band, told by the shop, never a date of birth.

A band begins at an age some law names, so that a stored band answers every rule exactly. It is not moved up by time: a
minor counts as one until the shop says otherwise. That errs on the side of the child.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

UNKNOWN_AGE: Final = -1
BANDS: Final = (0, 12, 13, 14, 15, 16, 18)
"""Where a band begins; every age in `jurisdictions.toml` is one of these."""


class Limits(NamedTuple):
    """What one place says of age and one purpose.

    Below `banned` not even a yes counts, below `ask` silence is no yes, below `guardian` a yes needs a parent or
    guardian. `unknown_is_minor` treats somebody whose age nobody told as the youngest.
    """

    banned: int = 0
    ask: int = 0
    guardian: int = 0
    unknown_is_minor: bool = False


ADULTS_ONLY: Final = Limits()
"""The purpose knows no ages here."""


def band_of(age: int) -> int:
    """Return the lower end of the band an age in years lies in."""
    return max((begin for begin in BANDS if begin <= age), default=0)


def strictest_limits(limits: Iterable[Limits]) -> Limits:
    """Return the limits that protect the most, question by question."""
    found = tuple(zip(*limits, strict=True))
    return Limits(*(max(column) for column in found)) if found else ADULTS_ONLY


def youngest(*bands: int) -> int:
    """Return the lowest band that is known; UNKNOWN_AGE when none is."""
    found = UNKNOWN_AGE
    for band in bands:
        if band != UNKNOWN_AGE and (found == UNKNOWN_AGE or band < found):
            found = band
    return found


def in_words(band: int) -> str:
    """Return a band as people say it, such as `13`, `14-15`, `18+`."""
    if band == UNKNOWN_AGE:
        return "unknown"
    if band not in BANDS or band == BANDS[-1]:
        return f"{band}+"
    last = BANDS[BANDS.index(band) + 1] - 1
    return str(band) if last == band else f"{band}-{last}"
