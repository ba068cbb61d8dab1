"""The outbox: what a sink has still to be told, written in the transaction of the thing itself.

A row holds references only; the message is made when it leaves, of what may leave then. Delivery is at least once: a
row goes after the sink said 2xx, and a key travels along by which a repetition can be recognised.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from tillwise.vocabulary.store import Snapshot, Transaction

# No index: rows stay for seconds, and every one would cost each decision a page.
TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, sink TEXT NOT NULL, kind TEXT NOT NULL,"
    " decision_id TEXT NOT NULL, said TEXT NOT NULL, queued INTEGER NOT NULL, tries INTEGER NOT NULL, due INTEGER,"
    " cause TEXT NOT NULL) STRICT",
)
LEASE: Final = 120_000
"""For so long nobody else tries what one process took (ms)."""
FIRST_WAIT: Final = 15_000
LONGEST_WAIT: Final = 6 * 3_600_000
GIVE_UP: Final = 3 * 86_400_000
"""After so long a message is tried no more; `doctor` names it, `recipients retry` starts again."""
DECISION: Final = "decision"
OUTCOME: Final = "outcome"


class Waiting(NamedTuple):
    """One message to be made and sent. `said` is an outcome as JSON, "" for a decision."""

    id: int
    kind: str
    decision_id: str
    said: str
    queued: int
    tries: int

    def key(self, sink: str) -> str:
        """Return the idempotency key: the same for every repetition, another for everything else.

        It follows from what is told, not from the row: row ids come again once the newest row is gone.
        """
        content = "\x00".join((sink, self.kind, self.decision_id, self.said)).encode()
        return f"msg_{hashlib.blake2b(content, digest_size=16).hexdigest()}"


def put(transaction: Transaction, sink: str, kind: str, decision_id: str, now: int, said: str = "") -> None:
    """Queue a message for a sink."""
    transaction.run(
        "INSERT INTO outbox (sink, kind, decision_id, said, queued, tries, due, cause)"
        " VALUES (?, ?, ?, ?, ?, 0, ?, '')",
        (sink, kind, decision_id, said, now, now),
    )


def take(transaction: Transaction, sink: str, now: int, limit: int) -> list[Waiting]:
    """Take the messages that are due, the oldest first, for LEASE milliseconds."""
    rows = transaction.all(
        "SELECT id, kind, decision_id, said, queued, tries FROM outbox WHERE sink = ? AND due <= ? ORDER BY id LIMIT ?",
        (sink, now, limit),
    )
    transaction.run_many("UPDATE outbox SET due = ? WHERE id = ?", [(now + LEASE, row[0]) for row in rows])
    return [Waiting(*row) for row in rows]


def strike(transaction: Transaction, messages: list[int]) -> None:
    """Forget messages: they arrived, or may never leave."""
    transaction.run_many("DELETE FROM outbox WHERE id = ?", [(each,) for each in messages])


def put_off(transaction: Transaction, message: Waiting, now: int, cause: str) -> None:
    """Try a message again later, twice as late each time; give it up when it waited too long."""
    wait = min(FIRST_WAIT << min(message.tries, 20), LONGEST_WAIT)
    due = None if now - message.queued > GIVE_UP else now + wait
    transaction.run(
        "UPDATE outbox SET due = ?, tries = tries + 1, cause = ? WHERE id = ?", (due, cause[:500], message.id)
    )


def retry(transaction: Transaction, sink: str, now: int) -> int:
    """Make everything of a sink due now, what was given up included; return how many."""
    return transaction.run("UPDATE outbox SET due = ?, queued = ?, tries = 0 WHERE sink = ?", (now, now, sink))


class Queue(NamedTuple):
    """What waits for a sink: messages, since when the oldest, how many were given up, and the newest cause."""

    sink: str
    waiting: int
    oldest: int
    given_up: int
    cause: str


def queues(snapshot: Snapshot) -> list[Queue]:
    """Return every sink with something in its outbox."""
    rows = snapshot.all(
        "SELECT sink, count(*), min(queued), sum(CASE WHEN due IS NULL THEN 1 ELSE 0 END), max(cause) FROM outbox"
        " GROUP BY sink ORDER BY sink"
    )
    return [Queue(*row) for row in rows]
