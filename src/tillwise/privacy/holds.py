"""Legal holds: data of somebody that must not be deleted for now, because a claim is made, exercised or defended.

A hold stops the retention job and an erasure (GDPR 17(3)(e)); it opens nothing: what a purpose may not read stays
unread. A restriction (GDPR 18) stops the retention job as well: restricted data are stored, and nothing else.
"""

from __future__ import annotations

from typing import Final

from tillwise.audit.log import enter_act
from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.events.lookup import rows_in
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS legal_holds (subject INTEGER PRIMARY KEY, reason TEXT NOT NULL, wall INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID",
)
_RESTRICTED: Final = (
    "SELECT DISTINCT c.subject FROM consents c WHERE c.state = 'restricted' AND NOT EXISTS (SELECT 1 FROM consents n"
    " WHERE n.subject = c.subject AND n.purpose = c.purpose AND n.seq > c.seq)"
)


def hold(transaction: Transaction, person: Pseudonym, reason: str, *, by: str = "") -> None:
    """Hold a person's data; `reason` names the claim, not the person. Raises InvalidInput without one."""
    if not reason.strip():
        raise InvalidInput("say which claim the data are held for", field="reason")
    transaction.run(
        "INSERT INTO legal_holds (subject, reason, wall) VALUES (?, ?, ?)"
        " ON CONFLICT (subject) DO UPDATE SET reason = excluded.reason",
        (person, reason, wall_now()),
    )
    enter_act(transaction, "hold.made", {"by": by})


def release(transaction: Transaction, person: Pseudonym, *, by: str = "") -> None:
    """End a hold; raise NotFound when there is none."""
    if not transaction.run("DELETE FROM legal_holds WHERE subject = ?", (person,)):
        raise NotFound("there is no hold on this person's data")
    enter_act(transaction, "hold.ended", {"by": by})


def refuse_held(snapshot: Snapshot, people: tuple[Pseudonym, ...]) -> None:
    """Raise Conflict when one of these people is under a legal hold."""
    if rows_in(snapshot, "SELECT 1 FROM legal_holds WHERE subject IN", people):
        raise Conflict("these data are under a legal hold: end it first, or refuse the request as legal_claims")


def on_hold(snapshot: Snapshot) -> list[tuple[Pseudonym, str, Milliseconds]]:
    """Return every legal hold: person, reason, and since when (wall clock)."""
    rows = snapshot.all("SELECT subject, reason, wall FROM legal_holds ORDER BY wall")
    return [(Pseudonym(row[0]), row[1], row[2]) for row in rows]


def held(snapshot: Snapshot) -> frozenset[int]:
    """Return everybody whose rows nobody may delete now, with the anonymous ids linked to them."""
    people = {row[0] for row in (*snapshot.all(_RESTRICTED), *snapshot.all("SELECT subject FROM legal_holds"))}
    linked = rows_in(snapshot, "SELECT anonymous FROM links WHERE subject IN", people)
    return frozenset(people | {row[0] for row in linked})
