"""People's rights, answered: one object that the doors call; each answer is a request with a deadline and a receipt."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tillwise.audit import log as audit_log
from tillwise.audit import tombstones
from tillwise.decisions import receipts
from tillwise.decisions.explanation import explanation
from tillwise.decisions.replay import Replayer
from tillwise.errors import InvalidInput, NotFound
from tillwise.events.people import set_traits
from tillwise.privacy import ledger, served
from tillwise.privacy.ledger import Consent
from tillwise.review.queue import open_case
from tillwise.rights import request as request_room
from tillwise.rights.erasure import PENDING, Erasure, Scrubbing
from tillwise.rights.holder import FileHolder, Holder
from tillwise.rights.person import Person, find_person
from tillwise.rights.request import Kind, RightsRequest, State
from tillwise.rights.requests import Asked, Requests, receipt_of
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import LogClock, Milliseconds
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (*audit_log.TABLES, *tombstones.TABLES, *request_room.TABLES)
OBJECTED: Final = (Purpose.RECOMMEND, Purpose.SEARCH, Purpose.PRICE, Purpose.MARKETING, Purpose.TRAIN)
"""What an objection ends. Fraud prevention goes on, and a person looks at it: see `human_review`."""
EXPLAINED: Final = 100
"""Decisions explained at once, the newest."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answered request: its receipt, and what is handed to the person (None where nothing is)."""

    request: RightsRequest
    receipt: Json
    data: Json | None = None


Work = Callable[[Person], tuple[Json, Json | None]]
"""Does what was asked: returns what the receipt says, and what the person gets."""


class Rights:
    """Answers requests from every holder of personal data."""

    def __init__(
        self,
        store: Scrubbing,
        secrets: Secrets,
        clock: LogClock,
        replayer: Replayer,
        *,
        rows: Sequence[Holder],
        files: Sequence[FileHolder] = (),
    ) -> None:
        store.create((*TABLES, *served.TABLES))
        self.requests = Requests(store, secrets, clock.wall)
        self._store = store
        self._secrets = secrets
        self._clock = clock
        self._replayer = replayer
        self._rows = tuple(rows)
        self._erasure = Erasure(store, secrets, rows, files)

    def access(self, asked: Asked) -> Answered:
        """Hand over everything every holder has, by holder; the same for portability."""
        return self._answer(asked, self._export)

    def erase(self, asked: Asked) -> Answered:
        """Erase the person from every holder, then from every file; one that was interrupted goes on."""
        request = self._begin(asked)
        if PENDING in msgspec.json.decode(request.result):
            return self._finish(request.id)
        try:
            self._erasure.rows(request.id, asked)
        except NotFound:
            return self._done(request, self._unknown(asked))
        return self._finish(request.id)

    def resume(self) -> list[Answered]:
        """Finish erasures that were interrupted after the rows were gone."""
        left = [each for each in self.requests.open() if each.kind is Kind.ERASURE and each.state is State.WORKING]
        return [self._finish(each.id) for each in left if PENDING in msgspec.json.decode(each.result)]

    def object(self, asked: Asked, purposes: Collection[Purpose] = OBJECTED) -> Answered:
        """End these purposes from the next decision on."""
        source = "objection"

        def work(person: Person) -> tuple[Json, Json | None]:
            def commit(transaction: Transaction) -> None:
                for key in person.keys:
                    for purpose in purposes:
                        said = Consent(
                            key, purpose, ledger.State.WITHDRAWN, place=asked.place, source=source, basis=source
                        )
                        ledger.record(transaction, said, self._clock.now())

            self._store.commit(commit).result()
            return {"ended": sorted(purpose.value for purpose in purposes)}, None

        return self._answer(asked, work)

    def rectify(self, asked: Asked, corrections: Mapping[str, Any]) -> Answered:
        """Correct what is kept of a person, by name."""
        if not corrections:
            raise InvalidInput("say what is to be corrected: name=value", field="corrections")

        def work(person: Person) -> tuple[Json, Json | None]:
            self._store.commit(lambda t: set_traits(t, person.first, dict(corrections))).result()
            return {"corrected": sorted(corrections)}, None

        return self._answer(asked, work)

    def explain(self, asked: Asked, decision_id: str | None = None) -> Answered:
        """Explain a decision about this person, or their newest ones."""

        def work(person: Person) -> tuple[Json, Json | None]:
            chosen = person.decisions[-EXPLAINED:] if decision_id is None else (_own(person, decision_id),)
            told = [explanation(self._replayer, each) for each in chosen]
            return {"decisions": len(told)}, {"decisions": told}

        return self._answer(asked, work)

    def human_review(self, asked: Asked, decision_id: str) -> Answered:
        """Put a decision about this person before a human reviewer."""

        def work(person: Person) -> tuple[Json, Json | None]:
            chosen = _own(person, decision_id)
            self._store.commit(lambda t: open_case(t, receipts.find(t, chosen))).result()
            return {"review": "opened"}, None

        return self._answer(asked, work)

    def find(self, asked: Asked) -> dict[str, dict[str, int]]:
        """Return how much every holder has, without a request; raise NotFound."""
        with self._store.snapshot() as snapshot:
            person = self._person(snapshot, asked)
            return {holder.name: counts for holder in self._rows if (counts := holder.find(snapshot, person))}

    def erased_at(self, decision_id: str) -> Milliseconds | None:
        """Return when a decision was erased together with its person (wall clock, Unix ms), None when it was not."""
        with self._store.snapshot() as snapshot:
            return tombstones.erased_at(snapshot, self._secrets, "decision", decision_id)

    def _person(self, snapshot: Snapshot, asked: Asked) -> Person:
        return find_person(snapshot, self._secrets, asked.subject, anonymous=asked.anonymous)

    def _begin(self, asked: Asked) -> RightsRequest:
        request = self.requests.receive(asked)
        return self.requests.begin(request.id)

    def _answer(self, asked: Asked, work: Work) -> Answered:
        request = self._begin(asked)
        try:
            with self._store.snapshot() as snapshot:
                person = self._person(snapshot, asked)
        except NotFound:
            return self._done(request, self._unknown(asked))
        result, data = work(person)
        return self._done(request, result, data)

    def _done(self, request: RightsRequest, result: Json, data: Json | None = None) -> Answered:
        done = self.requests.done(request.id, result)
        return Answered(done, receipt_of(done), data)

    def _unknown(self, asked: Asked) -> Json:
        """Say that nothing is held: never was, or was erased."""
        kind = "anonymous" if asked.anonymous else "subject"
        with self._store.snapshot() as snapshot:
            erased = tombstones.erased_at(snapshot, self._secrets, kind, asked.subject)
        return {"held": "nothing"} if erased is None else {"held": "nothing", "erased": erased}

    def _finish(self, request_id: str) -> Answered:
        noted = msgspec.json.decode(self.requests.find(request_id).result)
        result = self._erasure.files(request_id, noted)
        return self._done(self.requests.find(request_id), result)

    def _export(self, person: Person) -> tuple[Json, Json | None]:
        with self._store.snapshot() as snapshot:
            data = {holder.name: list(holder.export(snapshot, person)) for holder in self._rows}
        data = {"identity": [{"id": each} for each in person.ids], **data}
        return {"rows": {name: len(rows) for name, rows in data.items() if rows}}, data


def _own(person: Person, decision_id: str) -> str:
    if decision_id not in person.decisions:
        raise NotFound("no such decision about this person is on record")
    return decision_id
