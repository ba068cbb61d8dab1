"""Proofs a third party can check with SHA-256 and a signed checkpoint alone: see docs/audit.md for the program.

An inclusion proof shows that one entry lies in the log under a checkpoint; a consistency proof that a later checkpoint
only appended to an earlier one.
"""

from __future__ import annotations

import base64
from typing import Final

from tillwise.audit.checkpoint import Checkpoint
from tillwise.audit.extend import newest_checkpoint
from tillwise.audit.log import entry_of
from tillwise.audit.merkle import HASH_BYTES, consistency_proof, inclusion_proof
from tillwise.audit.source import Source
from tillwise.errors import InvalidInput, NotFound
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot

FORMAT: Final = "tillwise.proof.1"


def prove(snapshot: Snapshot, source: Source, ref: str, public: str) -> Json:
    """Return the proof that a row is in the log, under the newest checkpoint; raise NotFound.

    The content is given as text; whoever gets the proof sees it.
    """
    row = snapshot.one(
        f"SELECT {source.columns} FROM {source.table} WHERE {source.found_by} = ? AND leaf IS NOT NULL", (ref,)
    )
    if row is None:
        raise NotFound(f"no {source.name} '{ref[:80]}' is in the log")
    index, newest = entry_of(snapshot, source, row[2], bytes(row[1])), newest_checkpoint(snapshot)
    if index is None or newest is None or index >= newest[0].size:
        raise NotFound("it is not under a checkpoint yet: run `tillwise audit checkpoint` first")
    leaves = _leaves(snapshot, newest[0].size)
    return {
        "format": FORMAT, "kind": source.name, "content": source.content(row).decode(),
        "salt": bytes(row[0]).hex(), "leaf": bytes(row[1]).hex(), "position": row[2],
        "index": index, "size": newest[0].size,
        "proof": [node.hex() for node in inclusion_proof(leaves, index)],
        "root": base64.b64encode(newest[0].root).decode(), "checkpoint": newest[2], "public_key": public,
    }  # fmt: skip


def prove_consistency(snapshot: Snapshot, older: Checkpoint, newer: Checkpoint) -> Json:
    """Return the proof that the log of `newer` begins with the log of `older`; raise InvalidInput when it cannot."""
    if not 0 < older.size <= newer.size:
        raise InvalidInput("name the older checkpoint first; it must hold at least one entry", field="checkpoint")
    leaves = _leaves(snapshot, newer.size)
    if len(leaves) < newer.size:
        raise InvalidInput(
            f"a checkpoint names {newer.size} entries, only {len(leaves)} are there: the end was cut off"
        )
    return {
        "format": FORMAT, "older": {"size": older.size, "root": base64.b64encode(older.root).decode()},
        "newer": {"size": newer.size, "root": base64.b64encode(newer.root).decode()},
        "proof": [node.hex() for node in consistency_proof(leaves, older.size)],
    }  # fmt: skip


def _leaves(snapshot: Snapshot, size: int) -> list[bytes]:
    rows = snapshot.all("SELECT leaves FROM audit_runs WHERE first < ? ORDER BY first", (size,))
    packed = b"".join([bytes(row[0]) for row in rows])[: size * HASH_BYTES]
    return [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]
