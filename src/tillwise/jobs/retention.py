"""The retention job: deletes what no purpose may read any more, in every table and copy, and proves it.

It runs once a day, in small transactions, so that no decision waits. Data of people under a restriction or a legal hold
are left alone. Data dated by the log are old when the log says so: in a shop whose log stands still, nothing ages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from tillwise.audit.log import enter_act
from tillwise.events.log import read_head
from tillwise.events.people import give_keys
from tillwise.jobs.outlived import Cutoff, old_consents, old_events, old_outcomes, old_receipts, old_rows
from tillwise.privacy.holds import held
from tillwise.privacy.retention import DAY, Keeping, Retention
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import Milliseconds, wall_now
from tillwise.vocabulary.store import Snapshot, Store, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS retention_runs (id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, finished INTEGER,"
    " body TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS retention_pending (seq INTEGER PRIMARY KEY) STRICT",
)
"""`retention_pending`: positions deleted from the tables that the exported log may still hold."""
EVERY: Final = DAY - 3_600_000
"""A run is due a little less than a day after the last one began, so that a daily timer never skips a day."""
TAKES: Final = 3_600_000
"""For so long a run that was begun and not finished may still be going on in another process."""
ACT: Final = "retention"
KEYS_AT_ONCE: Final = 1_000


class Rewritable(Protocol):
    """What the job asks of the exported log (engines.duckdb.Segments)."""

    def rewrite(self, seqs: Collection[int]) -> int:
        """Write every file anew that holds a row at one of these positions; return how many."""
        ...


LetGo = Callable[[Transaction, Collection[int]], int]
"""Deletes the profiles of people of whom nothing else is left; returns how many (rights.nobody.let_go)."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did: rows deleted by kind of data and table, and up to which moment of which clock."""

    wall: Milliseconds
    deleted: Mapping[str, Mapping[str, int]]
    cut_offs: Mapping[str, Milliseconds]
    files: int = 0
    held: int = 0

    @property
    def rows(self) -> int:
        """Return how many rows were deleted in all."""
        return sum(sum(counts.values()) for counts in self.deleted.values())

    def proof(self) -> Json:
        """Return what enters the audit log: counts and moments, nobody's name."""
        return {"deleted": self.deleted, "cut_offs": self.cut_offs, "files": self.files, "held": self.held}


@dataclass(frozen=True, slots=True)
class RetentionJob:
    """Deletes by the shop's retention. `subtract` takes rows out of the tiles (TileWriter.subtract)."""

    store: Store
    secrets: Secrets
    retention: Retention
    segments: Rewritable
    subtract: Callable[..., int]
    let_go: LetGo
    wall: Callable[[], Milliseconds] = wall_now
    old: Mapping[str, Callable[[Transaction, Cutoff], Mapping[str, int]]] = field(default_factory=dict)
    """For kinds of data of rooms above this one: what deletes their old rows."""

    def due(self) -> bool:
        """Return whether a day has gone by since the last run began."""
        with self.store.snapshot() as snapshot:
            return _free(snapshot, self.wall())

    def run_if_due(self, stopped: Callable[[], bool] = lambda: False) -> Run | None:
        """Run once a day; None when it ran lately, here or in another process."""
        return self.run(forced=False, stopped=stopped) if self.due() else None

    def run(self, *, forced: bool = True, stopped: Callable[[], bool] = lambda: False) -> Run | None:
        """Delete everything that is due, and leave a proof; repeating it does no harm.

        `stopped` ends it early, between two pages: such a run leaves no proof, and the next one goes on.
        """
        number = self.store.commit(lambda transaction: self._begin(transaction, forced=forced)).result()
        if number is None:
            return None
        with self.store.snapshot() as snapshot:
            at, kept = read_head(snapshot).at, held(snapshot)
        deleted: dict[str, Counter[str]] = {}
        cut_offs: dict[str, Milliseconds] = {}
        seen: set[int] = set()
        for row in self.retention:
            moment = (at if row.clock == "log" else self.wall()) - row.days() * DAY
            cut_offs[row.name] = moment
            for counts in self._delete(row, Cutoff(moment, kept, seen)):
                deleted.setdefault(row.name, Counter()).update(counts)
                if stopped():
                    self.store.commit(lambda transaction: _give_up(transaction, number)).result()
                    return None
        if profiles := self._profiles(seen - kept):
            deleted["profiles"] = Counter(subjects=profiles)
        while self.store.commit(lambda transaction: give_keys(transaction, self.secrets, KEYS_AT_ONCE)).result():
            pass
        done = Run(self.wall(), deleted, cut_offs, self._rewrite(), len(kept))
        self.store.commit(lambda transaction: _finish(transaction, number, done)).result()
        return done

    def _begin(self, transaction: Transaction, *, forced: bool) -> int | None:
        """Take the run, so that no two processes do it at once."""
        if not forced and not _free(transaction, self.wall()):
            return None
        row = transaction.one("SELECT max(id) FROM retention_runs")
        number = ((row[0] if row is not None else None) or 0) + 1
        sql = "INSERT INTO retention_runs (id, wall, body) VALUES (?, ?, '{}')"
        transaction.run(sql, (number, self.wall()))
        return int(number)

    def _delete(self, row: Keeping, cutoff: Cutoff) -> Iterator[Mapping[str, int]]:
        if row.events:
            yield from old_events(self.store, row.events, cutoff, self.subtract)
        elif "receipts" in row.tables:
            yield from old_receipts(self.store, cutoff)
        elif "outcomes" in row.tables:
            yield from old_outcomes(self.store, cutoff)
        elif "consents" in row.tables:
            yield from old_consents(self.store, cutoff)
        elif row.name in self.old:
            clean = self.old[row.name]
            yield self.store.commit(lambda transaction: clean(transaction, cutoff)).result()
        else:
            yield self.store.commit(lambda transaction: old_rows(transaction, row.tables, cutoff)).result()

    def _profiles(self, people: Collection[int]) -> int:
        wanted = sorted(people)
        n = 0
        for start in range(0, len(wanted), 200):
            page = wanted[start : start + 200]
            n += self.store.commit(lambda transaction: self.let_go(transaction, page)).result()  # noqa: B023
        return n

    def _rewrite(self) -> int:
        """Take deleted rows out of the exported log; what an interrupted run left behind as well."""
        with self.store.snapshot() as snapshot:
            seqs = [row[0] for row in snapshot.all("SELECT seq FROM retention_pending")]
        if not seqs:
            return 0
        files = self.segments.rewrite(seqs)
        self.store.commit(
            lambda transaction: transaction.run_many(
                "DELETE FROM retention_pending WHERE seq = ?", [(seq,) for seq in seqs]
            )
        ).result()
        return files


def _free(snapshot: Snapshot, now: Milliseconds) -> bool:
    """Return whether no run was finished within a day, and none began within an hour that may still go on."""
    row = snapshot.one("SELECT max(CASE WHEN finished IS NULL THEN 0 ELSE wall END), max(wall) FROM retention_runs")
    finished, began = row if row is not None else (None, None)
    return (finished or 0) + EVERY <= now and (began or 0) + TAKES <= now


def _give_up(transaction: Transaction, number: int) -> None:
    transaction.run("DELETE FROM retention_runs WHERE id = ?", (number,))


def _finish(transaction: Transaction, number: int, done: Run) -> None:
    body = msgspec.json.encode(done.proof()).decode()
    sql = "UPDATE retention_runs SET finished = ?, body = ? WHERE id = ?"
    transaction.run(sql, (done.wall, body, number))
    enter_act(transaction, ACT, done.proof())
