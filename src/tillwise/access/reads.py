"""The access ledger: who read whose data, when, where, for which purpose and with which reason.

A line is written in the transaction that allows the read, before anything is shown: what cannot be written down is not
shown. Whose data it was stands apart, so that an erasure takes the person out and the count stays
(GDPR 5(2), 24, 32; a person may learn when and why, CJEU C-579/21). Lines and the people in them enter the audit log;
the reason and the decision do not: an erasure takes them out of lines that stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tillwise.audit.log import add_columns
from tillwise.audit.source import Source
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.store import Snapshot, Transaction

LONGEST_REASON: Final = 200
COMMAND_LINE: Final = "command line"
"""Who looks when somebody at the shop's own machine does: the machine's login is not ours to check."""

LOGGED: Final = Source("read", "access_reads", ("id",), ("id", "wall", "who", "what", "purpose", "people"), "id")
PEOPLE: Final = Source(
    "read person", "access_read_people", ("read_id", "subject"), ("read_id", "subject"), "subject"
)  # fmt: skip
"""How the ledger enters the audit log."""
_NEXT: Final = (
    "SELECT 1 + max(coalesce((SELECT max(id) FROM access_reads), 0),"
    " coalesce((SELECT max(upto) FROM audit_runs WHERE source = ?1), 0),"
    " coalesce((SELECT upto FROM audit_began WHERE source = ?1), 0))"
)
"""The next line's id: the log follows it, so that it is never given twice, also after the newest lines grew old."""

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
    row = transaction.one(_NEXT, (LOGGED.name,))
    read_id = 1 if row is None else int(row[0])
    line = (read_id, wall_now(), who, what, purpose, len(about))
    transaction.run(
        "INSERT INTO access_reads (id, wall, who, what, purpose, people, reason, decision_id, salt, leaf)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*line, reason[:LONGEST_REASON], decision_id, *LOGGED.seal(line)),
    )
    transaction.run_many(
        "INSERT INTO access_read_people (read_id, subject, salt, leaf) VALUES (?, ?, ?, ?)",
        [(read_id, subject, *PEOPLE.seal((read_id, subject))) for subject in about],
    )
    return read_id


def upgrade(transaction: Transaction) -> None:
    """Give the ledger of an earlier release its leaves' columns; repeating it changes nothing."""
    for source in (LOGGED, PEOPLE):
        add_columns(transaction, source.table)


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
