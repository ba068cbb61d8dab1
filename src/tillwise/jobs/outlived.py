"""What has outlived its retention, kind by kind: found a page at a time, deleted a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tillwise.access import reads
from tillwise.audit.log import enter_erasure, forget
from tillwise.decisions import receipts
from tillwise.events.lookup import rows_in
from tillwise.events.types import EVENT_TYPES, event_code
from tillwise.events.unrecord import Subtract, unrecord
from tillwise.outcomes import outcomes
from tillwise.privacy import ledger
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Row, Store, Transaction

EVENTS_AT_ONCE: Final = 500
ROWS_AT_ONCE: Final = 2_000
_SIMPLE: Final = {
    "quarantine": "DELETE FROM quarantine WHERE wall <= ?",
    "requests": "DELETE FROM requests WHERE wall <= ?",
    "access_read_people":
        "DELETE FROM access_read_people WHERE read_id IN (SELECT id FROM access_reads WHERE wall <= ?)",
    "access_reads": "DELETE FROM access_reads WHERE wall <= ?",
}  # fmt: skip
_POSITION: Final = replace(ledger.LOGGED, found_by="seq")
"""Consents found by their position: only some of a person's facts grow old."""
_OF_LINES: Final = replace(reads.PEOPLE, found_by="read_id")
"""People in the access ledger found by the line: a line that grew old goes with everybody in it."""
Counts = Mapping[str, int]
Page = Callable[[Sequence[int]], list[Row]]


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Rows up to this moment are too old, but for those of people in `held`; `seen` collects whose rows went."""

    moment: Milliseconds
    held: frozenset[int]
    seen: set[int]

    def spares(self, *people: int | None) -> bool:
        """Return whether a row about these people is left alone; if not, remember them."""
        known = {person for person in people if person is not None}
        if known & self.held:
            return True
        self.seen.update(known)
        return False


def old_events(store: Store, events: Sequence[str], cutoff: Cutoff, subtract: Subtract) -> Iterator[Counts]:
    """Delete events of these types up to the moment, with every copy of their rows; yield the counts of each page."""
    codes = [event_code(event) for event in events]
    marks = ", ".join("?" for _ in codes)
    page = (
        "SELECT at, seq FROM by_shop WHERE (at, seq) > (?, ?) AND at <= ? AND line = 0"
        f" AND epoch <= (SELECT epoch FROM head) AND type IN ({marks}) ORDER BY at, seq LIMIT {EVENTS_AT_ONCE}"
    )
    yield from _pages_of_events(store, page, (-(2**63), 0), (cutoff.moment, *codes), (cutoff, subtract))
    silent = [event for event in events if not EVENT_TYPES[event].facts]
    if silent:
        marks = ", ".join("?" for _ in silent)
        page = (
            f"SELECT 0, seq FROM events WHERE (0, seq) > (?, ?) AND at <= ? AND epoch <= (SELECT epoch FROM head)"
            f" AND type IN ({marks}) ORDER BY seq LIMIT {EVENTS_AT_ONCE}"
        )
        yield from _pages_of_events(store, page, (0, 0), (cutoff.moment, *silent), (cutoff, subtract))


def _pages_of_events(
    store: Store, sql: str, place: tuple[int, int], bound: Sequence[int | str], how: tuple[Cutoff, Subtract]
) -> Iterator[Counts]:
    cutoff, subtract = how

    def work(transaction: Transaction, seqs: Sequence[int]) -> Counts:
        people = rows_in(transaction, "SELECT seq, subject, anonymous FROM events WHERE seq IN", seqs)
        going = sorted({row[0] for row in people if not cutoff.spares(row[1], row[2])})
        transaction.run_many(
            "INSERT INTO retention_pending (seq) VALUES (?) ON CONFLICT DO NOTHING", [(seq,) for seq in going]
        )
        return unrecord(transaction, going, subtract)

    while True:
        with store.snapshot() as snapshot:
            page = snapshot.all(sql, (*place, *bound))
        if not page:
            return
        place = page[-1]
        seqs = [row[1] for row in page]
        yield store.commit(lambda transaction: work(transaction, seqs)).result()  # noqa: B023


def old_receipts(store: Store, cutoff: Cutoff) -> Iterator[Counts]:
    """Delete receipts up to the moment, with their reviews and request ids; the audit log says which went."""
    sql = (
        "SELECT wall, seq, decision_id, subject, anonymous FROM receipts WHERE (wall, seq) > (?, ?) AND wall <= ?"
        f" ORDER BY wall, seq LIMIT {ROWS_AT_ONCE}"
    )
    place = (-(2**63), 0)
    while True:
        with store.snapshot() as snapshot:
            page = snapshot.all(sql, (*place, cutoff.moment))
        if not page:
            return
        place = page[-1][:2]
        going = [row[2] for row in page if not cutoff.spares(row[3], row[4])]
        if going:
            yield store.commit(lambda transaction: _delete_receipts(transaction, going)).result()  # noqa: B023


def _delete_receipts(transaction: Transaction, going: Sequence[str]) -> Counts:
    enter_erasure(transaction, forget(transaction, receipts.LOGGED, going), why="retention")
    counts = {}
    for table in ("reviews", "requests", "receipts"):
        before = _count(transaction, table, going)
        transaction.run_many(f"DELETE FROM {table} WHERE decision_id = ?", [(each,) for each in going])
        counts[table] = before
    return {table: n for table, n in counts.items() if n}


def _count(transaction: Transaction, table: str, decisions: Collection[str]) -> int:
    return len(set(rows_in(transaction, f"SELECT decision_id FROM {table} WHERE decision_id IN", decisions)))


def old_outcomes(store: Store, cutoff: Cutoff) -> Iterator[Counts]:
    """Delete outcomes up to the moment."""
    sql = (
        "SELECT o.id, r.subject, r.anonymous, (SELECT f.subject FROM facts f WHERE f.order_ref = o.order_ref"
        " AND f.subject IS NOT NULL LIMIT 1) FROM outcomes o LEFT JOIN receipts r ON r.decision_id = o.decision_id"
        f" WHERE o.id > ? AND o.at <= ? ORDER BY o.id LIMIT {ROWS_AT_ONCE}"
    )
    place = 0
    while True:
        with store.snapshot() as snapshot:
            page = snapshot.all(sql, (place, cutoff.moment))
        if not page:
            return
        place = page[-1][0]
        going = [(row[0],) for row in page if not cutoff.spares(*row[1:])]
        yield store.commit(lambda transaction: _delete_outcomes(transaction, going)).result()  # noqa: B023


def _delete_outcomes(transaction: Transaction, going: Sequence[tuple[int]]) -> Counts:
    entries = forget(transaction, outcomes.LOGGED, (row[0] for row in going))
    if entries:
        enter_erasure(transaction, entries, why="retention")
    transaction.run_many("DELETE FROM outcomes WHERE id = ?", going)
    return {"outcomes": len(going)}


def old_consents(store: Store, cutoff: Cutoff) -> Iterator[Counts]:
    """Delete facts that something newer replaced before the moment, and notices nobody's consent refers to any more.

    What counts now stays for as long as the person is known, a refusal above all.
    """
    sql = (
        "SELECT DISTINCT c.seq, c.subject FROM consents c WHERE c.at <= ? AND EXISTS (SELECT 1 FROM consents n"
        " WHERE n.subject = c.subject AND n.purpose = c.purpose AND n.seq > c.seq AND n.at <= ?)"
        " AND NOT EXISTS (SELECT 1 FROM consents s WHERE s.seq = c.seq AND (s.at > ? OR NOT EXISTS"
        " (SELECT 1 FROM consents m WHERE m.subject = s.subject AND m.purpose = s.purpose AND m.seq > s.seq"
        " AND m.at <= ?)))"
    )
    with store.snapshot() as snapshot:
        rows = snapshot.all(sql, (cutoff.moment,) * 4)
    spared = {seq for seq, subject in rows if subject in cutoff.held}
    going = sorted({seq for seq, _ in rows} - spared)
    for start in range(0, len(going), ROWS_AT_ONCE):
        page = going[start : start + ROWS_AT_ONCE]
        yield store.commit(lambda transaction: _delete_consents(transaction, page)).result()  # noqa: B023
    notices = (
        "DELETE FROM notices_served WHERE at <= ? AND NOT EXISTS (SELECT 1 FROM consents c"
        " WHERE c.subject = notices_served.subject AND c.notice = notices_served.id)"
        " AND NOT EXISTS (SELECT 1 FROM legal_holds h WHERE h.subject = notices_served.subject)"
    )
    n = store.commit(lambda transaction: transaction.run(notices, (cutoff.moment,))).result()
    yield {"notices_served": n} if n else {}


def _delete_consents(transaction: Transaction, seqs: Sequence[int]) -> Counts:
    enter_erasure(transaction, forget(transaction, _POSITION, seqs), why="retention")
    return {"consents": sum(transaction.run("DELETE FROM consents WHERE seq = ?", (seq,)) for seq in seqs)}


def old_rows(transaction: Transaction, tables: Sequence[str], cutoff: Cutoff) -> Counts:
    """Delete rows of tables that name nobody who could be held."""
    ordered = sorted(tables, key=list(_SIMPLE).index)
    if "access_reads" in tables:
        _forget_reads(transaction, cutoff.moment)
    counts = {table: transaction.run(_SIMPLE[table], (cutoff.moment,)) for table in ordered}
    return {table: n for table, n in counts.items() if n}


def _forget_reads(transaction: Transaction, moment: Milliseconds) -> None:
    lines = [row[0] for row in transaction.all("SELECT id FROM access_reads WHERE wall <= ?", (moment,))]
    entries = forget(transaction, reads.LOGGED, lines) + forget(transaction, _OF_LINES, lines)
    if entries:
        enter_erasure(transaction, entries, why="retention")
