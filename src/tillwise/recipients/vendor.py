"""The noun of this room: the record of somebody outside who may receive data from the shop.

A record says who they are (GDPR 4(7), 4(8), 26), on which agreement they act (28(3)), what they may get and why, how
the data may cross a border (44-49), and until when each of these papers holds. A paper holds on its last day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Final, Literal

import msgspec

from tillwise.vocabulary.canonical import digest_of
from tillwise.vocabulary.purpose import Purpose

Role = Literal["processor", "controller", "joint"]
"""A processor acts for the shop; a controller uses the data for itself; joint controllers decide together."""
Mechanism = Literal[
    "adequacy", "scc", "bcr", "consent", "none_needed", "idta", "addendum", "contract", "certificate",
    "security_assessment", "assessment", "accountability",
]  # fmt: skip
"""How data may cross a border; `consent` is the derogation of GDPR 49(1)(a). Which place takes which: borders.toml."""
BANNED: Final = {
    "competitor_private": "private data of competitors, such as prices they have not published, help to collude and may"
    " neither come in nor go out (TFEU 101; Sherman Act 1)",
}
"""Categories no connector carries, whatever a record says, and why."""


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A document with a last day; `sha256` names its bytes, so that nobody can swap it unnoticed."""

    kind: str
    expires: date
    signed: date | None = None
    sha256: str = ""
    reference: str = ""

    def holds(self, day: date) -> bool:
        """Return True when it is in force on this day."""
        return (self.signed is None or self.signed <= day) and day <= self.expires


class Transfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """On what a transfer rests: the mechanism, the number of its decision or contract, and its last day if it has one.

    `separate_consent` asks each person's own yes to their data going to the vendor's country, law or no law.
    """

    mechanism: Mechanism
    decision: str = ""
    expires: date | None = None
    separate_consent: bool = False

    def holds(self, day: date) -> bool:
        """Return True when it is in force on this day."""
        return self.expires is None or day <= self.expires


class SubProcessor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody the vendor hands the data on to."""

    name: str
    country: str
    purpose: str = ""


class Vendor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One recipient. Countries are ISO 3166-1, with a region where it matters; `region` is where its store stands.

    `categories` are keys of the fideslang taxonomy as events and features carry them; a key covers those below it.
    """

    name: str
    role: Role
    country: str
    purposes: tuple[Purpose, ...]
    categories: tuple[str, ...]
    agreement: Paper | None = None
    transfer: Transfer | None = None
    region: str = ""
    title: str = ""
    contact: str = ""
    evidence: tuple[Paper, ...] = ()
    sub_processors: tuple[SubProcessor, ...] = ()

    @property
    def digest(self) -> str:
        """Return the content name of the record; it stands beside everything that was sent under it."""
        return digest_of(msgspec.to_builtins(self))

    def allows(self, category: str) -> bool:
        """Return True when the record lists this category or one above it."""
        return covers(self.categories, category)

    def papers(self) -> Iterator[tuple[str, Paper]]:
        """Yield every document with what it is for."""
        if self.agreement is not None:
            yield "agreement", self.agreement
        for each in self.evidence:
            yield "evidence", each


def covers(allowed: Iterable[str], category: str) -> bool:
    """Return True when `category` is one of `allowed`, or lies below one of them."""
    return any(category == each or category.startswith(f"{each}.") for each in allowed)


def banned(category: str) -> str | None:
    """Return why a category may never cross the shop's border, None when it may."""
    return next((why for key, why in BANNED.items() if key in category.split(".")), None)


def day_of(wall: int) -> date:
    """Return the day (UTC) of a wall-clock moment in Unix milliseconds."""
    return datetime.fromtimestamp(wall / 1000, UTC).date()
