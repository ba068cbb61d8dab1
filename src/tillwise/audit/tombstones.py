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
    "CREATE TABLE IF NOT EXISTS tombstones (mark BLOB PRIMARY KEY, wall INTEGER NOT NULL) STRICT, WITHOUT ROWID",
)


def tombstone(secrets: Secrets, kind: str, ref: str) -> bytes:
    """Return the mark of something erased; `kind` keeps equal ids of two kinds apart."""
    domain = f"erased {kind}".encode()[:16]
    return hashlib.blake2b(ref.encode(), digest_size=16, key=secrets.log[:64], person=domain).digest()


def bury(transaction: Transaction, secrets: Secrets, kind: str, refs: Iterable[str]) -> None:
    """Remember that these were erased."""
    wall = wall_now()
    transaction.run_many(
        "INSERT INTO tombstones (mark, wall) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(tombstone(secrets, kind, ref), wall) for ref in refs],
    )


def erased_at(snapshot: Snapshot, secrets: Secrets, kind: str, ref: str) -> Milliseconds | None:
    """Return when this was erased (wall clock, Unix ms), None when it was not."""
    row = snapshot.one("SELECT wall FROM tombstones WHERE mark = ?", (tombstone(secrets, kind, ref),))
    return None if row is None else int(row[0])
