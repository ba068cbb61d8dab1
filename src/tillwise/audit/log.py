"""The audit log: every act that must be provable leaves a leaf in the transaction that makes it.

Receipts and consents carry salt and leaf in their own rows (see source.py); acts without a table of their own lie here.
A job (extend.py) takes the leaves over into the tree, in order, at most a second behind. Erasing a row destroys its
salt and content with it; its leaf stays in the tree, and an entry of its own says which ones were destroyed, so that
nobody can pass a deletion off as an erasure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tillwise.audit.merkle import HASH_BYTES
from tillwise.audit.source import Source, entry_hash
from tillwise.vocabulary.canonical import Json, canonical
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.identity import new_decision_id
from tillwise.vocabulary.store import Row, Snapshot, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS audit_log (id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,"
    " wall INTEGER NOT NULL, body TEXT NOT NULL, salt BLOB NOT NULL, leaf BLOB NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS audit_kind ON audit_log (kind, wall)",
    "CREATE TABLE IF NOT EXISTS audit_runs (first INTEGER PRIMARY KEY, source TEXT NOT NULL, upto INTEGER NOT NULL,"
    " leaves BLOB NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS audit_upto ON audit_runs (source, upto)",
    "CREATE TABLE IF NOT EXISTS audit_began (source TEXT PRIMARY KEY, upto INTEGER NOT NULL, n INTEGER NOT NULL)"
    " STRICT",
    "CREATE TABLE IF NOT EXISTS audit_edge (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL,"
    " roots BLOB NOT NULL, forgets INTEGER NOT NULL) STRICT",
    "INSERT INTO audit_edge (one, size, roots, forgets) VALUES (1, 0, x'', 0) ON CONFLICT DO NOTHING",
    "CREATE TABLE IF NOT EXISTS audit_signed (size INTEGER PRIMARY KEY, wall INTEGER NOT NULL, root BLOB NOT NULL,"
    " note TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS audit_notes (name TEXT PRIMARY KEY, wall INTEGER NOT NULL, body TEXT NOT NULL) STRICT",
)
"""`audit_runs` is the tree's own list of leaves: each run holds those of one source, up to a position, in order."""
ERASURE: Final = "erasure"
RETENTION: Final = "retention"
"""The kind of act a retention run leaves, and the reason (`why`) of the erasures that are part of one."""
BEGAN: Final = "log.began"
"""The act that says how far a table of an earlier release was filled before its rows carried leaves."""
ACTS: Final = Source("act", "audit_log", ("id",), ("ref", "kind", "wall"), "ref", "body")
"""Where the content of acts lies: administrative acts, requests and erasures. Any kind verifies."""


def enter_act(transaction: Transaction, kind: str, body: Json) -> str:
    """Write down an act in the transaction that makes it, and return its reference. It names no person."""
    ref, wall, text = str(new_decision_id()), wall_now(), canonical(body)
    salt, leaf = ACTS.seal((ref, kind, wall), text)
    transaction.run(
        "INSERT INTO audit_log (ref, kind, wall, body, salt, leaf) VALUES (?, ?, ?, ?, ?, ?)",
        (ref, kind, wall, text.decode(), salt, leaf),
    )
    return ref


def seal_rows(transaction: Transaction, source: Source, position: int) -> None:
    """Give the rows just written at a position their salts and leaves, from what the table now holds."""
    rows = transaction.all(
        f"SELECT {source.columns} FROM {source.table} WHERE {source.position} = ? AND leaf IS NULL", (position,)
    )
    where = " AND ".join(f"{column} = ?" for column in source.order)
    transaction.run_many(
        f"UPDATE {source.table} SET salt = ?, leaf = ? WHERE {where}",
        [(*source.seal_row(row), *source.key(row)) for row in rows],
    )


def add_columns(transaction: Transaction, table: str) -> None:
    """Give a table of an earlier release the columns of a source; repeating it changes nothing."""
    known = {row[1] for row in transaction.all(f"PRAGMA table_info({table})")}
    for column in ("salt", "leaf"):
        if known and column not in known:
            transaction.run(f"ALTER TABLE {table} ADD COLUMN {column} BLOB")


def forget(transaction: Transaction, source: Source, refs: Iterable[Any]) -> list[int]:
    """Return the entries of rows that this transaction is about to delete; say so with `enter_erasure`.

    Call it before the rows go: with them goes the only thing that leads to their entries.
    """
    sql = f"SELECT {source.position}, leaf FROM {source.table} WHERE {source.found_by} = ? AND leaf IS NOT NULL"
    rows = sorted({(row[0], bytes(row[1])) for ref in refs for row in transaction.all(sql, (ref,))})
    entries: list[int] = []
    run: Row | None = None
    for position, leaf in rows:
        if run is None or not run[0] < position <= run[1]:
            run = _run_of(transaction, source, position)
        if run is not None:
            entries.append(run[2] + _place(run[3], entry_hash(position, leaf)))
    # Whoever has read these rows for the tree meanwhile reads again.
    transaction.run("UPDATE audit_edge SET forgets = forgets + 1")
    return entries


def entry_of(snapshot: Snapshot, source: Source, position: int, leaf: bytes) -> int | None:
    """Return the index in the tree of a row, None while it waits."""
    run = _run_of(snapshot, source, position)
    return None if run is None else run[2] + _place(run[3], entry_hash(position, leaf))


def _run_of(snapshot: Snapshot, source: Source, position: int) -> Row | None:
    """Return (after, upto, first, leaves) of the run that holds a position, None while it waits."""
    row = snapshot.one(
        "SELECT upto, first, leaves FROM audit_runs WHERE source = ? AND upto >= ? ORDER BY upto, first LIMIT 1",
        (source.name, position),
    )
    return None if row is None else (position - 1, row[0], row[1], bytes(row[2]))


def _place(leaves: bytes, entry: bytes) -> int:
    at = leaves.find(entry)
    while at >= 0 and at % HASH_BYTES:
        at = leaves.find(entry, at + 1)
    return at // HASH_BYTES  # -1 stays -1: an edited row; verification names it


def enter_erasure(transaction: Transaction, entries: Sequence[int], **said: Any) -> str:
    """Enter that an erasure destroyed these entries; without this, verification calls them missing."""
    return enter_act(transaction, ERASURE, {**said, "entries": ranges(entries)})


def acts_since(snapshot: Snapshot, kind: str, wall: int) -> list[tuple[str, Json]]:
    """Return the references and bodies of the acts of a kind from a moment on (wall clock, Unix ms), in order."""
    rows = snapshot.all("SELECT ref, body FROM audit_log WHERE kind = ? AND wall >= ? ORDER BY id", (kind, wall))
    return [(str(row[0]), msgspec.json.decode(row[1])) for row in rows]


def ranges(entries: Iterable[int]) -> list[list[int]]:
    """Return numbers as [first, last] ranges in order."""
    found: list[list[int]] = []
    for entry in sorted(set(entries)):
        if found and found[-1][1] == entry - 1:
            found[-1][1] = entry
        else:
            found.append([entry, entry])
    return found


def note(transaction: Transaction, name: str, wall: int, body: Json) -> None:
    """Remember when something was last done with the log (`kept`, `verified`), and what came of it."""
    transaction.run(
        "INSERT INTO audit_notes (name, wall, body) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET wall = excluded.wall, body = excluded.body",
        (name, wall, canonical(body).decode()),
    )
