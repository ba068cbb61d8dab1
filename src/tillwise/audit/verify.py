"""Verification: every row against its leaf, every leaf against the tree, the tree against every checkpoint.

What is looked for: a content, salt or leaf that was edited; a row deleted without an erasure that says so; rows or
leaves moved; something put in later; an end cut off; a whole log rewritten, checkpoints and all. The last two need a
checkpoint kept elsewhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tillwise.audit.checkpoint import Checkpoint
from tillwise.audit.log import BEGAN, ERASURE
from tillwise.audit.merkle import HASH_BYTES, Frontier
from tillwise.audit.source import Source, entry_hash, entry_hashes
from tillwise.vocabulary.store import Row, Snapshot

BATCH: Final = 2_048
Compare = Callable[[Snapshot], Iterable[str]]
"""Says in words what of some tables does not fit the acts about them."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a verification saw. `wrong` names what does not fit; an intact log has none.

    `waiting` rows came since the tree was last extended, `older` ones before the log began to hold their table: both
    lie under no checkpoint.
    """

    entries: int
    sealed: int
    erased: int
    waiting: int
    older: int
    root: bytes
    wrong: tuple[str, ...] = field(default=())

    @property
    def intact(self) -> bool:
        """Return True when nothing was edited, deleted, reordered, put in later or cut off."""
        return not self.wrong


def verify(
    snapshot: Snapshot, sources: Sequence[Source], held: Iterable[Checkpoint] = (), compared: Iterable[Compare] = ()
) -> Findings:
    """Recompute everything, and compare with the checkpoints kept here and those `held` elsewhere.

    `compared` hold tables without leaves against the acts that say what stands in them.
    """
    wrong: list[str] = []
    expected = {row[0]: bytes(row[1]) for row in snapshot.all("SELECT size, root FROM audit_signed")}
    for checkpoint in held:
        if expected.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            wrong.append(f"the checkpoint at {checkpoint.size} entries differs from the one held elsewhere")
            expected[checkpoint.size] = checkpoint.root
    tree = _Tree(wrong)
    tree.read(snapshot, expected)
    _check_edge(snapshot, tree.frontier, wrong)
    look = _Look(wrong)
    for source in sources:
        look.at(snapshot, source, tree.runs.pop(source.name, []))
    wrong += [f"entries of the unknown source '{name}'" for name in tree.runs]
    look.settle_erasures(snapshot)
    _check_older(snapshot, look.older, wrong)
    wrong += [each for compare in compared for each in compare(snapshot)]
    size = tree.frontier.size
    sealed = max((at for at in expected if at <= size), default=0)
    older = sum(n for n, _ in look.older.values())
    return Findings(size, sealed, len(look.gone), look.waiting, older, tree.frontier.root, tuple(wrong))


@dataclass(slots=True)
class _Stretch:
    """The leaves of one run, and where they stand in the tree."""

    first: int
    upto: int
    leaves: list[bytes]


@dataclass(slots=True)
class _Tree:
    wrong: list[str]
    frontier: Frontier = field(default_factory=Frontier)
    runs: dict[str, list[_Stretch]] = field(default_factory=dict)

    def read(self, snapshot: Snapshot, expected: dict[int, bytes]) -> None:
        """Hash the runs in order, and stop at every checkpoint to compare."""
        stops = sorted(expected, reverse=True)
        for first, source, upto, packed in _runs(snapshot):
            if first != self.frontier.size or len(packed) % HASH_BYTES:
                self.wrong.append(f"entries are missing between {self.frontier.size} and {first}")
                return
            self.frontier = self._until(packed, stops, expected)
            leaves = [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]
            self.runs.setdefault(source, []).append(_Stretch(first, upto, leaves))
        self._stop(stops, expected)
        self.wrong += [
            f"a checkpoint names {size} entries, only {self.frontier.size} are there: the end was cut off"
            for size in reversed(stops)
        ]

    def _until(self, packed: bytes, stops: list[int], expected: dict[int, bytes]) -> Frontier:
        self._stop(stops, expected)
        while stops and (stops[-1] - self.frontier.size) * HASH_BYTES < len(packed):
            cut = (stops[-1] - self.frontier.size) * HASH_BYTES
            self.frontier, packed = self.frontier.extend_packed(packed[:cut]), packed[cut:]
            self._stop(stops, expected)
        return self.frontier.extend_packed(packed)

    def _stop(self, stops: list[int], expected: dict[int, bytes]) -> None:
        while stops and stops[-1] == self.frontier.size:
            size = stops.pop()
            if self.frontier.root != expected[size]:
                self.wrong.append(
                    f"the first {size} entries do not give the root of their checkpoint: one was changed or moved"
                )


@dataclass(slots=True)
class _Look:
    """Goes through the rows of every source and compares them with the tree's leaves."""

    wrong: list[str]
    waiting: int = 0
    gone: dict[int, str] = field(default_factory=dict)
    older: dict[str, tuple[int, int]] = field(default_factory=dict)

    def at(self, snapshot: Snapshot, source: Source, stretches: Sequence[_Stretch]) -> None:
        expected = [leaf for stretch in stretches for leaf in stretch.leaves]
        indices = _Indices(stretches)
        end = stretches[-1].upto if stretches else -1
        taken = 0
        places: dict[bytes, int] | None = None
        for rows in _rows(snapshot, source):
            held = [row for row in rows if row[2] <= end and row[1] is not None]
            if len(held) != len(rows):
                self._outside(source, rows, end)
            computed = source.leaves(held)
            stored = [row[1] for row in held]
            entries = entry_hashes(held, computed)
            if computed == stored and entries == expected[taken : taken + len(held)]:
                taken += len(held)
                continue
            if places is None:
                places = {leaf: place for place, leaf in enumerate(expected)}
            for row, leaf in zip(held, computed, strict=True):
                taken = self._one(source, row, leaf, (places, taken), indices)
        self._skip(source, indices, range(taken, len(expected)))

    def _one(
        self, source: Source, row: Row, leaf: bytes, known: tuple[dict[bytes, int], int], indices: _Indices
    ) -> int:
        """Compare one row; return the place up to which the leaves of this source are accounted for."""
        places, taken = known
        place = places.get(entry_hash(row[2], bytes(row[1])))
        if place is None:
            place = places.get(entry_hash(row[2], leaf))
            what = (
                "has another leaf than its entry" if place is not None else "is not in the log: put in, moved or edited"
            )
            self.wrong.append(f"the {source.name} at {row[2]} {what}")
            return taken
        if leaf != row[1]:
            self.wrong.append(f"entry {indices[place]}: its {source.name} was changed after it was entered")
        if place < taken:
            self.wrong.append(f"entry {indices[place]}: its {source.name} was moved or doubled")
            return taken
        self._skip(source, indices, range(taken, place))
        return place + 1

    def _skip(self, source: Source, indices: _Indices, places: Iterable[int]) -> None:
        self.gone.update((indices[place], source.name) for place in places)

    def _outside(self, source: Source, rows: Sequence[Row], end: int) -> None:
        without = [row[2] for row in rows if row[1] is None]
        late = [row for row in rows if row[2] > end and row[1] is not None]
        if without:
            n, last = self.older.get(source.name, (0, -1))
            self.older[source.name] = (n + len(without), max(last, without[-1]))
        self.waiting += len(late)
        for row, leaf in zip(late, source.leaves(late), strict=True):
            if leaf != row[1]:
                self.wrong.append(f"the {source.name} at {row[2]} was changed before it came into the tree")

    def settle_erasures(self, snapshot: Snapshot) -> None:
        """Name what is gone without an erasure that says so."""
        if not self.gone:
            return
        said: set[int] = set()
        for (body,) in snapshot.all("SELECT body FROM audit_log WHERE kind = ?", (ERASURE,)):
            for first, last in _ranges(body):
                said.update(range(first, last + 1))
        self.wrong += [
            f"entry {entry}: its {self.gone[entry]} is gone, and no erasure says so"
            for entry in sorted(self.gone.keys() - said)
        ]


class _Indices:
    """Places among one source's leaves as indices in the tree."""

    def __init__(self, stretches: Sequence[_Stretch]) -> None:
        self._starts: list[int] = []
        self._first: list[int] = []
        start = 0
        for stretch in stretches:
            self._starts.append(start)
            self._first.append(stretch.first)
            start += len(stretch.leaves)

    def __getitem__(self, place: int) -> int:
        run = bisect_right(self._starts, place) - 1
        return self._first[run] + place - self._starts[run]


def _runs(snapshot: Snapshot) -> Iterator[tuple[int, str, int, bytes]]:
    after = -1
    sql = "SELECT first, source, upto, leaves FROM audit_runs WHERE first > ? ORDER BY first LIMIT 256"
    while rows := snapshot.all(sql, (after,)):
        after = rows[-1][0]
        for row in rows:
            yield row[0], row[1], row[2], bytes(row[3])


def _rows(snapshot: Snapshot, source: Source) -> Iterator[list[Row]]:
    """Yield the rows of a source in batches, in the order of the log."""
    order = ", ".join(source.order)
    marks = ", ".join("?" for _ in source.order)
    select = f"SELECT {source.columns} FROM {source.table}"
    rows = snapshot.all(f"{select} ORDER BY {order} LIMIT ?", (BATCH,))
    while rows:
        last = source.key(rows[-1])
        yield rows
        rows = snapshot.all(
            f"{select} WHERE {source.position} >= ? AND ({order}) > ({marks}) ORDER BY {order} LIMIT ?",
            (last[0], *last, BATCH),
        )


def _ranges(body: str) -> list[Any]:
    try:
        found = msgspec.json.decode(body)["entries"]
        return [each for each in found if isinstance(each, list) and len(each) == 2]
    except (msgspec.DecodeError, KeyError, TypeError):
        return []  # an edited act: it was named already


def _check_edge(snapshot: Snapshot, frontier: Frontier, wrong: list[str]) -> None:
    row = snapshot.one("SELECT size, roots FROM audit_edge")
    if row is None or (row[0], bytes(row[1])) != (frontier.size, b"".join(frontier.roots)):
        wrong.append("the edge of the tree does not fit its entries")


def _check_older(snapshot: Snapshot, older: dict[str, tuple[int, int]], wrong: list[str]) -> None:
    """Rows without a leaf may only be as many, and as old, as the log said when it began to hold their table."""
    began: dict[str, tuple[int, int]] = {}
    for (body,) in snapshot.all("SELECT body FROM audit_log WHERE kind = ? ORDER BY id DESC", (BEGAN,)):
        try:
            said = msgspec.json.decode(body)
            began[said["source"]] = (said["older_rows"], said["up_to"])
        except (msgspec.DecodeError, KeyError, TypeError):
            continue  # an edited act: it was named already
    running = {row[0] for row in snapshot.all("SELECT DISTINCT source FROM audit_runs")}
    for name, (n, last) in older.items():
        if name not in running | began.keys():
            continue  # an earlier release's shop, before the job's first round
        most, upto = began.get(name, (0, -1))
        if n > most or last > upto:
            wrong.append(f"{n} rows of {name} have no leaf, {most} are older than the log: some were put in or edited")
