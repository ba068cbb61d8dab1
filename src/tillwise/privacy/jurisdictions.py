"""What the law of a place says beside the purposes: deadlines, rights, signals, age, disclosures, transfers.

The rows lie in `jurisdictions.toml` beside this file. A country named without its region, or a place nobody wrote a row
for, gets per question the strictest answer: the shortest deadline, the highest age, every right.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Final, Literal

import msgspec

from tillwise.errors import ConfigurationError
from tillwise.privacy.age import ADULTS_ONLY, BANDS, Limits, strictest_limits
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.shipped import sealed_text

Kind = Literal["law", "guidance", "ethics"]
Confidence = Literal["confirmed", "known", "uncertain"]
_CHILDREN: Final = frozenset(
    {Purpose.RECOMMEND, Purpose.SEARCH, Purpose.PRICE, Purpose.MARKETING, Purpose.SHARE, Purpose.TRAIN}
)
"""Purposes for which ages count; fraud prevention, service and moderation protect children too."""
_DAY_MS: Final = 86_400_000
_MONTH_DAYS = 28
"""The shortest month: a deadline compared with others is never thought longer than it is."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One answer and who says so. `kind` stands where it differs from the jurisdiction's own."""

    source: str
    kind: Kind | None = None
    valid_from: date = date.min


class Reply(Part, frozen=True, kw_only=True):
    """How soon a request is answered; months where the law counts months, else days."""

    days: int = 0
    months: int = 0
    extension_days: int = 0
    extension_months: int = 0
    appeal_days: int = 0
    appeal_extension_days: int = 0
    confirm_business_days: int = 0
    opt_out_business_days: int = 0

    @property
    def at_most_days(self) -> int:
        """Return the deadline in days, months read as the shortest month."""
        return self.days + self.months * _MONTH_DAYS


class SignalDuty(Part, frozen=True, kw_only=True):
    """Must a Global Privacy Control signal be honoured; must the page display that it was."""

    duty: bool
    display: bool = False


class Rights(Part, frozen=True, kw_only=True):
    """What a person may ask for."""

    list: tuple[str, ...]


class ConsentDays(Part, frozen=True, kw_only=True):
    """After so many days an old yes counts no more; 0 = the law names no end."""

    days: int


class Age(Part, frozen=True, kw_only=True):
    """Below `consent` silence is no yes and a guardian agrees; with `parent_below` people say yes to sharing themselves
    from that age on. Below `extra_duties_below` sharing needs a yes; below `no_…_below` not even a guardian's counts.

    `unknown` says how somebody is treated whose age nobody told. `best_interest_below` is for people to weigh: no rule
    follows from it here.
    """

    consent: int
    parent_below: int = 0
    extra_duties_below: int = 0
    best_interest_below: int = 0
    no_profile_below: int = 0
    no_share_below: int = 0
    unknown: Literal["adult", "minor"] = "adult"

    def limits(self, purpose: Purpose) -> Limits:
        """Return what these ages mean for one purpose. The ages of children bind profiles, sharing and training."""
        if purpose not in _CHILDREN:
            return ADULTS_ONLY
        shared = purpose is Purpose.SHARE
        guardian = self.parent_below or self.consent
        banned = self.no_profile_below if purpose is not Purpose.TRAIN else 0
        return Limits(
            banned=max(banned, self.no_share_below if shared else 0),
            ask=max((guardian, self.consent, self.extra_duties_below)) if shared else guardian,
            guardian=guardian,
            unknown_is_minor=self.unknown == "minor",
        )

    def bars(self, purpose: Purpose, age: int) -> bool:
        """Return True when nobody of this age may be asked for this purpose."""
        return age < self.limits(purpose).banned

    def ages(self) -> tuple[int, ...]:
        """Return every age this rule names."""
        return (
            self.consent, self.parent_below, self.extra_duties_below, self.best_interest_below, self.no_profile_below,
            self.no_share_below,
        )  # fmt: skip


class Sensitive(Part, frozen=True, kw_only=True):
    """What special data need."""

    default: Literal["opt_in", "opt_out", "ban"]


class Significant(Part, frozen=True, kw_only=True):
    """Duties of a decision that weighs heavily: credit, instalments, a closed account."""

    duties: tuple[str, ...]


class Disclosure(Part, frozen=True, kw_only=True):
    """A sentence that must stand beside an answer for a purpose."""

    code: str
    purpose: Purpose
    text: str


class Transfers(Part, frozen=True, kw_only=True):
    """How data may leave the place."""

    mechanisms: tuple[str, ...]
    adequate: tuple[str, ...]
    localised: bool


class Jurisdiction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One law of one or several places."""

    name: str
    law: str
    places: tuple[str, ...]
    reviewed: date
    kind: Kind
    confidence: Confidence
    reply: Reply
    signal: SignalDuty
    rights: Rights
    consent_days: ConsentDays
    age: Age
    sensitive: Sensitive
    significant: Significant
    disclosures: tuple[Disclosure, ...]
    transfers: Transfers


class Jurisdictions:
    """Every jurisdiction, and what holds at a place."""

    def __init__(self, rows: Iterable[Jurisdiction]) -> None:
        self.rows = tuple(rows)
        self._at: dict[str, Jurisdiction] = {}
        for row in self.rows:
            for place in row.places:
                if place in self._at:
                    other = self._at[place].name
                    raise ConfigurationError(f"jurisdictions.toml: {place} stands in '{other}' and in '{row.name}'")
                self._at[place] = row
            if odd := sorted(set(row.age.ages()) - set(BANDS)):
                raise ConfigurationError(f"jurisdictions.toml, '{row.name}': age {odd[0]} is none of {BANDS}")

    def at(self, place: str) -> tuple[Jurisdiction, ...]:
        """Return what may hold at a place: one row where it is known, several where only the country is, or nothing."""
        if "-" in place:
            found = self._at.get(place) or self._at.get(place[:2])
            return self.rows if found is None else (found,)
        regions = tuple(row for row in self.rows if any(known[:2] == place for known in row.places))
        return regions or self.rows

    def reply(self, place: str) -> Reply:
        """Return the shortest deadline that may hold."""
        return min((row.reply for row in self.at(place)), key=lambda reply: reply.at_most_days)

    def age(self, place: str) -> Age:
        """Return the age rule that protects the most."""
        return max((row.age for row in self.at(place)), key=lambda age: (age.no_profile_below, age.consent))

    def limits(self, place: str, purpose: Purpose) -> Limits:
        """Return what the place says of age and a purpose, the most protective where several may hold."""
        return strictest_limits(row.age.limits(purpose) for row in self.at(place))

    def rights(self, place: str) -> tuple[str, ...]:
        """Return every right that may hold, in a fixed order."""
        return tuple(sorted({right for row in self.at(place) for right in row.rights.list}))

    def consent_days(self, place: str) -> int:
        """Return after how many days a yes ends; 0 = never."""
        return min((row.consent_days.days for row in self.at(place) if row.consent_days.days), default=0)

    def disclosures(self, place: str, purpose: Purpose, wall: int) -> tuple[Disclosure, ...]:
        """Return the sentences that must stand beside an answer on the day of `wall` (Unix milliseconds)."""
        day = datetime.fromtimestamp(wall / 1000, UTC).date()
        return tuple(
            each
            for row in self.at(place)
            for each in row.disclosures
            if each.purpose is purpose and each.valid_from <= day
        )

    def must_display_signal(self, place: str) -> bool:
        """Return True when a page has to say that a privacy signal was honoured."""
        return self._any(place, lambda row: row.signal.display)

    def _any(self, place: str, asks: Callable[[Jurisdiction], bool]) -> bool:
        return any(asks(row) for row in self.at(place))


class _File(msgspec.Struct, forbid_unknown_fields=True):
    jurisdiction: tuple[Jurisdiction, ...]


def load_jurisdictions(text: str | None = None) -> Jurisdictions:
    """Read the jurisdictions shipped with tillwise, or those in `text`; ConfigurationError names what is wrong."""
    if text is None:
        return _shipped()
    try:
        rows = msgspec.convert(tomllib.loads(text), _File).jurisdiction
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"jurisdictions.toml: {error}") from None
    return Jurisdictions(rows)


def disclosure_codes(places: tuple[str, ...], purpose: Purpose, wall: int) -> tuple[str, ...]:
    """Return the codes of what must be disclosed at any of these places beside an answer for a purpose, in order."""
    return _codes(places, purpose, wall // _DAY_MS)


@lru_cache(maxsize=1024)
def _codes(places: tuple[str, ...], purpose: Purpose, day: int) -> tuple[str, ...]:
    laws = load_jurisdictions()
    return tuple(sorted({each.code for place in places for each in laws.disclosures(place, purpose, day * _DAY_MS)}))


@cache
def _shipped() -> Jurisdictions:
    return load_jurisdictions(sealed_text("tillwise.privacy", "jurisdictions.toml"))
