"""The event log as a holder: events, their rows for features in every copy, and the tiles they were added to.

Rows of the subject-free stream carry no key of the person; they are found by their position, and subtracted from the
tiles exactly, so that no sum has to be computed afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from tillwise.events.facts import FACT_COLUMNS, HOT_KEYS, PERSON_KEYS, Fact
from tillwise.events.lookup import rows_in
from tillwise.rights.holder import Counts
from tillwise.rights.person import Person
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot, Transaction

Subtract = Callable[[Transaction, Sequence[Fact]], int]
_SELECT: Final = f"SELECT {', '.join(FACT_COLUMNS)} FROM facts WHERE seq IN"
_KEYED: Final = (*PERSON_KEYS, *(key for key in HOT_KEYS if key != "shop"))


class Events:
    """Events and everything made of them. `subtract` takes rows out of the tiles (TileWriter.subtract)."""

    name = "events"
    tables = frozenset({"events", "facts", "by_shop", "tiles", *(f"by_{key}" for key in _KEYED)})

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
        facts = [Fact(*row) for row in sorted(set(rows_in(transaction, _SELECT, person.seqs)))]
        counts: Counts = {"tiles": self._subtract(transaction, facts)}
        transaction.run_many(
            "DELETE FROM by_shop WHERE at = ? AND seq = ? AND line = ?",
            [(fact.at, fact.seq, fact.line) for fact in facts],
        )
        for key in _KEYED:
            index = FACT_COLUMNS.index(key)
            rows = [(fact[index], fact.at, fact.seq, fact.line) for fact in facts if fact[index] is not None]
            transaction.run_many(f"DELETE FROM by_{key} WHERE {key} = ? AND at = ? AND seq = ? AND line = ?", rows)
            counts[f"by_{key}"] = len(rows)
        transaction.run_many("DELETE FROM facts WHERE seq = ?", [(seq,) for seq in person.seqs])
        transaction.run_many("DELETE FROM events WHERE seq = ?", [(seq,) for seq in person.seqs])
        self._let_go_of_others(transaction, person)
        counts |= {"facts": len(facts), "events": len(person.seqs)}
        return {table: n for table, n in counts.items() if n}

    @staticmethod
    def _let_go_of_others(transaction: Transaction, person: Person) -> None:
        """Other people's events on a device of this person stay theirs, without this person's key."""
        for key in person.keys:
            transaction.run("UPDATE events SET anonymous = NULL WHERE anonymous = ?", (key,))
