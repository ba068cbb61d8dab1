"""What each kind of request does once it is known who asks: what the receipt says, and what is handed over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tillwise.decisions import receipts
from tillwise.decisions.replay import Replayer
from tillwise.errors import Conflict, NotFound
from tillwise.privacy import ledger
from tillwise.review.queue import open_case
from tillwise.rights.asked import Asked, person_mark
from tillwise.rights.explaining import explain_decision
from tillwise.rights.holder import Holder
from tillwise.rights.holders_recipients import tell_recipients
from tillwise.rights.lineage import Lineage, schedule
from tillwise.rights.objecting import RECENT_MS, adverse_of, end_purposes
from tillwise.rights.person import Person
from tillwise.rights.request import Kind, RightsRequest
from tillwise.rights.requests import Requests, receipt_of
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Store, Transaction

EXPLAINED: Final = 100
"""Decisions explained at once, the newest."""
Answer = tuple[Json, Json | None]
"""What the receipt says, and what the person gets."""


@dataclass(frozen=True, slots=True)
class Work:
    """Carries out everything but erasure and correction, which also touch files (rights/rights.py)."""

    store: Store
    secrets: Secrets
    clock: LogClock
    replayer: Replayer
    requests: Requests
    rows: Sequence[Holder]
    lineage: Lineage
    notice: Callable[[str], Json] | None = None

    def carry_out(self, request: RightsRequest, asked: Asked, person: Person) -> Answer:
        """Do what was asked; raise Conflict or NotFound when it cannot be done so."""
        kinds: dict[Kind, Callable[[RightsRequest, Asked, Person], Answer]] = {
            Kind.ACCESS: self._access,
            Kind.PORTABILITY: self._access,
            Kind.OBJECTION: self._object,
            Kind.RESTRICTION: self._restrict,
            Kind.LIFTING: self._lift,
            Kind.EXPLANATION: self._explain,
            Kind.HUMAN_REVIEW: self._review,
        }
        return kinds[request.kind](request, asked, person)

    def export(self, request: RightsRequest, person: Person) -> Json:
        """Return everything every holder has, the person's requests, the models that learnt from them, and the rules.

        Portability hands over the data alone (GDPR 20(1)), access also says what is done with them (GDPR 15(1)).
        """
        with self.store.snapshot() as snapshot:
            data: Json = {holder.name: list(holder.export(snapshot, person)) for holder in self.rows}
            learnt = self.lineage.learnt_from(snapshot, person)
        data = {"identity": [{"id": each} for each in person.ids], **data}
        if request.kind is Kind.ACCESS:
            data["requests"] = [self._told(each) for each in self.requests.of(self._marks(person))]
            data["models"] = [each.told() for each in learnt]
            noticed = {} if self.notice is None else self.notice(request.place)
            data["information"] = [{**each, **noticed} for each in self.lineage.information(request.place)]
        return data

    def explained(self, asked: Asked, person: Person) -> Json:
        """Return the explanation of one decision, or of the newest ones."""
        chosen = (own(person, asked.decision_id),) if asked.decision_id else person.decisions[-EXPLAINED:]
        return {"decisions": [explain_decision(self.store, self.replayer, each) for each in chosen]}

    def _access(self, request: RightsRequest, _: Asked, person: Person) -> Answer:
        data = self.export(request, person)
        return {"rows": {name: len(rows) for name, rows in data.items() if rows}}, data

    def _explain(self, _: RightsRequest, asked: Asked, person: Person) -> Answer:
        told = self.explained(asked, person)
        return {"decisions": len(told["decisions"])}, told

    def _object(self, request: RightsRequest, asked: Asked, person: Person) -> Answer:
        ended = asked.ends
        with self.store.snapshot() as snapshot:
            learnt = self.lineage.learnt_from(snapshot, person) if Purpose.TRAIN in ended else []
            since = self.clock.now() - RECENT_MS
            fraud = Purpose.FRAUD_PREVENTION in ended
            adverse = adverse_of(snapshot, person, self.lineage.use_cases, since) if fraud else []

        def work(transaction: Transaction) -> None:
            now = self.clock.now()
            end_purposes(transaction, person, ended, now, asked.place)
            for kept in adverse:
                open_case(transaction, kept)
            schedule(transaction, request.id, learnt, why="objection to training", now=now, wall=self.clock.wall())

        self.store.commit(work).result()
        said: Json = {"ended": sorted(purpose.value for purpose in ended if purpose is not Purpose.FRAUD_PREVENTION)}
        if fraud:
            said["fraud_prevention"] = "goes on; a person looks at every adverse decision"
            said["reviews"] = len(adverse)
        return said, None

    def _restrict(self, _: RightsRequest, asked: Asked, person: Person) -> Answer:
        def work(transaction: Transaction) -> list[str]:
            for key in person.keys:
                ledger.restrict(transaction, Pseudonym(key), self.clock.now(), place=asked.place, source="restriction")
            return tell_recipients(transaction, person)

        told = self.store.commit(work).result()
        said: Json = {"restricted": "nothing reads these data until it is lifted; they are kept"}
        return ({**said, "to_tell": told} if told else said), None

    def _lift(self, request: RightsRequest, asked: Asked, person: Person) -> Answer:
        if not asked.informed:
            raise Conflict("tell the person before it is lifted (GDPR 18(3)), and say so: --informed, informed: true")

        def work(transaction: Transaction) -> int:
            now = self.clock.now()
            return sum(ledger.lift(transaction, Pseudonym(key), now, source="lifted") for key in person.keys)

        lifted = self.store.commit(work).result()
        return {"lifted": bool(lifted), "person_informed": request.received}, None

    def _review(self, _: RightsRequest, asked: Asked, person: Person) -> Answer:
        with self.store.snapshot() as snapshot:
            if asked.decision_id:
                chosen = [receipts.find(snapshot, own(person, asked.decision_id))]
            else:
                chosen = adverse_of(snapshot, person, self.lineage.use_cases)[:1]

        def work(transaction: Transaction) -> None:
            for kept in chosen:
                open_case(transaction, kept)

        self.store.commit(work).result()
        return {"review": "opened" if chosen else "there is no adverse decision to look at"}, None

    def _marks(self, person: Person) -> tuple[bytes, ...]:
        kinds = ((text, anonymous) for text in person.ids for anonymous in (False, True))
        return tuple(person_mark(self.secrets, text, anonymous=anonymous) for text, anonymous in kinds)

    def _told(self, request: RightsRequest) -> Json:
        return {name: value for name, value in receipt_of(request).items() if name != "result"}


def own(person: Person, decision_id: str) -> str:
    """Return the decision when it is about this person; raise NotFound, which does not say whether it exists."""
    if decision_id not in person.decisions:
        raise NotFound("no such decision about this person is on record")
    return decision_id
