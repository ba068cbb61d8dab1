"""People's rights, answered: one object that the doors call; each answer is a request with a deadline and a receipt."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from tillwise.access import reads
from tillwise.access import tables as access_tables
from tillwise.audit import log as audit_log
from tillwise.audit import tombstones
from tillwise.decisions.replay import Replayer
from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.privacy import ledger, served
from tillwise.privacy.consent_receipt import ALGORITHM, ReceiptSigner
from tillwise.privacy.gate import place_of
from tillwise.privacy.holds import refuse_held
from tillwise.rights import lineage as lineage_room
from tillwise.rights import request as request_room
from tillwise.rights.asked import OBJECTED, Asked, Corrections
from tillwise.rights.correcting import check_corrections, check_own, correct
from tillwise.rights.deadlines import soonest
from tillwise.rights.erasure import PENDING, Erasure, Scrubbing
from tillwise.rights.holder import FileHolder, Holder
from tillwise.rights.holders_recipients import TABLES as RECIPIENTS
from tillwise.rights.holders_recipients import with_recipients
from tillwise.rights.lineage import Lineage, Renewal, schedule, scheduled_by
from tillwise.rights.person import Person, find_person
from tillwise.rights.request import HANDED, Kind, Refusal, RightsRequest, State
from tillwise.rights.requests import SHOP, Requests, receipt_of
from tillwise.rights.requests import find as find_request
from tillwise.rights.texts import texts_of
from tillwise.rights.work import Work, own
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import LogClock, Milliseconds
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (*audit_log.TABLES, *tombstones.TABLES, *request_room.TABLES, *lineage_room.TABLES, *RECIPIENTS)
_EVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Answered:
    """A request as it stands: its receipt, and what is handed to the person (None where nothing is)."""

    request: RightsRequest
    receipt: Json
    data: Json | None = None


class Rights:
    """Answers requests from every holder of personal data. `who` is the key or login that acts."""

    def __init__(
        self,
        store: Scrubbing,
        secrets: Secrets,
        clock: LogClock,
        replayer: Replayer,
        *,
        lineage: Lineage,
        rows: Sequence[Holder],
        files: Sequence[FileHolder] = (),
        notice: Callable[[str], Json] | None = None,
    ) -> None:
        """Wire the answers; `notice` gives the notice in force at a place, which an answer to access also holds."""
        store.create((*TABLES, *served.TABLES, *access_tables.TABLES))
        self.requests = Requests(store, secrets, clock.wall)
        self.lineage = lineage
        self._store = store
        self._secrets = secrets
        self._clock = clock
        self._rows = tuple(rows)
        self._erasure = Erasure(store, secrets, rows, files)
        self._signer = ReceiptSigner(secrets)
        self._work = Work(store, secrets, clock, replayer, self.requests, self._rows, lineage, notice)

    def ask(self, asked: Asked, *, who: str = SHOP) -> Answered:
        """Take a request in. With proof of identity it is carried out at once; without, it waits and nothing happens.

        A correction that does not say what is wrong waits too. Raises NotFound for a decision, event or link that is
        not this person's, InvalidInput for a correction of something that is not kept.
        """
        request = self.take(asked, who=who)
        if not self.can_go_on(request, asked):
            return Answered(request, receipt_of(request))
        return self.carry_out(request.id, who=who, asked=asked)

    def can_go_on(self, request: RightsRequest, asked: Asked | None) -> bool:
        """Return whether a request can be carried out now: it is known who asks, and what is to be done."""
        vague = asked is not None and asked.kind is Kind.RECTIFICATION and not asked.corrections
        return request.identity and request.finished is None and not vague

    def take(self, asked: Asked, *, who: str = SHOP) -> RightsRequest:
        """Take a request in without carrying it out; raise as `ask` does."""
        check_corrections(asked.corrections)
        if asked.kind is Kind.LIFTING and asked.identity and not asked.informed:
            raise Conflict("tell the person before it is lifted (GDPR 18(3)), and say so: --informed, informed: true")
        with self._store.snapshot() as snapshot:
            person = self._known(snapshot, asked)
            place = asked.place if person is None else self._place(snapshot, person, asked)
            if asked.identity and person is not None:
                self._check_own(snapshot, person, asked)  # before anything is recorded that could never be done
        return self.requests.receive(replace(asked, place=asked.place.upper()), who=who, place=place)

    def carry_out(self, request_id: str, *, who: str = SHOP, asked: Asked | None = None) -> Answered:
        """Do what was asked; raise Conflict while nobody checked who asks, or when it cannot be done as asked.

        What names a decision, an event or a link of somebody else is refused: it was taken in before anybody was known
        to ask, so that it could not be looked at then.
        """
        request = self.requests.begin(request_id, who=who)
        if PENDING in msgspec.json.decode(request.result):
            return self._finish(request.id, who)
        asked = self.requests.asked(request_id) or asked
        with self._store.snapshot() as snapshot:
            person = None if asked is None else self._known(snapshot, asked)
            theirs = asked is None or person is None or self._is_own(snapshot, person, asked)
        if asked is None or person is None:
            return self._done(request, self._erased(request), who=who)
        if not theirs:
            refused = self.requests.refuse(request.id, Refusal.RIGHT_DOES_NOT_APPLY, who=who)
            return Answered(refused, receipt_of(refused))
        if request.kind is Kind.ERASURE:
            return self._erase(request, asked, person, who)
        if request.kind is Kind.RECTIFICATION:
            return self._correct(request, asked, person, who)
        result, data = self._work.carry_out(request, asked, person)
        if data is not None:
            self._log_read(request, person, who)
        return self._done(request, result, data, who=who)

    def result(self, request_id: str, *, who: str = SHOP) -> Json:
        """Return what a request hands over, made afresh from every holder; raise Conflict when it hands over nothing.

        It may be fetched for some days after the answer, and is never kept.
        """
        request = self.requests.find(request_id)
        if request.kind not in HANDED:
            raise Conflict(f"{request.kind.value} hands over no data: its receipt says what was done")
        if request.state is not State.DONE:
            raise Conflict(f"this request is {request.state}: nothing is handed over before it is done")
        asked = self.requests.asked(request_id) if self.requests.fetchable(request) else None
        if asked is None:
            raise Conflict("the days in which it could be fetched are over, or it was erased: ask again")
        with self._store.snapshot() as snapshot:
            person = self._person(snapshot, asked)
        self._log_read(request, person, who)
        if request.kind is Kind.EXPLANATION:
            return self._work.explained(asked, person)
        return self._work.export(request, person)

    def signed(self, request: RightsRequest) -> Json:
        """Return the receipt with its Ed25519 signature over the canonical JSON, as consent receipts have it."""
        receipt = receipt_of(request)
        return {
            "receipt": receipt, "signature": self._signer.sign(receipt), "algorithm": ALGORITHM,
            "public_key": self._signer.public,
        }  # fmt: skip

    def access(self, asked: Asked, *, who: str = SHOP) -> Answered:
        """Hand over everything every holder has, by holder; the same for portability."""
        return self._now(asked, who)

    def erase(self, asked: Asked, *, who: str = SHOP) -> Answered:
        """Erase the person from every holder, then from every file; one that was interrupted goes on."""
        return self._now(asked, who)

    def object(self, asked: Asked, purposes: Collection[Purpose] = OBJECTED, *, who: str = SHOP) -> Answered:
        """End these purposes from the next decision on."""
        return self._now(asked if asked.purposes else replace(asked, purposes=tuple(purposes)), who)

    def rectify(self, asked: Asked, corrections: Mapping[str, Any] | None = None, *, who: str = SHOP) -> Answered:
        """Correct what is kept of a person; `corrections` names traits, `asked.corrections` may say more."""
        if corrections:
            asked = replace(asked, corrections=Corrections(traits=dict(corrections)))
        return self._now(asked, who)

    def explain(self, asked: Asked, decision_id: str | None = None, *, who: str = SHOP) -> Answered:
        """Explain a decision about this person, or their newest ones."""
        return self._now(replace(asked, decision_id=decision_id or asked.decision_id), who)

    def human_review(self, asked: Asked, decision_id: str = "", *, who: str = SHOP) -> Answered:
        """Put a decision about this person, or their newest adverse one, before a human reviewer."""
        return self._now(replace(asked, decision_id=decision_id or asked.decision_id), who)

    def renewals(self) -> list[Renewal]:
        """Return the models that are to be learnt anew, the nearest end first."""
        with self._store.snapshot() as snapshot:
            return self.lineage.renewals(snapshot)

    def who_asked(self, request_id: str) -> tuple[int, ...]:
        """Return the pseudonym of who asked while it is kept, for the access ledger; raise NotFound."""
        with self._store.snapshot() as snapshot:
            find_request(snapshot, request_id)
            row = snapshot.one("SELECT subject FROM rights_asked WHERE request = ?", (request_id,))
        return () if row is None or row[0] is None else (int(row[0]),)

    def resume(self, *, who: str = SHOP) -> list[Answered]:
        """Finish erasures and removals that were interrupted after the rows were gone."""
        return [self._finish(each.id, who) for each in self.interrupted()]

    def interrupted(self) -> list[RightsRequest]:
        """Return the requests whose rows are gone and whose files are not done yet."""
        return [each for each in self.requests.open() if PENDING in msgspec.json.decode(each.result)]

    def find(self, asked: Asked) -> dict[str, dict[str, int]]:
        """Return how much every holder has, without a request; raise NotFound."""
        with self._store.snapshot() as snapshot:
            person = self._person(snapshot, asked)
            return {holder.name: counts for holder in self._rows if (counts := holder.find(snapshot, person))}

    def erased_at(self, decision_id: str) -> Milliseconds | None:
        """Return when a decision was erased together with its person (wall clock, Unix ms), None when it was not."""
        with self._store.snapshot() as snapshot:
            return tombstones.erased_at(snapshot, self._secrets, "decision", decision_id)

    def _now(self, asked: Asked, who: str) -> Answered:
        """Answer at once; raise Conflict when nobody checked who asks: the request then waits."""
        return self.carry_out(self.take(asked, who=who).id, who=who, asked=asked)

    def _person(self, snapshot: Snapshot, asked: Asked) -> Person:
        return find_person(snapshot, self._secrets, asked.subject, anonymous=asked.anonymous)

    def _known(self, snapshot: Snapshot, asked: Asked) -> Person | None:
        try:
            return self._person(snapshot, asked)
        except NotFound:
            return None

    def _check_own(self, snapshot: Snapshot, person: Person, asked: Asked) -> None:
        if asked.decision_id and asked.kind in (Kind.EXPLANATION, Kind.HUMAN_REVIEW):
            own(person, asked.decision_id)
        if asked.kind is Kind.RECTIFICATION:
            check_own(snapshot, self._secrets, person, asked.corrections)

    def _is_own(self, snapshot: Snapshot, person: Person, asked: Asked) -> bool:
        try:
            self._check_own(snapshot, person, asked)
        except NotFound:
            return False
        return True

    def _erase(self, request: RightsRequest, asked: Asked, person: Person, who: str) -> Answered:
        """Erase; which models learnt from the person is noted first, while it can still be found out."""
        with self._store.snapshot() as snapshot:
            refuse_held(snapshot, person.keys)
            learnt = self.lineage.learnt_from(snapshot, person)
        self._store.commit(
            lambda t: schedule(t, request.id, learnt, why="erasure", now=self._clock.now(), wall=self._clock.wall())
        ).result()
        self._erasure.rows(request.id, asked)
        return self._finish(request.id, who)

    def _correct(self, request: RightsRequest, asked: Asked, person: Person, who: str) -> Answered:
        if not asked.corrections:
            raise InvalidInput("say what is to be corrected: traits, remove_events or detach", field="corrections")

        def work(transaction: Transaction) -> Json:
            texts = texts_of(transaction, asked.corrections.remove_events)  # before the rows go
            said, counts = correct(transaction, self._secrets, person, asked.corrections, self._rows)
            if counts:
                seqs = sorted(set(asked.corrections.remove_events))
                pending = {"seqs": seqs, "keys": [], "first": 0, "texts": texts}
                noted = {"said": said, "rows": counts, PENDING: pending}
                transaction.run(
                    "UPDATE rights_requests SET result = ? WHERE id = ?",
                    (msgspec.json.encode(noted).decode(), request.id),
                )
            return said

        said = self._store.commit(work).result()
        if asked.corrections.remove_events:
            return self._finish(request.id, who)
        return self._done(request, said, who=who)

    def _finish(self, request_id: str, who: str) -> Answered:
        """Do what the files still need, then end the request."""
        request = self.requests.find(request_id)
        noted = msgspec.json.decode(request.result)
        left = self._erasure.files(request_id, noted) if PENDING in noted else noted
        result = with_recipients({**noted.get("said", {}), **left})
        with self._store.snapshot() as snapshot:
            models = scheduled_by(snapshot, request_id)
        return self._done(request, {**result, "models": models} if models else result, who=who)

    def _done(self, request: RightsRequest, result: Json, data: Json | None = None, *, who: str) -> Answered:
        try:
            done = self.requests.done(request.id, result, who=who)
        except Conflict:
            done = self.requests.find(request.id)
            if done.state is not State.DONE:  # else another process finished the same meanwhile
                raise
        return Answered(done, receipt_of(done), data)

    def _erased(self, request: RightsRequest) -> Json:
        """Say that nothing is held: never was, or was erased."""
        with self._store.snapshot() as snapshot:
            row = snapshot.one("SELECT wall FROM tombstones WHERE mark = ?", (request.person,))
        return {"held": "nothing"} if row is None else {"held": "nothing", "erased": int(row[0])}

    def _log_read(self, request: RightsRequest, person: Person, who: str) -> None:
        what, reason = f"privacy request: {request.kind.value}", f"request {request.id}"
        self._store.commit(
            lambda t: reads.log_read(t, who=who, what=what, reason=reason, subjects=person.keys)
        ).result()

    def _place(self, snapshot: Snapshot, person: Person, asked: Asked) -> str:
        """Return the place that answers soonest of all that are known: named now, said before, or their residence."""
        known = [asked.place]
        for key in person.keys:
            said = ledger.spoken(snapshot, key, Purpose.SERVICE, _EVER)
            known += [said.place, said.own_place, said.residence]
        return soonest([place_of(place) for place in known if place], asked.kind, self._clock.wall())
