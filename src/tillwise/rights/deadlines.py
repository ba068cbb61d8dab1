"""Until when a request is answered, counted in the calendar of its law (privacy/jurisdictions.toml).

Months are calendar months: the same day of a later month, or its last day (Regulation 1182/71, 3). That a deadline on a
holiday ends a working day later is never made use of: what is shown here is never too late.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tillwise.privacy.jurisdictions import Jurisdiction, Reply, load_jurisdictions
from tillwise.rights.request import Kind
from tillwise.vocabulary.clock import Milliseconds

_SATURDAY: Final = 5
_RIGHTS: Final = {
    **{kind: frozenset({kind.value}) for kind in Kind},
    Kind.OBJECTION: frozenset({Kind.OBJECTION.value, "opt_out"}),
    Kind.LIFTING: frozenset({Kind.RESTRICTION.value}),
}
"""What the table of jurisdictions calls the right to each kind of request."""
COURTESY: Final = "courtesy"
"""How the law of a request begins that no law asks for."""


@dataclass(frozen=True, slots=True)
class Due:
    """The deadline (wall clock, Unix ms), the deadline after an extension (None where none is allowed), the law."""

    deadline: Milliseconds
    extended: Milliseconds | None
    law: str


def due(place: str, kind: Kind, received: Milliseconds) -> Due:
    """Return the deadline of a request from a place such as `DE` or `US-CA`; an unknown one has the shortest of all.

    Only a law that knows the right is named. Where none does the request is a courtesy of the shop, and says so; it
    keeps the time that requests have there.
    """
    rows = load_jurisdictions().at(place)
    binding = [row for row in rows if not _RIGHTS[kind].isdisjoint(row.rights.list)]
    reply = min((row.reply for row in binding or rows), key=lambda each: each.at_most_days)
    law = _named(reply, alone=len(rows) == 1) if binding else _courtesy(rows, kind)
    began = datetime.fromtimestamp(received / 1000, UTC)
    if kind is Kind.OBJECTION and reply.opt_out_business_days:
        return Due(_ms(_business_days(began, reply.opt_out_business_days)), None, law)
    first = _later(began, reply.months, reply.days)
    more = reply.extension_months or reply.extension_days
    longest = _later(began, reply.months + reply.extension_months, reply.days + reply.extension_days) if more else None
    return Due(_ms(first), None if longest is None else _ms(longest), law)


def soonest(places: Sequence[str], kind: Kind, received: Milliseconds) -> str:
    """Return the place that has such a request answered first, of those whose law knows the right where any does.

    "" of none, which has the shortest deadline of all.
    """

    def order(place: str) -> tuple[bool, Milliseconds]:
        until = due(place, kind, received)
        return until.law.startswith(COURTESY), until.deadline

    return min(places, key=order, default="")


def _named(reply: Reply, *, alone: bool) -> str:
    return reply.source if alone else f"{reply.source} (the shortest of the laws that may hold)"


def _courtesy(rows: Sequence[Jurisdiction], kind: Kind) -> str:
    """Return what stands where a law would: that there is none, and which list of rights was read."""
    right = (Kind.RESTRICTION if kind is Kind.LIFTING else kind).value.replace("_", " ")
    if len(rows) > 1:
        return f"{COURTESY}: no right to {right} in any law that may hold"
    return f"{COURTESY}: no right to {right} in {rows[0].law} ({rows[0].rights.source})"


def _later(began: datetime, months: int, days: int) -> datetime:
    year, month = divmod(began.month - 1 + months, 12)
    year, month = began.year + year, month + 1
    day = min(began.day, calendar.monthrange(year, month)[1])
    return began.replace(year=year, month=month, day=day) + timedelta(days=days)


def _business_days(began: datetime, days: int) -> datetime:
    """Count days from Monday to Friday; public holidays are counted too, so that the deadline is never too late."""
    moment = began
    while days:
        moment += timedelta(days=1)
        days -= moment.weekday() < _SATURDAY
    return moment


def _ms(moment: datetime) -> Milliseconds:
    return int(moment.timestamp() * 1000)
