"""Every holder of personal data in the row store, and what stays on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tillwise.events.people import traits_of
from tillwise.features.tiles import TileWriter
from tillwise.rights.holder import Counts, Holder, Part, Rows
from tillwise.rights.holders_access import Reads
from tillwise.rights.holders_events import Events
from tillwise.rights.holders_recipients import Recipients
from tillwise.rights.holders_requests import ASKED
from tillwise.rights.mentions import Mentions
from tillwise.rights.person import Person
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot, Transaction

STAYS: Final = {
    "dedupe": "keyed marks of message ids: a client's retry must not bring an erased person back",
    "tombstones": "keyed marks of what was erased, so that questions about it are answered honestly",
    "audit_runs": "salted leaves; the salt is destroyed with its row, so that a leaf proves nothing about anyone",
    "rights_requests": "what was asked and when it was answered, under a keyed mark: proof that the law was kept",
}
"""Tables with marks that outlive an erasure, and why; the notice says so too."""

_RECEIPT: Final = ("decision_id", "use_case", "at", "wall", "action", "model", "degraded", "simulated", "body")
_CONSENTS: Final = Rows("consent", (
    Part("consents", "subject", "keys",
         ("seq", "at", "purpose", "state", "basis", "place", "notice", "evidence", "source", "age", "guardian", "since",
          "material")),
    Part("notices_served", "subject", "keys", ("id", "sha256", "place", "at")),
))  # fmt: skip
_REVIEWS: Final = Rows("reviews", (
    Part("reviews", "decision_id", "decisions", ("decision_id", "opened", "state", "verdict", "reason", "decided")),
    Part("reviews", "subject", "keys"),
))  # fmt: skip
_OUTCOMES: Final = Rows("outcomes", (
    Part("outcomes", "decision_id", "decisions", ("decision_id", "kind", "value", "at")),
    Part("outcomes", "order_ref", "orders", ("kind", "value", "at")),
))  # fmt: skip


_HOLDS: Final = Rows("legal holds", (Part("legal_holds", "subject", "keys", ("reason", "wall")),))


class Profile(Rows):
    """Who a person is: their ids and traits, sealed under a key of their own, and the key itself."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__("profile", (
            Part("traits", "subject", "keys"),
            Part("links", "subject", "keys", ("seq",)),
            Part("links", "anonymous", "keys"),
            Part("subject_keys", "pseudonym", "keys"),
            Part("subjects", "pseudonym", "keys"),
        ))  # fmt: skip
        self._secrets = secrets

    def export(self, snapshot: Snapshot, person: Person) -> Iterator[Json]:
        for key in person.keys:
            traits = traits_of(snapshot, self._secrets, key)
            if traits:
                yield {"table": "traits", **traits}
        yield from super().export(snapshot, person)


class Decisions(Rows):
    """Receipts and the request ids they answered."""

    def __init__(self) -> None:
        super().__init__("decisions", (
            Part("receipts", "decision_id", "decisions", _RECEIPT),
            Part("requests", "decision_id", "decisions"),
        ))  # fmt: skip

    def erase(self, transaction: Transaction, person: Person) -> Counts:
        counts = super().erase(transaction, person)
        for key in person.keys:  # other people's decisions on this person's device stay theirs, without the key
            transaction.run("UPDATE receipts SET anonymous = NULL WHERE anonymous = ?", (key,))
        return counts


class Quarantine:
    """Messages that were refused. They carry no key; a row is a person's when what parsed names one of their ids."""

    name = "quarantine"
    tables = frozenset({"quarantine"})

    def find(self, snapshot: Snapshot, person: Person) -> Counts:
        n = len(self._rows(snapshot, person))
        return {"quarantine": n} if n else {}

    def export(self, snapshot: Snapshot, person: Person) -> Iterator[Json]:
        for row in self._rows(snapshot, person):
            yield {"table": "quarantine", "wall": row[1], "reason": row[2], "type": row[3], "parsed": row[4]}

    def erase(self, transaction: Transaction, person: Person) -> Counts:
        rows = self._rows(transaction, person)
        transaction.run_many("DELETE FROM quarantine WHERE id = ?", [(row[0],) for row in rows])
        return {"quarantine": len(rows)} if rows else {}

    @staticmethod
    def _rows(snapshot: Snapshot, person: Person) -> list[tuple[int, int, str, str | None, str]]:
        rows: dict[int, tuple[int, int, str, str | None, str]] = {}
        for text in person.ids:
            sql = "SELECT id, wall, reason, type, parsed FROM quarantine WHERE parsed LIKE ? ESCAPE '!'"
            pattern = text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
            for row in snapshot.all(sql, (f'%"{pattern}"%',)):
                rows[row[0]] = (row[0], row[1], row[2], row[3], row[4])
        return list(rows.values())


def row_holders(tiles: TileWriter, secrets: Secrets) -> tuple[Holder, ...]:
    """Return every holder of the row store, in the order they are exported and erased."""
    return (
        Profile(secrets), _HOLDS, _CONSENTS, Events(tiles.subtract), Decisions(), _REVIEWS, _OUTCOMES, Quarantine(),
        Reads(), ASKED, Recipients(), Mentions(),
    )  # fmt: skip
