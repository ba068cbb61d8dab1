"""Reads, of IAB consent strings, the few bits that are applied here; it writes none and judges no vendor.

TCF v2 (IAB Europe, Consent string and vendor list format 2.3): the purposes somebody consented to. GPP (IAB Tech Lab,
sections 7 US national and 8 California): the opt-outs of sale, sharing and targeted advertising, and the GPC bit. GPP
has no field for profiling by the shop itself, so that it cannot say more than "do not share".
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from tillwise.errors import InvalidInput

LONGEST: Final = 8_192
"""Characters of a string that is looked at; a longer one is refused."""
_PURPOSES: Final = 24
_TCF_UPDATED, _TCF_PURPOSES = 42, 152
_PUBLISHER: Final = 3
_OPTED_OUT: Final = 1
_OPT_OUTS: Final = {
    7: {18: "sale", 20: "sharing", 22: "targeted_advertising"},
    8: {12: "sale", 14: "sharing"},
}
"""Per GPP section that is read: where in its core the two bits of an opt-out lie."""


@dataclass(frozen=True, slots=True)
class TcfChoice:
    """What a TCF string says: purposes consented to (1 to 24), for vendors and for the publisher itself, and when.

    `publisher` is None when the string has no publisher segment. `at` is Unix milliseconds.
    """

    vendors: frozenset[int]
    publisher: frozenset[int] | None
    at: int


def read_tcf(text: str) -> TcfChoice:
    """Read a TCF v2 string; raise InvalidInput for anything else."""
    core, *segments = [_Bits(part) for part in _bounded(text, "TCF").split(".")]
    version = core.number(0, 6)
    if version != 2:
        raise InvalidInput(f"this is no TCF v2 string: it says version {version}", field="record")
    publisher = next((s for s in segments if s.number(0, 3) == _PUBLISHER), None)
    return TcfChoice(
        core.ones(_TCF_PURPOSES, _PURPOSES),
        None if publisher is None else publisher.ones(3, _PURPOSES),
        core.number(_TCF_UPDATED, 36) * 100,
    )


def read_gpp(text: str) -> frozenset[str]:
    """Return which of `sale`, `sharing`, `targeted_advertising`, `gpc` a GPP string opts out of, in any section read.

    Raises InvalidInput for what is no GPP string. Sections other than 7 and 8 are passed over.
    """
    header, *sections = _bounded(text, "GPP").split("~")
    named = _section_ids(_Bits(header))
    if len(named) != len(sections):
        raise InvalidInput(f"this GPP string names {len(named)} sections and holds {len(sections)}", field="record")
    found: set[str] = set()
    for section, body in zip(named, sections, strict=True):
        if section in _OPT_OUTS:
            core, *others = [_Bits(part) for part in body.split(".")]
            found.update(name for place, name in _OPT_OUTS[section].items() if core.number(place, 2) == _OPTED_OUT)
            found.update("gpc" for other in others if other.number(0, 2) == 1 and other.number(2, 1))
    return frozenset(found)


def _section_ids(header: _Bits) -> list[int]:
    """Return the section ids of a GPP header: ranges of differences, in Fibonacci coding."""
    kind, entries, place = header.number(0, 6), header.number(12, 12), 24
    if kind != 3:
        raise InvalidInput("this is no GPP string: its header is of another type", field="record")
    ids: list[int] = []
    last = 0
    for _ in range(entries):
        ranged = header.number(place, 1)
        first, place = header.fibonacci(place + 1)
        last += first
        ids.append(last)
        if ranged:
            more, place = header.fibonacci(place)
            if more > LONGEST:
                raise InvalidInput("this GPP header names more sections than there can be", field="record")
            ids.extend(range(last + 1, last + more + 1))
            last += more
    return ids


def _bounded(text: str, kind: str) -> str:
    if len(text) > LONGEST:
        raise InvalidInput(f"a {kind} string has at most {LONGEST} characters", field="record")
    return text


class _Bits:
    """The bits of one base64url segment; what lies behind its end is an error, never a zero."""

    def __init__(self, text: str) -> None:
        whole = text.rstrip("=")
        try:
            # Writers leave off the last characters' padding, some to the single letter: fill up with zeros.
            raw = base64.b64decode(whole + "A" * (-len(whole) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInput("this consent string is not base64url", field="record") from None
        self._size = len(whole) * 6
        self._value = int.from_bytes(raw, "big") >> (len(raw) * 8 - self._size) if whole else 0

    def number(self, place: int, width: int) -> int:
        """Return `width` bits from `place` on."""
        if place + width > self._size:
            raise InvalidInput("this consent string is cut short", field="record")
        return self._value >> (self._size - place - width) & ((1 << width) - 1)

    def ones(self, place: int, width: int) -> frozenset[int]:
        """Return which of `width` bits are set, counted from 1."""
        return frozenset(n + 1 for n in range(width) if self.number(place + n, 1))

    def fibonacci(self, place: int) -> tuple[int, int]:
        """Return a number in Fibonacci coding (two ones in a row end it), and where the next one begins."""
        one, two, value, before = 1, 2, 0, 0
        while True:
            bit = self.number(place, 1)
            place += 1
            if bit and before:
                return value, place
            value += one if bit else 0
            one, two, before = two, one + two, bit
