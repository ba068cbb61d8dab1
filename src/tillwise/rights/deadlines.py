"""Until when a request is answered, counted in the calendar of its law (privacy/jurisdictions.toml).

Months are calendar months: the same day of a later month, or its last day (Regulation 1182/71, 3). That a deadline on a
holiday ends a working day later is never made use of: what is shown here is never too late.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tillwise.privacy.jurisdictions import Reply, load_jurisdictions
from tillwise.rights.request import Kind
from tillwise.vocabulary.clock import Milliseconds

_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Due:
    """The deadline (wall clock, Unix ms), the deadline after an extension (None where none is allowed), the law."""

    deadline: Milliseconds
    extended: Milliseconds | None
    law: str


def due(place: str, kind: Kind, received: Milliseconds) -> Due:
    """Return the deadline of a request from a place such as `DE` or `US-CA`; an unknown one has the shortest of all."""
    laws = load_jurisdictions()
    reply = laws.reply(place)
    law = reply.source if len(laws.at(place)) == 1 else f"{reply.source} (the shortest of the laws that may hold)"
    began = datetime.fromtimestamp(received / 1000, UTC)
    if kind is Kind.OBJECTION and reply.opt_out_business_days:
        return Due(_ms(_business_days(began, reply.opt_out_business_days)), None, law)
    first = _later(began, reply.months, reply.days)
    more = reply.extension_months or reply.extension_days
    longest = _later(began, reply.months + reply.extension_months, reply.days + reply.extension_days) if more else None
    return Due(_ms(first), None if longest is None else _ms(longest), law)


def law_of(place: str) -> Reply:
    """Return what the law of a place says about answering."""
    return load_jurisdictions().reply(place)


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
