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

    @property
    def bit(self) -> int:
        """Return this purpose's bit in a row's `purposes` mask."""
        return 1 << _ORDER[self]


_ORDER = {purpose: index for index, purpose in enumerate(Purpose)}

PERSONAL_PURPOSES = tuple(p for p in Purpose if p is not Purpose.OPERATIONS)


def mask(purposes: tuple[Purpose, ...] | frozenset[Purpose]) -> int:
    """Return the permission mask of several purposes."""
    return sum(purpose.bit for purpose in set(purposes))
