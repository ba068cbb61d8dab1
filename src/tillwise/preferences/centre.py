"""The preference centre: what its pages show of one person, and what that person does there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from tillwise.access.reads import log_read
from tillwise.audit.tombstones import erased_at
from tillwise.decisions.replay import Replayer
from tillwise.decisions.use_case import UseCase
from tillwise.documents.notices import NoticeDesk
from tillwise.errors import NotFound, StoreUnavailable
from tillwise.events.people import find_pseudonym, pseudonym_for, traits_of
from tillwise.preferences.stories import Story, read_stories
from tillwise.preferences.switches import NO_SWITCH, Reader, Switch, heeding, read_switches
from tillwise.privacy import ledger
from tillwise.privacy.consent import Choice, say
from tillwise.privacy.gate import Gate, place_of
from tillwise.privacy.judgement import GPC
from tillwise.privacy.ledger import State
from tillwise.privacy.material import read_materials
from tillwise.privacy.notice import Notice
from tillwise.privacy.purposes import UNKNOWN
from tillwise.privacy.served import Shown, serve, served, text_of, told
from tillwise.rights.asked import Asked, Corrections
from tillwise.rights.erasure import PENDING
from tillwise.rights.history import History, read_history
from tillwise.rights.person import Person, find_person
from tillwise.rights.request import Kind, RightsRequest
from tillwise.rights.requests import person_mark, receipt_of
from tillwise.rights.rights import Answered, Rights
from tillwise.settings import Secrets, Settings
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Store, Transaction

WHO: Final = "preference centre"
"""Who acted, in requests and the access ledger: the person themselves, through these pages."""
_DAY: Final = 86_400_000
_EVER: Final = 2**62
_LONGEST: Final = 60
"""Seconds after which a page stops waiting."""


class Shop(Protocol):
    """A shop as its preference centre sees it."""

    @property
    def settings(self) -> Settings: ...

    @property
    def secrets(self) -> Secrets: ...

    @property
    def store(self) -> Store: ...

    @property
    def clock(self) -> LogClock: ...

    @property
    def gate(self) -> Gate: ...

    @property
    def rights(self) -> Rights: ...

    @property
    def notices(self) -> NoticeDesk: ...

    @property
    def replayer(self) -> Replayer: ...

    @property
    def use_cases(self) -> Mapping[str, UseCase]: ...


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks: the shop's id of them, where they are ("" = not known), what they read, and whether they send GPC."""

    who: str
    anonymous: bool
    place: str
    language: str
    gpc: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """What the first page shows."""

    switches: list[Switch]
    notice: Notice
    place: str
    gpc: bool
    heeding: tuple[Purpose, ...]
    """What the browser's signal counts as a no to, at this place."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the page of their history shows."""

    traits: dict[str, object]
    history: History


class Centre:
    """Reads and acts for one visitor at a time. Everything here may wait for the store: call it in a thread."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._slow = ThreadPoolExecutor(4, "tillwise-preferences")

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """Return the purposes of this shop, the very ones its notice speaks of."""
        return self._shop.notices.purposes

    @property
    def name(self) -> str:
        """Return the shop's name."""
        return self._shop.settings.shop.name

    def choices(self, visitor: Visitor) -> Choices:
        """Return every switch, and record that this visitor is shown the notice in force.

        Somebody who was erased is not brought back by looking: for them it is recorded with their next yes.
        """
        shop = self._shop
        with shop.store.snapshot() as snapshot:
            person = self._find(snapshot, visitor)
            gone = person is None and self._erased(snapshot, visitor)
            place = self._place(snapshot, person, visitor)
            notice = self._notice(snapshot, place, visitor.language)
            shown = person is not None and self._is_shown(snapshot, person, notice)
        shop.notices.keep(notice)
        now = shop.clock.now()
        if not gone and not shown:
            person = shop.store.commit(lambda t: self._serve(t, visitor, notice, now)).result()
        signals = frozenset({GPC}) if visitor.gpc else frozenset[str]()
        reader = Reader(person, visitor.anonymous, place, signals)
        with shop.store.snapshot() as snapshot:
            switches = read_switches(snapshot, shop.gate, self.purposes, reader, now)
        return Choices(switches, notice, place, visitor.gpc, heeding(shop.gate, self.purposes, reader))

    def choose(self, visitor: Visitor, said: Mapping[Purpose, bool], notice_id: str, source: str) -> None:
        """Record yes or no per purpose, all in one transaction; the next decision acts on it.

        Raises NotFound for a notice this page did not show, or a purpose that has no switch here; NothingAgreed for a
        yes to what it did not tell. Yes to all on a page from before a use began is none to that use.
        """
        shop = self._shop
        asked = {purpose for purpose, yes in said.items() if yes}
        if not asked <= set(self.purposes) or NO_SWITCH & said.keys():
            raise NotFound("this purpose has no switch here")
        signals = frozenset({GPC}) if visitor.gpc else frozenset[str]()

        def work(transaction: Transaction) -> None:
            now = shop.clock.now()
            person = self._find(transaction, visitor)
            place = self._place(transaction, person, visitor)
            notice = self._notice(transaction, place, visitor.language)
            if person is None and notice.notice_id == notice_id:
                person = self._serve(transaction, visitor, notice, now)
            if person is None:
                raise NotFound("this notice was never shown here")
            before = {row.purpose: row.said for row in self._switches(transaction, person, visitor, place)}
            for purpose, yes in _told_of(said, served(transaction, person, notice_id)).items():
                no = State.WITHDRAWN if before.get(purpose) == "given" else State.REFUSED
                state = State.GIVEN if yes else no
                where = "" if place == UNKNOWN else place
                say(transaction, person, Choice(purpose, state, notice_id, source, where, signals=signals), now)

        shop.store.commit(work).result()

    def notice_text(self, visitor: Visitor, notice_id: str) -> str:
        """Return the text of a notice this visitor was shown, as it was kept; raise NotFound."""
        with self._shop.store.snapshot() as snapshot:
            person = self._find(snapshot, visitor)
            shown = None if person is None else served(snapshot, person, notice_id)
            text = text_of(snapshot, notice_id)
        if shown is None or text is None:
            raise NotFound("this notice was never shown here")
        return str(msgspec.json.decode(text)["long"])

    def stories(self, visitor: Visitor) -> list[Story]:
        """Return the latest decisions about this visitor."""
        person = self._person(visitor, "why am I seeing this")
        if person is None:
            return []
        shop = self._shop
        return read_stories(shop.store, shop.replayer, person.decisions)

    def profile(self, visitor: Visitor) -> Profile | None:
        """Return what the visitor's profile is made of, None when nothing is kept."""
        person = self._person(visitor, "history")
        if person is None:
            return None
        with self._shop.store.snapshot() as snapshot:
            traits = traits_of(snapshot, self._shop.secrets, person.first)
            return Profile({k: v for k, v in traits.items() if v is not None}, read_history(snapshot, person))

    def remove(self, visitor: Visitor, seqs: Collection[int] = (), category: str = "") -> int:
        """Take events out of the visitor's history: these, or all about a category; return how many.

        Raises NotFound for an event that is not theirs, or that nobody takes out one by one.
        """
        profile = self.profile(visitor)
        if profile is None:
            raise NotFound("nothing is kept")
        chosen = profile.history.chosen(seqs) or (profile.history.about(category) if category else ())
        if chosen:
            self.ask(visitor, Kind.RECTIFICATION, corrections=Corrections(remove_events=chosen))
        return len(chosen)

    def ask(
        self, visitor: Visitor, kind: Kind, *, decision_id: str = "", corrections: Corrections | None = None
    ) -> Answered:
        """Put a request on record and answer it; the signed link is the proof of who asks."""
        asked = Asked(
            visitor.who, kind, visitor.place, visitor.anonymous, identity=True,
            corrections=corrections or Corrections(), decision_id=decision_id, informed=kind is Kind.LIFTING,
        )  # fmt: skip
        if kind is Kind.ERASURE or asked.corrections.remove_events:
            return self._begun(asked)
        return self._shop.rights.ask(asked, who=WHO)

    def _begun(self, asked: Asked) -> Answered:
        """Answer as soon as the rows are gone: no decision knows them from then on. Copies in files take longer.

        A process that ends in between leaves the request open; `tillwise work` and `privacy resume` finish it.
        """
        rights = self._shop.rights
        request = rights.take(asked, who=WHO)
        future = self._slow.submit(rights.carry_out, request.id, who=WHO, asked=asked)
        for _ in range(_LONGEST * 20):
            finished, _ = wait((future,), timeout=0.05)
            if finished:
                return future.result()
            now = rights.requests.find(request.id)
            if PENDING in msgspec.json.decode(now.result):
                return Answered(now, receipt_of(now))
        raise StoreUnavailable("it was not done in time; it is on record and goes on")

    def requests(self, visitor: Visitor) -> list[RightsRequest]:
        """Return every request of this visitor, the newest first."""
        mark = person_mark(self._shop.secrets, visitor.who, anonymous=visitor.anonymous)
        return list(reversed(self._shop.rights.requests.of((mark,))))

    def request(self, visitor: Visitor, request_id: str) -> RightsRequest:
        """Return one request of this visitor; raise NotPermitted for somebody else's, NotFound."""
        return self._shop.rights.requests.find_own(request_id, visitor.who, anonymous=visitor.anonymous)

    def held(self, visitor: Visitor) -> bool:
        """Return True when the visitor's data are on hold."""
        with self._shop.store.snapshot() as snapshot:
            person = self._find(snapshot, visitor)
            said = None if person is None else ledger.state(snapshot, person, Purpose.TRAIN, _EVER)
        return said is not None and said.state is State.RESTRICTED

    def minted(self, visitor: Visitor, key_id: str) -> None:
        """Write down that a key was given a link to this person's pages."""

        def work(transaction: Transaction) -> None:
            person = self._find(transaction, visitor)
            subjects = () if person is None else (person,)
            log_read(transaction, who=key_id, what="POST /privacy/links", reason="preference centre", subjects=subjects)

        self._shop.store.commit(work).result()

    def _person(self, visitor: Visitor, page: str) -> Person | None:
        """Return everything that leads to the visitor, and write down that their data are shown."""

        def work(transaction: Transaction) -> Person | None:
            try:
                person = find_person(transaction, self._shop.secrets, visitor.who, anonymous=visitor.anonymous)
            except NotFound:
                return None
            log_read(transaction, who=WHO, what=page, reason="the person themselves", subjects=person.keys)
            return person

        return self._shop.store.commit(work).result()

    def _find(self, snapshot: Snapshot, visitor: Visitor) -> Pseudonym | None:
        return find_pseudonym(snapshot, self._shop.secrets, visitor.who, anonymous=visitor.anonymous)

    def _erased(self, snapshot: Snapshot, visitor: Visitor) -> bool:
        kind = "anonymous" if visitor.anonymous else "subject"
        return erased_at(snapshot, self._shop.secrets, kind, visitor.who) is not None

    def _serve(self, transaction: Transaction, visitor: Visitor, notice: Notice, now: int) -> Pseudonym:
        person = pseudonym_for(transaction, self._shop.secrets, visitor.who, anonymous=visitor.anonymous)
        serve(transaction, notice, person, now)
        return person

    def _is_shown(self, snapshot: Snapshot, person: Pseudonym, notice: Notice) -> bool:
        """Return True when it is on record that they were shown this notice lately, for what is used today."""
        shown = served(snapshot, person, notice.notice_id)
        if shown is None or self._shop.clock.now() - shown.at > _DAY:
            return False
        return shown.materials == told(notice, read_materials(snapshot))

    def _switches(self, snapshot: Snapshot, person: Pseudonym, visitor: Visitor, place: str) -> list[Switch]:
        reader = Reader(person, visitor.anonymous, place, frozenset())
        return read_switches(snapshot, self._shop.gate, self.purposes, reader, self._shop.clock.now())

    def _place(self, snapshot: Snapshot, person: Pseudonym | None, visitor: Visitor) -> str:
        """Return where the visitor is: as the link says, as is known of them, else the shop's own place."""
        known = visitor.place
        if not known and person is not None:
            row = snapshot.one("SELECT place FROM consents WHERE subject = ? ORDER BY seq DESC LIMIT 1", (person,))
            known = (
                str(row[0])
                if row is not None and row[0]
                else str(traits_of(snapshot, self._shop.secrets, person).get("country") or "")
            )
        return place_of(known or self._shop.settings.shop.place) or UNKNOWN

    def _notice(self, snapshot: Snapshot, place: str, language: str) -> Notice:
        return self._shop.notices.make(snapshot, place, language)


def _told_of(said: Mapping[Purpose, bool], shown: Shown | None) -> Mapping[Purpose, bool]:
    """Return what was said on one page, of several yeses those its notice told of."""
    if shown is None or len(said) == 1:
        return said
    return {purpose: yes for purpose, yes in said.items() if not yes or shown.names(purpose)}
