"""The event log as a holder: events, their rows for features in every copy, and the tiles they were added to.

Rows of the subject-free stream carry no key of the person; they are found by their position, and subtracted from the
tiles exactly, so that no sum has to be computed afresh.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tillwise.events.lookup import rows_in
from tillwise.events.unrecord import TABLES_OF_EVENTS, Subtract, unrecord
from tillwise.rights.holder import Counts
from tillwise.rights.person import Person
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot, Transaction


class Events:
    """Events and everything made of them. `subtract` takes rows out of the tiles (TileWriter.subtract)."""

    name = "events"
    tables = TABLES_OF_EVENTS

    def __init__(self, subtract: Subtract) -> None:
        self._subtract = subtract

    def find(self, snapshot: Snapshot, person: Person) -> Counts:
        facts = rows_in(snapshot, "SELECT count(*) FROM facts WHERE seq IN", person.seqs)
        counts = {"events": len(set(person.seqs)), "facts": sum(row[0] for row in facts)}
        return {table: n for table, n in counts.items() if n}

    def export(self, snapshot: Snapshot, person: Person) -> Iterator[Json]:
        sql = "SELECT seq, at, ts, type, body FROM events WHERE seq IN"
        for seq, at, happened, kind, body in rows_in(snapshot, sql, person.seqs):
            yield {
                "table": "events", "position": seq, "recorded": at, "happened": happened, "type": kind,
                "properties": msgspec.json.decode(body),
            }  # fmt: skip

    def erase(self, transaction: Transaction, person: Person) -> Counts:
        counts = unrecord(transaction, person.seqs, self._subtract)
        self._let_go_of_others(transaction, person)
        return counts

    @staticmethod
    def _let_go_of_others(transaction: Transaction, person: Person) -> None:
        """Other people's events on a device of this person stay theirs, without this person's key."""
        for key in person.keys:
            transaction.run("UPDATE events SET anonymous = NULL WHERE anonymous = ?", (key,))
