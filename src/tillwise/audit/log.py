"""The audit log: every act that must be provable leaves a leaf in the transaction that makes it.

A leaf is H(salt ‖ H(kind, ref, content)); only leaf and salt are kept, the content stays in its own table. Erasing a
person destroys salt and reference of their leaves: the tree still verifies, and the leaf proves nothing about anyone
any more. Which leaves were destroyed is itself an entry, so that nobody can pass a deletion off as an erasure.
A job extends the tree in order of entry and signs a checkpoint; no decision waits for it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tillwise.audit.checkpoint import Checkpoint, Signer
from tillwise.audit.merkle import Frontier, leaf_hash
from tillwise.vocabulary.canonical import Json, canonical
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.identity import new_decision_id
from tillwise.vocabulary.store import Row, Snapshot, Store, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS audit_leaves (id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, kind TEXT NOT NULL,"
    " ref TEXT NOT NULL, salt BLOB, leaf BLOB NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS audit_ref ON audit_leaves (kind, ref)",
    "CREATE TABLE IF NOT EXISTS audit_tree (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL,"
    " roots BLOB NOT NULL) STRICT",
    "INSERT INTO audit_tree (one, size, roots) VALUES (1, 0, x'') ON CONFLICT DO NOTHING",
    "CREATE TABLE IF NOT EXISTS audit_checkpoints (size INTEGER PRIMARY KEY, wall INTEGER NOT NULL,"
    " note TEXT NOT NULL, root BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS audit_acts (ref TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
)
SALT_BYTES: Final = 16
CHUNK: Final = 50_000
ERASURE: Final = "erasure"
ACTS: Final = "SELECT a.body FROM audit_acts a WHERE a.ref = l.ref"
"""Where the content of acts lies: administrative acts, requests and erasures."""


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


def enter_act(transaction: Transaction, kind: str, body: Json) -> str:
    """Write down an act that has no table of its own, and enter it; return its reference. It names no person."""
    ref, text = str(new_decision_id()), canonical(body)
    transaction.run("INSERT INTO audit_acts (ref, body) VALUES (?, ?)", (ref, text.decode()))
    enter(transaction, kind, ref, text)
    return ref


def forget(transaction: Transaction, kind: str, refs: Iterable[str]) -> list[int]:
    """Destroy salt and reference of erased things, and return their entries; say so with `enter_erasure`."""
    entries: list[int] = []
    for ref in refs:
        found = transaction.all(
            "SELECT id FROM audit_leaves WHERE kind = ? AND ref = ? AND salt IS NOT NULL", (kind, ref)
        )
        entries += [int(row[0]) for row in found]
    transaction.run_many("UPDATE audit_leaves SET salt = NULL, ref = '' WHERE id = ?", [(entry,) for entry in entries])
    return entries


def enter_erasure(transaction: Transaction, entries: Sequence[int], **said: Any) -> str:
    """Enter that an erasure destroyed these entries; without this, verification calls them missing."""
    return enter_act(transaction, ERASURE, {**said, "entries": sorted(entries)})


def extend(store: Store, signer: Signer) -> Checkpoint:
    """Add the leaves that came since to the tree, in order, and keep a signed checkpoint; return it.

    The hashing is done beside the commits: leaves are never edited, so what was read stays true.
    """
    while True:
        with store.snapshot() as snapshot:
            before = frontier = _frontier(snapshot)
            while rows := snapshot.all(_LEAVES, (frontier.size, CHUNK)):
                frontier = frontier.extend([bytes(row[1]) for row in rows])
        checkpoint = Checkpoint(frontier.size, frontier.root)
        note = signer.sign(checkpoint)
        if store.commit(lambda transaction: _keep(transaction, before, frontier, note)).result():  # noqa: B023
            return checkpoint


def _keep(transaction: Transaction, before: Frontier, frontier: Frontier, note: str) -> bool:
    """Write the longer tree, unless another process was faster."""
    if _frontier(transaction).size != before.size:
        return False
    transaction.run("UPDATE audit_tree SET size = ?, roots = ?", (frontier.size, b"".join(frontier.roots)))
    transaction.run(
        "INSERT INTO audit_checkpoints (size, wall, note, root) VALUES (?, ?, ?, ?) ON CONFLICT (size) DO NOTHING",
        (frontier.size, wall_now(), note, frontier.root),
    )
    return True


_LEAVES: Final = "SELECT id, leaf FROM audit_leaves WHERE id > ? ORDER BY id LIMIT ?"


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
    wrong += [
        f"a checkpoint names {size} entries, only {frontier.size} are there: the end was cut off"
        for size in sorted(expected)
        if size > frontier.size
    ]
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
        rows = snapshot.all(_LEAVES, (frontier.size, limit))
        if not rows:
            return frontier, frontier.root
        if [row[0] for row in rows] != list(range(frontier.size + 1, frontier.size + len(rows) + 1)):
            wrong.append(f"entries are missing between {frontier.size + 1} and {rows[-1][0]}")
            return frontier, frontier.root
        frontier = frontier.extend([bytes(row[1]) for row in rows])
        if frontier.size == stop and frontier.root != expected[stop]:
            wrong.append(f"the first {stop} entries do not give the root of their checkpoint: one was changed or moved")


def _check_contents(snapshot: Snapshot, contents: Mapping[str, str], wrong: list[str]) -> int:
    kinds = [row[0] for row in snapshot.all("SELECT DISTINCT kind FROM audit_leaves ORDER BY kind")]
    erased: set[int] = set()
    said: set[int] = set()
    for kind in kinds:
        found = contents.get(kind)
        if found is None:
            wrong.append(f"entries of the unknown kind '{kind}'")
            continue
        for entry, ref, salt, leaf, content in _with_contents(snapshot, kind, found):
            if salt is None:
                erased.add(entry)
            elif content is None:
                wrong.append(f"entry {entry}: its {kind} is gone, and no erasure says so")
            elif _leaf(salt, kind, ref, content if isinstance(content, bytes) else str(content).encode()) != leaf:
                wrong.append(f"entry {entry}: its {kind} was changed after it was entered")
            elif kind == ERASURE:
                said.update(msgspec.json.decode(content)["entries"])
    wrong += [f"entry {entry}: its salt is gone, and no erasure says so" for entry in sorted(erased - said)]
    return len(erased)


def _with_contents(snapshot: Snapshot, kind: str, found: str) -> Iterator[Row]:
    sql = (
        f"SELECT l.id, l.ref, l.salt, l.leaf, ({found}) FROM audit_leaves l WHERE l.kind = ? AND l.id > ?"
        " ORDER BY l.id LIMIT ?"
    )
    after = 0
    while rows := snapshot.all(sql, (kind, after, CHUNK)):
        after = rows[-1][0]
        yield from rows


def _leaf(salt: bytes, kind: str, ref: str, content: bytes) -> bytes:
    inner = hashlib.sha256(b"\x00".join((kind.encode(), ref.encode(), content))).digest()
    return leaf_hash(salt + inner)


def _frontier(snapshot: Snapshot) -> Frontier:
    row = snapshot.one("SELECT size, roots FROM audit_tree")
    if row is None:
        return Frontier()
    size, roots = int(row[0]), bytes(row[1])
    return Frontier(size, tuple(roots[i : i + 32] for i in range(0, len(roots), 32)))
