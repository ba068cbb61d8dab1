"""The job that extends the tree: it takes the leaves of every source over, in order, and signs a checkpoint.

Sources are taken in a fixed order, each from where its last run ended: `audit_runs` records what came where. Reading
and hashing happen beside the commits; the transaction that keeps the result first makes sure that nobody else extended
the tree, and that nothing that was read has been erased meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tillwise.audit.checkpoint import Checkpoint, Signer
from tillwise.audit.log import BEGAN, enter_act
from tillwise.audit.merkle import HASH_BYTES, Frontier
from tillwise.audit.source import Source, entry_hash
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.store import Snapshot, Store, Transaction

RUN: Final = 4_096
"""Leaves in one run, unless more rows share one position."""
ROUND: Final = 65_536
"""Leaves that one transaction takes over at most."""
HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY


@dataclass(frozen=True, slots=True)
class Run:
    """Leaves of one source, in order, up to a position."""

    first: int
    source: str
    upto: int
    leaves: bytes


@dataclass(frozen=True, slots=True)
class Edge:
    """Where the tree ends, and how often rows were erased so far."""

    frontier: Frontier
    forgets: int


def extend(
    store: Store, sources: Sequence[Source], signer: Signer, *, skip_after: Milliseconds | None = None
) -> Checkpoint:
    """Add the leaves that came since to the tree, in order, and keep a signed checkpoint; return the newest.

    Nothing is written when nothing came, or when another process extended it after `skip_after` (wall clock).
    """
    while True:
        with store.snapshot() as snapshot:
            before, newest = read_edge(snapshot), newest_checkpoint(snapshot)
            began = [(source, *_older(snapshot, source)) for source in sources if not _known(snapshot, source)]
            recent = skip_after is not None and newest is not None and newest[1] > skip_after
            runs = [] if recent or began else _fresh(snapshot, sources, before.frontier.size)
        if began:
            store.commit(lambda transaction: _begin(transaction, began)).result()  # noqa: B023
            continue
        if not runs and newest is not None:
            return newest[0]
        frontier = before.frontier.extend_packed(b"".join(run.leaves for run in runs))
        checkpoint = Checkpoint(frontier.size, frontier.root)
        signed = signer.sign(checkpoint)
        kept = store.commit(lambda transaction: _keep(transaction, before, frontier, runs, signed)).result()  # noqa: B023
        if kept and frontier.size - before.frontier.size < ROUND:
            return checkpoint


def newest_checkpoint(snapshot: Snapshot) -> tuple[Checkpoint, Milliseconds, str] | None:
    """Return the newest checkpoint, when it was signed (wall clock) and its signed note; None before the first."""
    row = snapshot.one("SELECT size, root, wall, note FROM audit_signed ORDER BY size DESC LIMIT 1")
    return None if row is None else (Checkpoint(row[0], bytes(row[1])), row[2], row[3])


def waiting(snapshot: Snapshot, sources: Sequence[Source]) -> int:
    """Return how many rows have a leaf that is not in the tree yet."""
    counts = (
        snapshot.one(
            f"SELECT count(*) FROM {source.table} WHERE {source.position} > ? AND leaf IS NOT NULL",
            (_taken(snapshot, source),),
        )
        for source in sources
    )
    return sum(row[0] for row in counts if row is not None)


def read_edge(snapshot: Snapshot) -> Edge:
    """Return where the tree ends."""
    row = snapshot.one("SELECT size, roots, forgets FROM audit_edge")
    if row is None:
        return Edge(Frontier(), 0)
    roots = bytes(row[1])
    parts = tuple(roots[at : at + HASH_BYTES] for at in range(0, len(roots), HASH_BYTES))
    return Edge(Frontier(int(row[0]), parts), int(row[2]))


def _taken(snapshot: Snapshot, source: Source) -> int:
    """Return the position up to which a source is in the tree, or older than the log."""
    row = snapshot.one(
        "SELECT max(coalesce((SELECT max(upto) FROM audit_runs WHERE source = ?1), -1),"
        " coalesce((SELECT upto FROM audit_began WHERE source = ?1), -1))",
        (source.name,),
    )
    return -1 if row is None else int(row[0])


def _known(snapshot: Snapshot, source: Source) -> bool:
    return snapshot.one("SELECT 1 FROM audit_began WHERE source = ?", (source.name,)) is not None


def _older(snapshot: Snapshot, source: Source) -> tuple[int, int]:
    row = snapshot.one(f"SELECT coalesce(max({source.position}), -1), count(*) FROM {source.table} WHERE leaf IS NULL")
    return (-1, 0) if row is None else (row[0], row[1])


def _begin(transaction: Transaction, began: Sequence[tuple[Source, int, int]]) -> None:
    for source, upto, n in began:
        fresh = "INSERT INTO audit_began (source, upto, n) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        if transaction.run(fresh, (source.name, upto, n)) and n:
            enter_act(transaction, BEGAN, {"source": source.name, "older_rows": n, "up_to": upto})


def _fresh(snapshot: Snapshot, sources: Sequence[Source], size: int) -> list[Run]:
    runs: list[Run] = []
    left = ROUND
    for source in sources:
        after = _taken(snapshot, source)
        while left > 0 and (rows := _read(snapshot, source, after)):
            after = rows[-1][0]
            runs.append(Run(size, source.name, after, b"".join([row[1] for row in rows])))
            size += len(rows)
            left -= len(rows)
    return runs


def _read(snapshot: Snapshot, source: Source, after: int) -> list[tuple[int, bytes]]:
    """Return positions and entries of the next rows of a source; a position is never cut in two."""
    select = f"SELECT {source.position}, leaf FROM {source.table} WHERE leaf IS NOT NULL AND {source.position}"
    order = ", ".join(source.order)
    rows = snapshot.all(f"{select} > ? ORDER BY {order} LIMIT ?", (after, RUN))
    if len(rows) == RUN:
        last = rows[-1][0]
        whole = [row for row in rows if row[0] != last]
        rows = whole or snapshot.all(f"{select} = ? ORDER BY {order}", (last,))
    return [(row[0], entry_hash(row[0], bytes(row[1]))) for row in rows]


def _keep(transaction: Transaction, before: Edge, frontier: Frontier, runs: Sequence[Run], signed: str) -> bool:
    """Write the longer tree, unless another process was faster or something was erased meanwhile."""
    now = read_edge(transaction)
    if now.frontier.size != before.frontier.size or now.forgets != before.forgets:
        return False
    transaction.run_many(
        "INSERT INTO audit_runs (first, source, upto, leaves) VALUES (?, ?, ?, ?)",
        [(run.first, run.source, run.upto, run.leaves) for run in runs],
    )
    transaction.run("UPDATE audit_edge SET size = ?, roots = ?", (frontier.size, b"".join(frontier.roots)))
    wall = wall_now()
    _thin(transaction, wall)
    transaction.run(
        "INSERT INTO audit_signed (size, wall, root, note) VALUES (?, ?, ?, ?) ON CONFLICT (size) DO NOTHING",
        (frontier.size, wall, frontier.root, signed),
    )
    return True


def _thin(transaction: Transaction, wall: Milliseconds) -> None:
    """Keep the last checkpoint of every hour, and after a week the last of every day; the newest follows at once."""
    transaction.run("DELETE FROM audit_signed WHERE wall >= ?", (wall - wall % HOUR,))
    if not transaction.one("SELECT 1 FROM audit_signed WHERE wall >= ? LIMIT 1", (wall - HOUR - wall % HOUR,)):
        return
    old = wall - WEEK
    transaction.run(
        "DELETE FROM audit_signed WHERE wall < ? AND EXISTS (SELECT 1 FROM audit_signed later"
        " WHERE later.size > audit_signed.size AND later.wall < ? AND later.wall / ? = audit_signed.wall / ?)",
        (old, old, DAY, DAY),
    )
