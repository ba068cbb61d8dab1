"""The rows of requests: how they are written and read, and what a receipt says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from tillwise.errors import NotFound
from tillwise.rights.request import DAY, FETCH_DAYS, HANDED, Kind, Refusal, RightsRequest, State, Step
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Row, Snapshot, Transaction

COLUMNS: Final = (
    "id, person, kind, place, law, received, deadline, extended, state, identity, refusal, finished, result"
)


@dataclass(frozen=True, slots=True)
class Month:
    """The requests that came in one month (UTC): how many, and what became of them."""

    month: str
    received: int
    done: int
    refused: int
    late: int
    """Answered after their deadline, or still open behind it."""


def find(snapshot: Snapshot, request_id: str) -> RightsRequest:
    """Return a request; raise NotFound."""
    row = snapshot.one(f"SELECT {COLUMNS} FROM rights_requests WHERE id = ?", (request_id,))
    if row is None:
        raise NotFound(f"no request '{request_id[:80]}' was ever received")
    return request_of(row)


def steps_of(snapshot: Snapshot, request_id: str) -> list[Step]:
    """Return every step of a request, the first one first."""
    rows = snapshot.all(
        "SELECT wall, what, state, who, reason FROM rights_steps WHERE request = ? ORDER BY n", (request_id,)
    )
    return [Step(row[0], row[1], State(row[2]), row[3], row[4]) for row in rows]


def stands(request: RightsRequest) -> Json:
    """Return how a request stands, without who asked: what each of its steps enters in the audit log."""
    return {
        "request": request.id, "kind": request.kind.value, "state": request.state.value, "place": request.place,
        "law": request.law, "received": request.received, "deadline": request.deadline, "extended": request.extended,
        "identity": request.identity, "finished": request.finished,
        "refusal": None if request.refusal is None else request.refusal.value,
    }  # fmt: skip


def receipt_of(request: RightsRequest) -> Json:
    """Return what is handed to the person, and entered in the audit log, when a request is answered."""
    said = {name: value for name, value in stands(request).items() if name != "identity"}
    return {
        **said, "justification": None if request.refusal is None else request.refusal.dpv,
        "result": msgspec.json.decode(request.result),
    }  # fmt: skip


def let_go(transaction: Transaction, request: RightsRequest, finished: Milliseconds) -> None:
    """Forget who asked what, but for a copy that may be fetched for some days."""
    if request.state is State.DONE and request.kind in HANDED:
        until = finished + FETCH_DAYS * DAY
        transaction.run("UPDATE rights_asked SET until = ? WHERE request = ?", (until, request.id))
    else:
        transaction.run("DELETE FROM rights_asked WHERE request = ?", (request.id,))


def add_step(
    transaction: Transaction, request: RightsRequest, what: str, who: str, wall: Milliseconds, reason: str = ""
) -> None:
    """Write a step down, behind those there are."""
    transaction.run(
        "INSERT INTO rights_steps (request, n, wall, what, state, who, reason) VALUES (?,"
        " (SELECT count(*) + 1 FROM rights_steps WHERE request = ?), ?, ?, ?, ?, ?)",
        (request.id, request.id, wall, what, request.state.value, who, reason),
    )


def insert(transaction: Transaction, request: RightsRequest) -> None:
    """Write a new request."""
    transaction.run(
        f"INSERT INTO rights_requests ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (request.id, request.person, request.kind.value, request.place, request.law, request.received,
         request.deadline, 0, request.state.value, int(request.identity), None, None, request.result),
    )  # fmt: skip


def request_of(row: Row) -> RightsRequest:
    """Return the request in a row of COLUMNS."""
    return RightsRequest(
        row[0], row[1], Kind(row[2]), row[3], row[4], row[5], row[6], bool(row[7]), State(row[8]), bool(row[9]),
        None if row[10] is None else Refusal(row[10]), row[11], row[12],
    )  # fmt: skip
