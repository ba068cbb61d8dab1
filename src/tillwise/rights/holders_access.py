"""The access ledger as a holder: a person learns when and why their data were read; erasure leaves only the count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tillwise.events.lookup import rows_in
from tillwise.rights.holder import Counts
from tillwise.rights.person import Person
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot, Transaction

_ABOUT: Final = "SELECT read_id, subject FROM access_read_people WHERE subject IN"
_OF_DECISIONS: Final = "SELECT id, decision_id FROM access_reads WHERE decision_id IN"


class Reads:
    """Who read a person's data. The reader's name is not handed over: it is personal data of the reader
    (CJEU C-579/21); time, place, purpose and reason are."""

    name = "reads"
    tables = frozenset({"access_reads", "access_read_people"})

    def find(self, snapshot: Snapshot, person: Person) -> Counts:
        """Count the lines that name the person, and the lines that name a decision about them."""
        counts = {
            "access_read_people": len(rows_in(snapshot, _ABOUT, person.keys)),
            "access_reads": len(rows_in(snapshot, _OF_DECISIONS, person.decisions)),
        }
        return {table: n for table, n in counts.items() if n}

    def export(self, snapshot: Snapshot, person: Person) -> Iterator[Json]:
        """Yield when, where and why somebody looked."""
        named = {row[0] for row in rows_in(snapshot, _ABOUT, person.keys)}
        named |= {row[0] for row in rows_in(snapshot, _OF_DECISIONS, person.decisions)}
        sql = "SELECT id, wall, what, purpose, reason FROM access_reads WHERE id IN"
        for row in sorted(rows_in(snapshot, sql, named)):
            yield {"table": "access_reads", "wall": row[1], "what": row[2], "purpose": row[3], "reason": row[4]}

    def erase(self, transaction: Transaction, person: Person) -> Counts:
        """Take the person out of the ledger; that somebody looked, at how many people and for what, stays."""
        lines = {row[0] for row in rows_in(transaction, _ABOUT, person.keys)}
        lines |= {row[0] for row in rows_in(transaction, _OF_DECISIONS, person.decisions)}
        # A reason is free text from a caller: it may name the person, and goes with them.
        transaction.run_many(
            "UPDATE access_reads SET decision_id = NULL, reason = '' WHERE id = ?", [(line,) for line in lines]
        )
        transaction.run_many("DELETE FROM access_read_people WHERE subject = ?", [(key,) for key in person.keys])
        return {"access_read_people": len(lines)} if lines else {}
