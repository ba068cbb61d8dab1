"""Why data is used. A purpose is also one bit of a row's permission mask, so that SQL can test it."""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    """The closed list of purposes; jurisdictions decide per purpose whether a person must opt in, or may opt out."""

    RECOMMEND = "recommend"
    SEARCH = "search"
    PRICE = "price"
    MARKETING = "marketing"
    FRAUD_PREVENTION = "fraud_prevention"
    SERVICE = "service"
    MODERATION = "moderation"
    OPERATIONS = "operations"
    TRAIN = "train"
    SHARE = "share"
    """Handing data to others for their own use, or for targeted advertising elsewhere."""

    @property
    def bit(self) -> int:
        """Return this purpose's bit in a row's `purposes` mask."""
        return 1 << _ORDER[self]


_ORDER = {purpose: index for index, purpose in enumerate(Purpose)}

PERSONAL_PURPOSES = tuple(p for p in Purpose if p not in (Purpose.OPERATIONS, Purpose.SHARE))
"""Purposes of the shop itself: what its events may be read for unless they say otherwise; sharing never is."""


def mask(purposes: tuple[Purpose, ...] | frozenset[Purpose]) -> int:
    """Return the permission mask of several purposes."""
    return sum(purpose.bit for purpose in set(purposes))
