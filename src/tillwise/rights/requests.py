"""The one state machine of every request: received, (verifying,) working, done or refused, each step on record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tillwise.audit.log import enter_act
from tillwise.errors import Conflict, InvalidInput, NotPermitted
from tillwise.events.people import find_pseudonym
from tillwise.rights.asked import Asked, person_mark, seal, unseal
from tillwise.rights.deadlines import due
from tillwise.rights.entered import REQUEST, STEP
from tillwise.rights.request import (
    FINAL,
    HANDED,
    NEXT,
    Delay,
    Kind,
    Refusal,
    RightsRequest,
    State,
    Step,
)
from tillwise.rights.request_rows import (
    COLUMNS,
    Month,
    add_step,
    find,
    insert,
    let_go,
    receipt_of,
    request_of,
    stands,
    steps_of,
)
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.identity import new_decision_id
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Store, Transaction

__all__ = ["Asked", "Requests", "find", "person_mark", "receipt_of", "steps_of"]

PENDING: Final = "pending"
"""Stands in the result while rows are erased and files are not: rights/erasure.py."""
SHOP: Final = "shop"
"""Who did it, when nobody was named."""


class Requests:
    """Receives requests and moves them on. Every step is one transaction, and enters the audit log in it."""

    def __init__(self, store: Store, secrets: Secrets, wall: Callable[[], Milliseconds] = wall_now) -> None:
        self._store = store
        self._secrets = secrets
        self._wall = wall

    def receive(self, asked: Asked, *, who: str = SHOP, place: str = "") -> RightsRequest:
        """Take a request in; its deadline runs from now. Without proof of identity it waits in `verifying`.

        `place` is whose law sets the deadline, where that is not the place that was named.

        The same person asking the same again, while it is open, is the same request: its deadline stays.
        """
        place, received = (place or asked.place).upper(), self._wall()
        until = due(place, asked.kind, received)
        request = RightsRequest(
            id=str(new_decision_id()), person=person_mark(self._secrets, asked.subject, anonymous=asked.anonymous),
            kind=asked.kind, place=place, law=until.law, received=received, deadline=until.deadline, extended=False,
            state=State.RECEIVED, identity=asked.identity, refusal=None, finished=None, result="{}",
        )  # fmt: skip
        return self._store.commit(lambda transaction: self._take(transaction, request, asked, who)).result()

    def _take(self, transaction: Transaction, request: RightsRequest, asked: Asked, who: str) -> RightsRequest:
        waiting = self._waiting(transaction, request, asked)
        if waiting is not None:
            sealed = seal(self._secrets, waiting.id, asked)  # what is said newly, such as `informed`, counts
            transaction.run("UPDATE rights_asked SET sealed = ? WHERE request = ?", (sealed, waiting.id))
            if request.identity and not waiting.identity:
                return self._verify(transaction, waiting.id, who)
            return waiting
        insert(transaction, request)
        subject = find_pseudonym(transaction, self._secrets, asked.subject, anonymous=asked.anonymous)
        transaction.run(
            "INSERT INTO rights_asked (request, subject, until, sealed) VALUES (?, ?, 0, ?)",
            (request.id, subject, seal(self._secrets, request.id, asked)),
        )
        _step(transaction, request, "received", who, self._wall())
        if not request.identity:
            return self._move(transaction, request.id, State.VERIFYING, who, "identity is to be checked")
        return request

    def _waiting(self, transaction: Transaction, request: RightsRequest, asked: Asked) -> RightsRequest | None:
        rows = transaction.all(
            f"SELECT {COLUMNS} FROM rights_requests WHERE person = ? AND kind = ? AND finished IS NULL"
            " ORDER BY received",
            (request.person, request.kind.value),
        )
        for row in rows:
            before = self._asked(transaction, row[0])
            if before is None or before.same(asked):  # None: begun by an erasure that goes on, or by an older release
                return request_of(row)
        return None

    def find(self, request_id: str) -> RightsRequest:
        """Return a request; raise NotFound."""
        with self._store.snapshot() as snapshot:
            return find(snapshot, request_id)

    def find_own(self, request_id: str, subject: str, *, anonymous: bool = False) -> RightsRequest:
        """Return a request of this person; raise NotPermitted when it is somebody else's, NotFound."""
        request = self.find(request_id)
        if request.person != person_mark(self._secrets, subject, anonymous=anonymous):
            raise NotPermitted("this request is about somebody else's data: nothing of it is shown here")
        return request

    def asked(self, request_id: str) -> Asked | None:
        """Return what was asked and by whom, None when that is not kept any more."""
        with self._store.snapshot() as snapshot:
            return self._asked(snapshot, request_id)

    def _asked(self, snapshot: Snapshot, request_id: str) -> Asked | None:
        row = snapshot.one("SELECT sealed FROM rights_asked WHERE request = ?", (request_id,))
        return None if row is None else unseal(self._secrets, request_id, row[0])

    def steps(self, request_id: str) -> list[Step]:
        """Return every step of a request, the first one first."""
        with self._store.snapshot() as snapshot:
            return steps_of(snapshot, request_id)

    def open(self) -> list[RightsRequest]:
        """Return what is not answered yet, the nearest deadline first."""
        with self._store.snapshot() as snapshot:
            rows = snapshot.all(f"SELECT {COLUMNS} FROM rights_requests WHERE finished IS NULL ORDER BY deadline, id")
        return [request_of(row) for row in rows]

    def finished(self, limit: int = 50) -> list[RightsRequest]:
        """Return what was answered, the newest first."""
        with self._store.snapshot() as snapshot:
            rows = snapshot.all(
                f"SELECT {COLUMNS} FROM rights_requests WHERE finished IS NOT NULL ORDER BY finished DESC LIMIT ?",
                (limit,),
            )
        return [request_of(row) for row in rows]

    def of(self, marks: tuple[bytes, ...]) -> list[RightsRequest]:
        """Return every request of a person, by their keyed marks, the oldest first."""
        with self._store.snapshot() as snapshot:
            rows = [
                row
                for mark in marks
                for row in snapshot.all(f"SELECT {COLUMNS} FROM rights_requests WHERE person = ?", (mark,))
            ]
        return sorted((request_of(row) for row in rows), key=lambda request: request.received)

    def months(self, limit: int = 12) -> list[Month]:
        """Return the counts per month, the newest first."""
        with self._store.snapshot() as snapshot:
            rows = snapshot.all(
                "SELECT strftime('%Y-%m', received / 1000, 'unixepoch') AS month, count(*),"
                " sum(CASE WHEN state = 'done' THEN 1 ELSE 0 END), sum(CASE WHEN state = 'refused' THEN 1 ELSE 0 END),"
                " sum(CASE WHEN coalesce(finished, ?) > deadline THEN 1 ELSE 0 END)"
                " FROM rights_requests GROUP BY month ORDER BY month DESC LIMIT ?",
                (self._wall(), limit),
            )
        return [Month(*row) for row in rows]

    def verified(self, request_id: str, *, who: str = SHOP) -> RightsRequest:
        """Note that somebody checked who is asking; raise Conflict when that was noted before."""
        return self._store.commit(lambda transaction: self._verify(transaction, request_id, who)).result()

    def extend(self, request_id: str, why: str = Delay.COMPLEX, *, who: str = SHOP) -> RightsRequest:
        """Extend the deadline once, by what the law allows, counted from the day it came in; the person is told why.

        Raises Conflict when the law allows nothing (more), or the deadline is over already; InvalidInput for a reason
        that is none.
        """
        reason = _one_of(Delay, why, "to take longer")

        def work(transaction: Transaction) -> RightsRequest:
            request = find(transaction, request_id)
            until = due(request.place, request.kind, request.received).extended
            if request.finished is not None or request.extended or until is None or until <= request.deadline:
                raise Conflict(f"this request cannot be extended under {request.law}")
            if request.overdue(self._wall()):
                raise Conflict("its deadline is over: an extension is told before that (GDPR 12(3)); answer it now")
            transaction.run("UPDATE rights_requests SET deadline = ?, extended = 1 WHERE id = ?", (until, request_id))
            moved = find(transaction, request_id)
            _step(transaction, moved, "extended", who, self._wall(), reason.value)
            return moved

        return self._store.commit(work).result()

    def refuse(self, request_id: str, why: str, *, who: str = SHOP) -> RightsRequest:
        """Refuse for one of the coded reasons; raise InvalidInput for any other.

        Raises Conflict for an objection to marketing: it is absolute (GDPR 21(3)), only its sender can be in doubt.
        """
        reason = _one_of(Refusal, why, "to refuse")

        def work(transaction: Transaction) -> RightsRequest:
            request, asked = find(transaction, request_id), self._asked(transaction, request_id)
            absolute = request.kind is Kind.OBJECTION and (asked is None or Purpose.MARKETING in asked.ends)
            if absolute and reason is not Refusal.IDENTITY_NOT_PROVEN:
                raise Conflict("an objection to marketing is absolute (GDPR 21(3)): carry it out")
            return self._move(transaction, request_id, State.REFUSED, who, reason.value, refusal=reason)

        return self._store.commit(work).result()

    def done(self, request_id: str, result: Json, *, who: str = SHOP) -> RightsRequest:
        """Finish a request; `result` names no person (counts, entries, ids of nothing that was erased)."""
        return self._store.commit(
            lambda transaction: self._move(transaction, request_id, State.DONE, who, "", result=result)
        ).result()

    def begin(self, request_id: str, *, who: str = SHOP) -> RightsRequest:
        """Start the work; raise Conflict while nobody has checked who is asking, or when it is answered."""

        def work(transaction: Transaction) -> RightsRequest:
            request = find(transaction, request_id)
            if request.state in FINAL:
                raise Conflict(f"this request is {request.state} already")
            if not request.identity:
                raise Conflict("first check who is asking, and say so: nobody else's data are handed over or erased")
            if request.state is State.WORKING:
                return request
            return self._move(transaction, request_id, State.WORKING, who, "identity was checked")

        return self._store.commit(work).result()

    def forget_asked(self) -> int:
        """Forget who asked what where no copy may be fetched any more; return how many."""
        wall = self._wall()
        return self._store.commit(
            lambda transaction: transaction.run("DELETE FROM rights_asked WHERE until > 0 AND until <= ?", (wall,))
        ).result()

    def fetchable(self, request: RightsRequest) -> Milliseconds | None:
        """Return until when the copy of a request may be fetched, None when it may not."""
        with self._store.snapshot() as snapshot:
            row = snapshot.one("SELECT until FROM rights_asked WHERE request = ?", (request.id,))
        if request.state is not State.DONE or request.kind not in HANDED or row is None or row[0] <= self._wall():
            return None
        return int(row[0])

    def _verify(self, transaction: Transaction, request_id: str, who: str) -> RightsRequest:
        return self._move(transaction, request_id, State.WORKING, who, "identity was checked", identity=True)

    def _move(
        self, transaction: Transaction, request_id: str, state: State, who: str, why: str, *,
        identity: bool = False, refusal: Refusal | None = None, result: Json | None = None,
    ) -> RightsRequest:  # fmt: skip
        """Move a request to its next state; raise Conflict for a wrong step. Its end enters as a receipt too."""
        request, wall = find(transaction, request_id), self._wall()
        if state not in NEXT[request.state]:
            raise Conflict(f"a request that is {request.state} cannot become {state}")
        if state in FINAL and PENDING in msgspec.json.decode(request.result):
            raise Conflict("its rows are erased and its files are not: `tillwise privacy resume` finishes it")
        finished = wall if state in FINAL else None
        values: dict[str, Any] = {
            "state": state.value, "identity": int(request.identity or identity),
            "refusal": None if refusal is None else refusal.value, "finished": finished,
            "result": request.result if result is None else msgspec.json.encode(result).decode(),
        }  # fmt: skip
        changes = ", ".join(f"{name} = ?" for name in values)
        transaction.run(f"UPDATE rights_requests SET {changes} WHERE id = ?", (*values.values(), request_id))
        moved = find(transaction, request_id)
        _step(transaction, moved, state.value, who, wall, why)
        if finished is not None:
            let_go(transaction, moved, finished)
            enter_act(transaction, REQUEST, receipt_of(moved))
        return moved


def _step(
    transaction: Transaction, request: RightsRequest, what: str, who: str, wall: Milliseconds, why: str = ""
) -> None:
    """Write a step down, and enter it in the audit log: how the request stands now, nobody's name."""
    add_step(transaction, request, what, who, wall, why)
    enter_act(transaction, STEP, {**stands(request), "what": what, "why": why, "at": wall})


def _one_of(codes: type[Any], text: str, what_for: str) -> Any:
    known = {each.value: each for each in codes}
    if text not in known:
        raise InvalidInput(f"'{text[:40]}' is no reason {what_for}; one of: {', '.join(known)}", field="reason")
    return known[text]
