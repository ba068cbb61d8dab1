"""The access ledger: who read whose data, when, where, for which purpose and with which reason.

A line is written in the transaction that allows the read, before anything is shown: what cannot be written down is not
shown. Whose data it was stands apart, so that an erasure takes the person out and the count stays
(GDPR 5(2), 24, 32; a person may learn when and why, CJEU C-579/21).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.store import Snapshot, Transaction

LONGEST_REASON: Final = 200
COMMAND_LINE: Final = "command line"
"""Who looks when somebody at the shop's own machine does: the machine's login is not ours to check."""

_COLUMNS: Final = "r.id, r.wall, r.who, r.what, r.purpose, r.reason, r.people, r.decision_id"


@dataclass(frozen=True, slots=True)
class Read:
    """One line. `who` is a key's or a person's id, `people` how many it showed, erased ones included."""

    read_id: int
    wall: Milliseconds
    who: str
    what: str
    purpose: str
    reason: str
    people: int
    decision_id: str | None


def log_read(
    transaction: Transaction,
    *,
    who: str,
    what: str,
    reason: str,
    subjects: Iterable[int] = (),
    purpose: str = "",
    decision_id: str | None = None,
) -> int:
    """Write down that `who` (a key id or a person id) is shown `what` (a route or a page) about these pseudonyms.

    `purpose` is one of access.roles' purposes of looking, empty when only a reason was given. Return the line's id.
    """
    about = sorted(set(subjects))
    row = transaction.one("SELECT coalesce(max(id), 0) + 1 FROM access_reads")
    read_id = 1 if row is None else int(row[0])
    transaction.run(
        "INSERT INTO access_reads (id, wall, who, what, purpose, reason, people, decision_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (read_id, wall_now(), who, what, purpose, reason[:LONGEST_REASON], len(about), decision_id),
    )
    transaction.run_many(
        "INSERT INTO access_read_people (read_id, subject) VALUES (?, ?)", [(read_id, subject) for subject in about]
    )
    return read_id


def reads_by(snapshot: Snapshot, who: str, since: Milliseconds, until: Milliseconds) -> list[Read]:
    """Return what a key or person was shown from `since` to `until` (wall clock, the end not included), in order."""
    sql = f"SELECT {_COLUMNS} FROM access_reads r WHERE r.who = ? AND r.wall >= ? AND r.wall < ? ORDER BY r.id"
    return [Read(*row) for row in snapshot.all(sql, (who, since, until))]


def reads_about(snapshot: Snapshot, subject: int) -> list[Read]:
    """Return every read of one person's data, the oldest first."""
    sql = (
        f"SELECT {_COLUMNS} FROM access_read_people p JOIN access_reads r ON r.id = p.read_id"
        " WHERE p.subject = ? ORDER BY r.id"
    )
    return [Read(*row) for row in snapshot.all(sql, (subject,))]


def people_of(snapshot: Snapshot, who: str, since: Milliseconds, until: Milliseconds) -> set[int]:
    """Return the pseudonyms a key or person was shown in this time; the erased are not among them any more."""
    sql = (
        "SELECT DISTINCT p.subject FROM access_reads r JOIN access_read_people p ON p.read_id = r.id"
        " WHERE r.who = ? AND r.wall >= ? AND r.wall < ?"
    )
    return {int(row[0]) for row in snapshot.all(sql, (who, since, until))}
