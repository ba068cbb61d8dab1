"""The outbound gate: the one place that says what may leave the shop, for whom, about whom.

It is asked in the snapshot or transaction of the sending itself. What it returns holds only what may leave; the rest is
counted by cause. Everything missing means no: record, agreement, mechanism, category, purpose, place, a person's word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Final, NamedTuple

from tillwise.errors import NotPermitted
from tillwise.events.log import read_head
from tillwise.events.lookup import rows_in
from tillwise.events.people import traits_of
from tillwise.privacy import ledger
from tillwise.privacy.gate import Gate, place_of
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.ledger import State
from tillwise.privacy.purposes import UNKNOWN
from tillwise.recipients.book import VendorBook
from tillwise.recipients.borders import Borders
from tillwise.recipients.causes import Cause, cause_of
from tillwise.recipients.signals import remembered
from tillwise.recipients.transfers import agreed
from tillwise.recipients.vendor import Vendor, banned, day_of
from tillwise.settings import Secrets
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

NOT_PERSONAL: Final = "system"
"""Categories under this key say nothing about a person; a record need not list them."""
_GATE: Final = object()
_EVER: Final = 2**62


class About(NamedTuple):
    """Whom something is about: their pseudonym, where they are as far as known, and signals they sent."""

    key: Pseudonym
    anonymous: bool = False
    place: str = ""
    signals: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sendable:
    """What may leave for a vendor. Only the gate makes one; nobody and nothing else may be sent.

    `categories` are those of the asked ones that may leave, `people` those whose data may. `causes` say why nothing
    leaves at all; `withheld` counts people by cause, `left_out` names categories that stay.
    """

    seal: object
    vendor: Vendor | None
    purpose: Purpose
    categories: frozenset[str] = frozenset()
    people: frozenset[Pseudonym] = frozenset()
    causes: tuple[Cause, ...] = ()
    withheld: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.seal is not _GATE:
            raise NotPermitted("only the outbound gate says what may leave: call OutboundGate.may_send")

    @property
    def nothing(self) -> bool:
        """Return True when nothing may leave for this vendor, whoever it is about."""
        return bool(self.causes)

    def why(self) -> str:
        """Return the causes as one sentence each."""
        return "; ".join(f"{cause.text} ({cause.code})" for cause in self.causes)


class OutboundGate:
    """Judges what may leave. `place` is the shop's own, for people of whom no other is known."""

    def __init__(
        self, book: VendorBook, gate: Gate, borders: Borders, secrets: Secrets, clock: LogClock, *, place: str = ""
    ) -> None:
        self.book = book
        self.borders = borders
        self._gate = gate
        self._place = place_of(place)
        self._secrets = secrets
        self._clock = clock

    def may_send(
        self, snapshot: Snapshot, vendor: str, purpose: Purpose, categories: Collection[str], people: Sequence[About]
    ) -> Sendable:
        """Say what of these categories, about whom of these people, may leave for a vendor for a purpose now."""
        record = self.book.vendors.get(vendor)
        if record is None:
            code = "records_unreadable" if self.book.problem else "record_missing"
            return Sendable(_GATE, None, purpose, causes=(cause_of(code, self.book.problem),))
        causes = tuple(self.obstacles(record, purpose, categories))
        if causes:
            return Sendable(_GATE, record, purpose, causes=causes)
        wanted = frozenset(categories)
        allowed = frozenset(each for each in wanted if _free(each) or record.allows(each))
        refused: Counter[str] = Counter()
        free: set[Pseudonym] = set()
        head = read_head(snapshot)
        point = Point(
            head.epoch, max(head.at, self._clock.now()), 2 * _EVER
        )  # what is said counts at once, whatever the log clock says
        countries = _countries(snapshot, people)
        asks = cache(partial(self._asks, record))
        signalled = remembered(snapshot, [each.key for each in people])
        for each in people:
            person = each._replace(signals=each.signals | signalled.get(each.key, frozenset()))
            places = self._places(snapshot, person, countries.get(person.key))
            cause = self._refusal(snapshot, asks, (record, purpose), person, places, point)
            if cause:
                refused[cause] += 1
            else:
                free.add(person.key)
        left_out = tuple(sorted(wanted - allowed))
        return Sendable(_GATE, record, purpose, allowed, frozenset(free), (), dict(refused), left_out)

    def obstacles(self, vendor: Vendor, purpose: Purpose | None, categories: Collection[str]) -> Iterator[Cause]:
        """Yield what keeps everything from a vendor today, whoever it is about."""
        day = day_of(self._clock.wall())
        if vendor.agreement is None:
            yield cause_of("agreement_missing")
        elif not vendor.agreement.holds(day):
            yield cause_of("agreement_expired", f"it ended on {vendor.agreement.expires}")
        for paper in vendor.evidence:
            if not paper.holds(day):
                yield cause_of("evidence_expired", f"{paper.kind} ended on {paper.expires}")
        if vendor.transfer is not None and not vendor.transfer.holds(day):
            yield cause_of("transfer_expired", f"{vendor.transfer.mechanism} ended on {vendor.transfer.expires}")
        if purpose is not None and purpose not in vendor.purposes:
            yield cause_of("purpose_not_allowed", purpose.value)
        for category in categories:
            if why := banned(category):
                yield cause_of("category_banned", why)
        personal = [each for each in categories if not _free(each)]
        if personal and not any(vendor.allows(each) for each in personal):
            yield cause_of("category_not_allowed", ", ".join(sorted(personal)))

    def obstacle_at(self, vendor: Vendor, place: str) -> Cause | None:
        """Return what keeps data of people at a place from a vendor, whatever each of them said; None when nothing."""
        if self.borders.stays(place, _region(vendor)):
            return cause_of("localised", place)
        code = self.borders.obstacle(vendor, place, day_of(self._clock.wall()))
        if code:
            return cause_of(code, place)
        return None

    def _refusal(
        self, snapshot: Snapshot, asks: Callable[[str], tuple[str, frozenset[str]]], sending: tuple[Vendor, Purpose],
        person: About, places: Sequence[str], point: Point,
    ) -> str:  # fmt: skip
        """Return why this person's data may not leave; "" when they may."""
        if UNKNOWN in places:
            return "place_unknown"
        vendor, purpose = sending
        for place in places:
            obstacle, asked = asks(place)
            if obstacle:
                return obstacle
            if not all(agreed(snapshot, person.key, country, point.at) for country in asked):
                return "transfer_consent_missing"
        # A processor acts for the shop; handing data to anybody else is sharing them, whatever it is good for.
        uses = (purpose,) if vendor.role == "processor" else (purpose, Purpose.SHARE)
        for use in dict.fromkeys(uses):
            for place in places:
                if cause := self._unpermitted(snapshot, use, person, place, point):
                    return cause
        return "minor" if Purpose.SHARE in uses and self._minor(snapshot, person, places) else ""

    def _asks(self, vendor: Vendor, place: str) -> tuple[str, frozenset[str]]:
        """Return what keeps a place's data from a vendor, and the countries each person must have said yes to."""
        obstacle = self.obstacle_at(vendor, place)
        return ("" if obstacle is None else obstacle.code), self.borders.consents(vendor, place)

    def _unpermitted(self, snapshot: Snapshot, use: Purpose, person: About, place: str, point: Point) -> str:
        permit = self._gate.permit(
            snapshot,
            purpose=use,
            subject=None if person.anonymous else person.key,
            anonymous=person.key if person.anonymous else None,
            country=place,
            point=point,
            signals=person.signals,
        )
        return "" if permit.granted else permit.withheld[0].cause

    def _places(self, snapshot: Snapshot, person: About, country: str | None) -> tuple[str, ...]:
        """Return everything that is known of where somebody is: all of it has to be satisfied."""
        row = snapshot.one(
            "SELECT place FROM consents WHERE subject = ? AND place <> '' ORDER BY seq DESC LIMIT 1", (person.key,)
        )
        named = [place for place in (person.place, country, row[0] if row else "") if place and place != UNKNOWN]
        if not named:
            return (self._place or UNKNOWN,)
        return tuple(dict.fromkeys(place_of(place) for place in named))

    def _minor(self, snapshot: Snapshot, person: About, places: Sequence[str]) -> bool:
        """Return True when the age band the shop knows says too young, and no witnessed yes stands against it.

        Where the law bars an age altogether, no yes helps. Of people without a known age nothing can be said.
        """
        age = youngest(str(traits_of(snapshot, self._secrets, person.key).get("age_range", "")))
        if age is None:
            return False
        rules = [load_jurisdictions().age(place) for place in places]
        if any(rule.bars(Purpose.SHARE, age) for rule in rules):
            return True
        said = ledger.state(snapshot, person.key, Purpose.SHARE, _EVER)
        return any(age < rule.consent for rule in rules) and (said is None or said.state is not State.GIVEN)


def youngest(band: str) -> int | None:
    """Return the lowest age a band allows (`13-17` → 13, `under 18` and `<18` → 0), None when it names none."""
    numbers = [int(each) for each in re.findall(r"\d{1,3}", band)]
    if not numbers:
        return None
    open_below = re.match(r"\s*(<|under|below|up to|-)", band.lower())
    return 0 if len(numbers) == 1 and open_below else min(numbers)


def _region(vendor: Vendor) -> str:
    return vendor.region or vendor.country.lower()[:2]


def _free(category: str) -> bool:
    return category == NOT_PERSONAL or (category.startswith(f"{NOT_PERSONAL}.") and banned(category) is None)


def _countries(snapshot: Snapshot, people: Sequence[About]) -> dict[Pseudonym, str]:
    rows = rows_in(snapshot, "SELECT subject, country FROM traits WHERE subject IN", [each.key for each in people])
    return {Pseudonym(row[0]): str(row[1]) for row in rows if row[1]}
