"""Local time to UTC, the same on every machine: offsets come from the IANA database, hour by hour as they are used.

A local time that happened twice (clocks went back) counts as the first; one that never happened (clocks went forward)
is read with the offset before the change (PEP 495, fold = 0). Both are flagged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from tillwise.errors import InvalidMapping

BUCKET: Final = 900_000
"""Clocks change on quarter hours: within one, all local times have the same offset. Milliseconds."""
_EPOCH: Final = datetime(1970, 1, 1)


class Offset(NamedTuple):
    """What to subtract from local milliseconds, and whether that local time was ambiguous or skipped."""

    milliseconds: int
    doubtful: bool


def zone_of(name: Any, place: str) -> str:
    """Return a valid IANA zone name; raise InvalidMapping with the nearest one otherwise."""
    if not isinstance(name, str) or not name:
        raise InvalidMapping(f'{place}: timezone must be a name such as "Europe/Berlin"', field="timezone")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = available_timezones()
        if not known:
            raise InvalidMapping(
                f"{place}: this machine has no time zone database; run `pip install tzdata`", field="timezone"
            ) from None
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else 'write a name such as "Europe/Berlin" or "UTC"'
        raise InvalidMapping(f"{place}: '{name}' is no time zone; {hint}", field="timezone") from None
    return name


def offsets(name: str, buckets: Sequence[int]) -> list[Offset]:
    """Return the offset of each quarter hour of local time, given as local milliseconds // BUCKET."""
    zone = ZoneInfo(name)
    return [_offset(zone, _EPOCH + timedelta(milliseconds=bucket * BUCKET)) for bucket in buckets]


def _offset(zone: ZoneInfo, local: datetime) -> Offset:
    first = local.replace(tzinfo=zone, fold=0)
    offset = first.utcoffset() or timedelta(0)
    back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    doubtful = back != local or offset != local.replace(tzinfo=zone, fold=1).utcoffset()
    return Offset(offset // timedelta(milliseconds=1), doubtful)
