"""Tombstones: keyed marks of what was erased, so that a question about it is answered `erased`, not `unknown`.

A mark is a keyed hash of an id; nobody without the log's secret can test a guess, and nothing else is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from tillwise.settings import Secrets
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS tombstones (mark BLOB PRIMARY KEY, wall INTEGER NOT NULL,"
    " act TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID",
)


def tombstone(secrets: Secrets, kind: str, ref: str) -> bytes:
    """Return the mark of something erased; `kind` keeps equal ids of two kinds apart."""
    domain = f"erased {kind}".encode()[:16]
    return hashlib.blake2b(ref.encode(), digest_size=16, key=secrets.log[:64], person=domain).digest()


def upgrade(transaction: Transaction) -> None:
    """Give the tombstones of an earlier release the column they lack; repeating it changes nothing."""
    known = {row[1] for row in transaction.all("PRAGMA table_info(tombstones)")}
    if known and "act" not in known:
        transaction.run("ALTER TABLE tombstones ADD COLUMN act TEXT NOT NULL DEFAULT ''")


def bury(transaction: Transaction, secrets: Secrets, kind: str, refs: Iterable[str], *, act: str = "") -> None:
    """Remember that these were erased; `act` names the entry of the audit log that says so."""
    wall = wall_now()
    transaction.run_many(
        "INSERT INTO tombstones (mark, wall, act) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(tombstone(secrets, kind, ref), wall, act) for ref in refs],
    )


def act_of(snapshot: Snapshot, secrets: Secrets, kind: str, ref: str) -> str:
    """Return the entry of the audit log by which this was erased, "" when none is known."""
    row = snapshot.one("SELECT act FROM tombstones WHERE mark = ?", (tombstone(secrets, kind, ref),))
    return "" if row is None else str(row[0])


def erased_at(snapshot: Snapshot, secrets: Secrets, kind: str, ref: str) -> Milliseconds | None:
    """Return when this was erased (wall clock, Unix ms), None when it was not."""
    row = snapshot.one("SELECT wall FROM tombstones WHERE mark = ?", (tombstone(secrets, kind, ref),))
    return None if row is None else int(row[0])
