"""Privacy signals that came with somebody's requests, remembered for what leaves later without a request.

A signal opts its sender out for good, not for one page (CCPA Regs 7025(c)); their own yes outweighs it at the gate.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from tillwise.events.lookup import rows_in
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS signals_seen (subject INTEGER NOT NULL, signal TEXT NOT NULL, wall INTEGER NOT NULL,"
    " PRIMARY KEY (subject, signal)) STRICT, WITHOUT ROWID",
)


def remember(transaction: Transaction, key: Pseudonym, signals: Collection[str], wall: int) -> None:
    """Keep the signals of one person, with the day they were first seen."""
    transaction.run_many(
        "INSERT INTO signals_seen (subject, signal, wall) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(key, signal, wall) for signal in signals],
    )


def remembered(snapshot: Snapshot, keys: Collection[int]) -> dict[int, frozenset[str]]:
    """Return what these people ever signalled."""
    found: dict[int, set[str]] = {}
    for subject, signal in rows_in(snapshot, "SELECT subject, signal FROM signals_seen WHERE subject IN", keys):
        found.setdefault(subject, set()).add(signal)
    return {subject: frozenset(signals) for subject, signals in found.items()}
