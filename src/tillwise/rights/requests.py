"""The one state machine of every request: received, (verifying,) working, done or refused, each step on record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tillwise.audit.log import enter_act
from tillwise.audit.tombstones import tombstone
from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.rights.entered import REQUEST
from tillwise.rights.request import DAY, NEXT, Kind, Refusal, RightsRequest, State, deadline_of
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.identity import new_decision_id
from tillwise.vocabulary.store import Row, Snapshot, Store, Transaction

_COLUMNS: Final = (
    "id, person, kind, place, law, received, deadline, extended, state, identity, refusal, finished, result"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks. `subject` is the shop's user id; `identity` says that the caller checked who is asking."""

    subject: str
    kind: Kind
    place: str = ""
    anonymous: bool = False
    identity: bool = False


def person_mark(secrets: Secrets, subject: str, *, anonymous: bool = False) -> bytes:
    """Return the keyed mark that stands for a person in requests; it outlives an erasure and names nobody."""
    return tombstone(secrets, "anonymous" if anonymous else "subject", subject)


class Requests:
    """Receives requests and moves them on. Every step is one transaction, and every end enters the audit log."""

    def __init__(self, store: Store, secrets: Secrets, wall: Callable[[], Milliseconds] = wall_now) -> None:
        self._store = store
        self._secrets = secrets
        self._wall = wall

    def receive(self, asked: Asked) -> RightsRequest:
        """Take a request in; its deadline runs from now. Without proof of identity it waits in `verifying`.

        The same person asking the same again, while it is open, is the same request: its deadline stays.
        """
        if not asked.subject:
            raise InvalidInput("a request names whose data it is about", field="subject")
        law = deadline_of(asked.place.upper())
        received = self._wall()
        request = RightsRequest(
            id=str(new_decision_id()), person=person_mark(self._secrets, asked.subject, anonymous=asked.anonymous),
            kind=asked.kind, place=asked.place.upper(), law=law.law, received=received,
            deadline=received + law.days * DAY, extended=False,
            state=State.RECEIVED if asked.identity else State.VERIFYING, identity=asked.identity, refusal=None,
            finished=None, result="{}",
        )  # fmt: skip
        return self._store.commit(lambda transaction: self._take(transaction, request)).result()

    def _take(self, transaction: Transaction, request: RightsRequest) -> RightsRequest:
        row = transaction.one(
            f"SELECT {_COLUMNS} FROM rights_requests WHERE person = ? AND kind = ? AND finished IS NULL"
            " ORDER BY received LIMIT 1",
            (request.person, request.kind.value),
        )
        if row is None:
            _insert(transaction, request)
            return request
        waiting = _request(row)
        if request.identity and not waiting.identity:
            return move(transaction, waiting.id, State.WORKING, self._wall(), identity=True)
        return waiting

    def find(self, request_id: str) -> RightsRequest:
        """Return a request; raise NotFound."""
        with self._store.snapshot() as snapshot:
            return find(snapshot, request_id)

    def open(self) -> list[RightsRequest]:
        """Return what is not answered yet, the nearest deadline first."""
        with self._store.snapshot() as snapshot:
            rows = snapshot.all(f"SELECT {_COLUMNS} FROM rights_requests WHERE finished IS NULL ORDER BY deadline")
        return [_request(row) for row in rows]

    def verified(self, request_id: str) -> RightsRequest:
        """Note that somebody checked who is asking."""
        return self._store.commit(lambda t: move(t, request_id, State.WORKING, self._wall(), identity=True)).result()

    def extend(self, request_id: str) -> RightsRequest:
        """Extend the deadline once, by what the law allows; raise Conflict when it allows nothing (more)."""

        def work(transaction: Transaction) -> RightsRequest:
            request = find(transaction, request_id)
            days = deadline_of(request.place).extension
            if request.finished is not None or request.extended or not days:
                raise Conflict(f"this request cannot be extended under {request.law}")
            transaction.run(
                "UPDATE rights_requests SET deadline = deadline + ?, extended = 1 WHERE id = ?",
                (days * DAY, request_id),
            )
            return find(transaction, request_id)

        return self._store.commit(work).result()

    def refuse(self, request_id: str, why: str) -> RightsRequest:
        """Refuse for one of the coded reasons; raise InvalidInput for any other."""
        known = {each.value: each for each in Refusal}
        if why not in known:
            raise InvalidInput(f"'{why[:40]}' is no reason to refuse; one of: {', '.join(known)}", field="reason")
        return self._store.commit(
            lambda t: move(t, request_id, State.REFUSED, self._wall(), refusal=known[why])
        ).result()

    def done(self, request_id: str, result: Json) -> RightsRequest:
        """Finish a request; `result` names no person (counts, entries, ids of nothing that was erased)."""
        return self._store.commit(lambda t: move(t, request_id, State.DONE, self._wall(), result=result)).result()

    def begin(self, request_id: str) -> RightsRequest:
        """Start the work; raise Conflict while nobody has checked who is asking."""

        def work(transaction: Transaction) -> RightsRequest:
            request = find(transaction, request_id)
            if not request.identity:
                raise Conflict("first check who is asking, and say so: nobody else's data are handed over or erased")
            return (
                request
                if request.state is State.WORKING
                else move(transaction, request_id, State.WORKING, self._wall())
            )

        return self._store.commit(work).result()


def find(snapshot: Snapshot, request_id: str) -> RightsRequest:
    """Return a request; raise NotFound."""
    row = snapshot.one(f"SELECT {_COLUMNS} FROM rights_requests WHERE id = ?", (request_id,))
    if row is None:
        raise NotFound(f"no request '{request_id[:80]}' was ever received")
    return _request(row)


def move(
    transaction: Transaction, request_id: str, state: State, wall: Milliseconds, *, identity: bool | None = None,
    refusal: Refusal | None = None, result: Json | None = None,
) -> RightsRequest:  # fmt: skip
    """Move a request to its next state and enter the end of it in the audit log; raise Conflict for a wrong step."""
    request = find(transaction, request_id)
    if state not in NEXT[request.state]:
        raise Conflict(f"a request that is {request.state} cannot become {state}")
    finished = wall if state in (State.DONE, State.REFUSED) else None
    values: dict[str, Any] = {
        "state": state.value, "identity": int(request.identity if identity is None else identity),
        "refusal": None if refusal is None else refusal.value, "finished": finished,
        "result": request.result if result is None else msgspec.json.encode(result).decode(),
    }  # fmt: skip
    changes = ", ".join(f"{name} = ?" for name in values)
    transaction.run(f"UPDATE rights_requests SET {changes} WHERE id = ?", (*values.values(), request_id))
    if finished is not None:
        enter_act(transaction, REQUEST, receipt_of(find(transaction, request_id)))
    return find(transaction, request_id)


def receipt_of(request: RightsRequest) -> Json:
    """Return what is handed to the person, and entered in the audit log, when a request is answered."""
    return {
        "request": request.id, "kind": request.kind.value, "state": request.state.value, "place": request.place,
        "law": request.law, "received": request.received, "deadline": request.deadline, "extended": request.extended,
        "finished": request.finished, "refusal": None if request.refusal is None else request.refusal.value,
        "result": msgspec.json.decode(request.result),
    }  # fmt: skip


def _insert(transaction: Transaction, request: RightsRequest) -> None:
    transaction.run(
        f"INSERT INTO rights_requests ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (request.id, request.person, request.kind.value, request.place, request.law, request.received,
         request.deadline, 0, request.state.value, int(request.identity), None, None, request.result),
    )  # fmt: skip


def _request(row: Row) -> RightsRequest:
    return RightsRequest(
        row[0], row[1], Kind(row[2]), row[3], row[4], row[5], row[6], bool(row[7]), State(row[8]), bool(row[9]),
        None if row[10] is None else Refusal(row[10]), row[11], row[12],
    )  # fmt: skip
