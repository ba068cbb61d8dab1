"""Notices that were served: which text, to whom, when. A consent counts only after the notice it names was served."""

from __future__ import annotations

from typing import Final

from tillwise.privacy.notice import Notice
from tillwise.vocabulary.canonical import canonical
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS notices (id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, body TEXT NOT NULL) STRICT,"
    " WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS notices_served (subject INTEGER NOT NULL, id TEXT NOT NULL, sha256 TEXT NOT NULL,"
    " place TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (subject, id, at)) STRICT, WITHOUT ROWID",
)


def serve(transaction: Transaction, notice: Notice, subject: Pseudonym, at: int) -> None:
    """Record that a person is shown a notice at `at` (log clock); the text itself is kept once."""
    transaction.run(
        "INSERT INTO notices (id, sha256, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (notice.notice_id, notice.sha256, canonical(notice.content).decode()),
    )
    transaction.run(
        "INSERT INTO notices_served (subject, id, sha256, place, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (subject, notice.notice_id, notice.sha256, notice.place, at),
    )


def served(snapshot: Snapshot, subject: Pseudonym, notice_id: str) -> tuple[str, int] | None:
    """Return hash and newest time (log clock) of a notice this person was shown; None when they never were."""
    row = snapshot.one(
        "SELECT sha256, at FROM notices_served WHERE subject = ? AND id = ? ORDER BY at DESC LIMIT 1",
        (subject, notice_id),
    )
    return None if row is None else (row[0], row[1])


def text_of(snapshot: Snapshot, notice_id: str) -> str | None:
    """Return the kept text of a notice as canonical JSON, None when it was never served."""
    row = snapshot.one("SELECT body FROM notices WHERE id = ?", (notice_id,))
    return None if row is None else str(row[0])
