"""The audit log: every act that must be provable leaves a leaf in the transaction that makes it.

A leaf is H(salt ‖ H(kind, ref, content)); only leaf and salt are kept, the content stays in its own table. Erasing a
person destroys the salts of their leaves: the tree still verifies, and the leaf proves nothing about anyone any more.
A job extends the tree in order of entry and signs a checkpoint; no decision waits for it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tillwise.audit.checkpoint import Checkpoint, Signer
from tillwise.audit.merkle import Frontier, leaf_hash
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot, Store, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS audit_leaves (id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, kind TEXT NOT NULL,"
    " ref TEXT NOT NULL, salt BLOB, leaf BLOB NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS audit_ref ON audit_leaves (kind, ref)",
    "CREATE TABLE IF NOT EXISTS audit_tree (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL,"
    " roots BLOB NOT NULL) STRICT",
    "INSERT INTO audit_tree (one, size, roots) VALUES (1, 0, x'') ON CONFLICT DO NOTHING",
    "CREATE TABLE IF NOT EXISTS audit_checkpoints (size INTEGER PRIMARY KEY, wall INTEGER NOT NULL,"
    " note TEXT NOT NULL, root BLOB NOT NULL) STRICT",
)
SALT_BYTES: Final = 16
CHUNK: Final = 50_000


@dataclass(frozen=True, slots=True)
class Findings:
    """What a verification saw. `wrong` names what does not fit; an intact log has none."""

    entries: int
    sealed: int
    erased: int
    root: bytes
    wrong: tuple[str, ...] = field(default=())

    @property
    def intact(self) -> bool:
        """Return True when nothing was edited, deleted, reordered or cut off."""
        return not self.wrong


def enter(transaction: Transaction, kind: str, ref: str, content: bytes) -> None:
    """Leave a leaf for something that is written in the same transaction."""
    salt = os.urandom(SALT_BYTES)
    transaction.run(
        "INSERT INTO audit_leaves (wall, kind, ref, salt, leaf) VALUES (?, ?, ?, ?, ?)",
        (wall_now(), kind, ref, salt, _leaf(salt, kind, ref, content)),
    )


def forget(transaction: Transaction, kind: str, refs: Iterable[str]) -> None:
    """Destroy the salts of erased things; their leaves stay and prove nothing about anyone."""
    transaction.run_many(
        "UPDATE audit_leaves SET salt = NULL WHERE kind = ? AND ref = ?", [(kind, ref) for ref in refs]
    )


def extend(store: Store, signer: Signer) -> Checkpoint:
    """Add the leaves that came since to the tree, in order, and keep a signed checkpoint; return it."""

    def work(transaction: Transaction) -> Checkpoint:
        frontier = _frontier(transaction)
        while True:
            rows = transaction.all(
                "SELECT id, leaf FROM audit_leaves WHERE id > ? ORDER BY id LIMIT ?", (frontier.size, CHUNK)
            )
            if not rows:
                break
            frontier = frontier.extend([row[1] for row in rows])
        checkpoint = Checkpoint(frontier.size, frontier.root)
        transaction.run("UPDATE audit_tree SET size = ?, roots = ?", (frontier.size, b"".join(frontier.roots)))
        transaction.run(
            "INSERT INTO audit_checkpoints (size, wall, note, root) VALUES (?, ?, ?, ?) ON CONFLICT (size) DO NOTHING",
            (checkpoint.size, wall_now(), signer.sign(checkpoint), checkpoint.root),
        )
        return checkpoint

    return store.commit(work).result()


def verify(snapshot: Snapshot, contents: Mapping[str, str], held: Iterable[Checkpoint] = ()) -> Findings:
    """Recompute everything: each leaf from its content, each checkpoint's root from the leaves.

    `contents` maps a kind to the SQL expression that finds the content of `l.ref`. `held` are checkpoints kept
    elsewhere: with them, cutting off the end or rewriting log and checkpoints together is found too.
    """
    wrong: list[str] = []
    expected = {row[0]: bytes(row[1]) for row in snapshot.all("SELECT size, root FROM audit_checkpoints")}
    for checkpoint in held:
        if expected.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            wrong.append(f"the checkpoint at {checkpoint.size} entries differs from the one held elsewhere")
            expected[checkpoint.size] = checkpoint.root
    frontier, last = _recompute(snapshot, expected, wrong)
    for size in sorted(size for size in expected if size > frontier.size):
        wrong.append(f"a checkpoint names {size} entries, only {frontier.size} are there: the end was cut off")
    erased = _check_contents(snapshot, contents, wrong)
    return Findings(
        frontier.size, max((s for s in expected if s <= frontier.size), default=0), erased, last, tuple(wrong)
    )


def _recompute(snapshot: Snapshot, expected: Mapping[int, bytes], wrong: list[str]) -> tuple[Frontier, bytes]:
    frontier = Frontier()
    stops = sorted(expected)
    while True:
        stop = next((size for size in stops if size > frontier.size), None)
        limit = CHUNK if stop is None else min(CHUNK, stop - frontier.size)
        rows = snapshot.all(
            "SELECT id, leaf FROM audit_leaves WHERE id > ? ORDER BY id LIMIT ?", (frontier.size, limit)
        )
        if not rows:
            return frontier, frontier.root
        if [row[0] for row in rows] != list(range(frontier.size + 1, frontier.size + len(rows) + 1)):
            wrong.append(f"entries are missing between {frontier.size + 1} and {rows[-1][0]}")
            return frontier, frontier.root
        frontier = frontier.extend([bytes(row[1]) for row in rows])
        if frontier.size == stop and frontier.root != expected[stop]:
            wrong.append(f"the first {stop} entries do not give the root of their checkpoint: one was changed or moved")


def _check_contents(snapshot: Snapshot, contents: Mapping[str, str], wrong: list[str]) -> int:
    erased = 0
    kinds = [row[0] for row in snapshot.all("SELECT DISTINCT kind FROM audit_leaves ORDER BY kind")]
    for kind in kinds:
        found = contents.get(kind)
        if found is None:
            wrong.append(f"entries of the unknown kind '{kind}'")
            continue
        after = 0
        sql = f"SELECT l.id, l.ref, l.salt, l.leaf, ({found}) FROM audit_leaves l WHERE l.kind = ? AND l.id > ? ORDER BY l.id LIMIT ?"
        while rows := snapshot.all(sql, (kind, after, CHUNK)):
            after = rows[-1][0]
            for entry, ref, salt, leaf, content in rows:
                if salt is None:
                    erased += 1
                elif content is None:
                    wrong.append(f"entry {entry}: its {kind} is gone, and no erasure says so")
                elif _leaf(salt, kind, ref, content if isinstance(content, bytes) else str(content).encode()) != leaf:
                    wrong.append(f"entry {entry}: its {kind} was changed after it was entered")
    return erased


def _leaf(salt: bytes, kind: str, ref: str, content: bytes) -> bytes:
    inner = hashlib.sha256(b"\x00".join((kind.encode(), ref.encode(), content))).digest()
    return leaf_hash(salt + inner)


def _frontier(snapshot: Snapshot) -> Frontier:
    row = snapshot.one("SELECT size, roots FROM audit_tree")
    if row is None:
        return Frontier()
    size, roots = int(row[0]), bytes(row[1])
    return Frontier(size, tuple(roots[i : i + 32] for i in range(0, len(roots), 32)))
