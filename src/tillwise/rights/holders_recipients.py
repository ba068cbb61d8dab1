"""Who received a person's data, what they said about borders, and what still waits to be sent.

An erasure opens a task for each recipient: the shop has to tell them (GDPR 19). Its receipt names them too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tillwise.recipients import outbox, sent, signals, transfers
from tillwise.rights.holder import Counts, Part, Rows
from tillwise.rights.person import Person
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (*outbox.TABLES, *sent.TABLES, *signals.TABLES, *transfers.TABLES)
TELL: Final = "has to be told: "
"""In the counts of an erasure, before the name of each recipient."""


class Recipients(Rows):
    """Hand-overs by person, consents to transfers, and the outbox."""

    def __init__(self) -> None:
        super().__init__("recipients", (
            Part("sent_people", "subject", "keys"),
            Part("signals_seen", "subject", "keys", ("signal", "wall")),
            Part("outbox", "decision_id", "decisions"),
            Part("transfer_consents", "subject", "keys",
                 ("seq", "at", "country", "state", "place", "notice", "evidence", "source")),
        ))  # fmt: skip

    def export(self, snapshot: Snapshot, person: Person) -> Iterator[Json]:
        for row in sent.of_people(snapshot, person.keys):
            yield {"table": "sent", **row}
        yield from super().export(snapshot, person)

    def erase(self, transaction: Transaction, person: Person) -> Counts:
        told = sent.received(transaction, person.keys)
        counts = super().erase(transaction, person)
        sent.open_tasks(transaction, told, wall_now())
        return {**counts, **{f"{TELL}{vendor}": 1 for vendor in told}}
