"""Identities: pseudonyms for people and time-ordered ids for decisions."""

from __future__ import annotations

import os
import time
from typing import NewType

Pseudonym = NewType("Pseudonym", int)
"""A person's random 63-bit key. Personal data for whoever holds the shop's user ids: pseudonymous, never anonymous."""

DecisionId = NewType("DecisionId", str)


def new_pseudonym() -> Pseudonym:
    """Return a random pseudonym; nothing about the person can be computed from it."""
    return Pseudonym(int.from_bytes(os.urandom(8), "big") >> 1)


def new_decision_id() -> DecisionId:
    """Return a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits."""
    stamp = time.time_ns() // 1_000_000
    value = (stamp << 80) | int.from_bytes(_random_bytes(), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    text = f"{value:032x}"
    return DecisionId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


_drawn: list[bytes] = []
os.register_at_fork(after_in_child=_drawn.clear)


def _random_bytes() -> bytes:
    """Return 10 random bytes. They are drawn for many ids at once: a system call each would cost more than the rest."""
    try:
        return _drawn.pop()
    except IndexError:
        raw = os.urandom(10 * 256)
        _drawn.extend(raw[start : start + 10] for start in range(10, len(raw), 10))
        return raw[:10]
