"""Who received a person's data, what they said about borders, and what still waits to be sent.

An erasure, a correction and a restriction open a task for each recipient: the shop has to tell them (GDPR 19). The
receipt names them too.
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
NAME: Final = "recipients"
TELL: Final = "has to be told: "
"""In the counts of an erasure, before the name of each recipient."""


class Recipients(Rows):
    """Hand-overs by person, consents to transfers, and the outbox."""

    def __init__(self) -> None:
        super().__init__(NAME, (
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
        told = tell_recipients(transaction, person)
        counts = super().erase(transaction, person)
        return {**counts, **{f"{TELL}{vendor}": 1 for vendor in told}}


def tell_recipients(transaction: Transaction, person: Person) -> list[str]:
    """Open a task for each recipient of this person's data; return their names, for the receipt."""
    told = sent.received(transaction, person.keys)
    sent.open_tasks(transaction, told, wall_now())
    return told


def with_recipients(result: Json) -> Json:
    """Return what an erasure did with the recipients to be told in a field of their own, not among its counts."""
    rows = dict(result.get("rows", {}))
    counts = rows.pop(NAME, {})
    left = {name: n for name, n in counts.items() if not name.startswith(TELL)}
    told = sorted(name.removeprefix(TELL) for name in counts if name.startswith(TELL))
    if not told:
        return result
    return {**result, "rows": {**rows, **({NAME: left} if left else {})}, "to_tell": told}
