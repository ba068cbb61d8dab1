"""The two questions of a breach (GDPR 33, 34): whose data could a key or person see, and did; and who saw one person.

What could be seen follows from scopes, roles and the time they held, and errs on the side of too many people. What was
seen comes from the access ledger. The erased are in no list any more; how many were shown stays in the counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tillwise.access.grants import grants_of
from tillwise.access.keys import key_life
from tillwise.access.person import find_person as find_staff
from tillwise.access.reads import Read, reads_about, reads_by
from tillwise.access.roles import load_roles
from tillwise.events.lookup import rows_in
from tillwise.rights.person import Person
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Snapshot

EVERYONE: Final = "SELECT pseudonym FROM subjects"
DECIDED: Final = (
    "SELECT DISTINCT subject FROM receipts WHERE wall < ? AND subject IS NOT NULL"
    " UNION SELECT DISTINCT anonymous FROM receipts WHERE wall < ? AND anonymous IS NOT NULL"
)
ASKED: Final = "SELECT subject, anonymous FROM receipts WHERE wall >= ? AND wall < ? AND (key_id = ? OR key_id = '')"
"""Receipts of an earlier release do not know their key: any key may have asked for them."""
KNOWN: Final = (
    "SELECT DISTINCT coalesce(subject, anonymous) FROM receipts WHERE key_id = ? AND wall >= ? AND wall < ?"
    " AND coalesce(subject, anonymous) IS NOT NULL"
)
REVIEWED: Final = "SELECT DISTINCT subject FROM reviews WHERE subject IS NOT NULL"
_OF_ONE: Final = ("contact", "consents", "requests")
_OF_DECISIONS: Final = ("decisions", "behaviour", "orders", "payment_device")


@dataclass(frozen=True, slots=True)
class Exposure:
    """The answer for one key or person. `since` and `until` are the asked time cut to the time they held access.

    `could` are pseudonyms, `saw` counts how often each was shown, `asked` the people of decisions this key asked for.
    """

    who: str
    since: Milliseconds
    until: Milliseconds
    through: tuple[str, ...]
    categories: tuple[str, ...]
    could: frozenset[int]
    reads: tuple[Read, ...]
    saw: dict[int, int]
    asked: frozenset[int]

    @property
    def shown(self) -> int:
        """Return how many showings the ledger holds, of the erased too."""
        return sum(read.people for read in self.reads)


def exposure_of_key(snapshot: Snapshot, key_id: str, since: Milliseconds, until: Milliseconds) -> Exposure:
    """Answer for a key, revoked and expired ones too. Raises NotFound for a key nobody ever made."""
    key, revoked = key_life(snapshot, key_id)
    start, end = max(since, key.created), min(until, key.expires, revoked or key.expires)
    table = load_roles()
    could: set[int] = set()
    for scope in key.scopes if start < end else ():
        shown = table.shown(scope)
        if shown is not None and shown.reach == "everyone":
            could |= _within(snapshot, shown.categories, end)
        elif shown is not None and shown.reach == "asked":
            could |= {who for row in snapshot.all(ASKED, (start, end, key_id)) for who in row if who is not None}
    return _exposure(
        snapshot, key_id, (start, end), tuple(sorted(key.scopes)), table.categories_of(key.scopes), could,
    )  # fmt: skip


def exposure_of_person(snapshot: Snapshot, login: str, since: Milliseconds, until: Milliseconds) -> Exposure:
    """Answer for a person by login or id. A grant that was renewed counts as held all along. Raises NotFound."""
    person = find_staff(snapshot, login)
    held = [
        grant
        for grant in grants_of(snapshot, person.person_id)
        if grant.given < until and since < min(grant.expires, grant.revoked or grant.expires)
    ]
    roles = load_roles().roles
    categories = {c for grant in held if grant.role in roles for seen in roles[grant.role].sees.values() for c in seen}
    start = max([since, min((grant.given for grant in held), default=since)])
    end = min([until, max((min(g.expires, g.revoked or g.expires) for g in held), default=until)])
    could = _within(snapshot, categories, end) if held else set()
    names = tuple(sorted({grant.role for grant in held}))
    return _exposure(snapshot, person.person_id, (start, end), names, categories, could)


def reads_of(snapshot: Snapshot, person: Person) -> list[Read]:
    """Return who saw this person's data, when and why, the oldest first: by their keys, and by their decisions."""
    found = {read.read_id: read for key in person.keys for read in reads_about(snapshot, key)}
    sql = "SELECT id, wall, who, what, purpose, reason, people, decision_id FROM access_reads WHERE decision_id IN"
    found |= {row[0]: Read(*row) for row in rows_in(snapshot, sql, person.decisions)}
    return [found[read_id] for read_id in sorted(found)]


def answers_about(snapshot: Snapshot, person: Person) -> list[Read]:
    """Return the decisions somebody asked for about this person, as reads: each answer was told to a key."""
    sql = "SELECT wall, key_id, use_case, decision_id FROM receipts WHERE decision_id IN"
    return [
        Read(0, wall, key_id or "unknown key", f"decide:{use_case}", "", "decision", 1, decision_id)
        for wall, key_id, use_case, decision_id in sorted(rows_in(snapshot, sql, person.decisions))
    ]


def _exposure(
    snapshot: Snapshot,
    who: str,
    span: tuple[Milliseconds, Milliseconds],
    through: tuple[str, ...],
    categories: Iterable[str],
    could: set[int],
) -> Exposure:
    since, until = span
    reads = reads_by(snapshot, who, since, until)
    counted = snapshot.all(
        "SELECT p.subject, count(*) FROM access_reads r JOIN access_read_people p ON p.read_id = r.id"
        " WHERE r.who = ? AND r.wall >= ? AND r.wall < ? GROUP BY p.subject",
        (who, since, until),
    )
    asked = snapshot.all(KNOWN, (who, since, until))
    saw = {int(row[0]): int(row[1]) for row in counted}
    known = frozenset(int(row[0]) for row in asked)
    everyone = frozenset({*could, *saw, *known})
    return Exposure(who, since, until, through, tuple(sorted(categories)), everyone, tuple(reads), saw, known)


def _within(snapshot: Snapshot, categories: Iterable[str], until: Milliseconds) -> set[int]:
    """Return everybody of whom these categories could show something."""
    wanted = set(categories)
    if wanted.intersection(_OF_ONE):
        return {row[0] for row in snapshot.all(EVERYONE)}
    found: set[int] = set()
    if wanted.intersection(_OF_DECISIONS):
        found |= {row[0] for row in snapshot.all(DECIDED, (until, until))}
    if "reviews" in wanted:
        found |= {row[0] for row in snapshot.all(REVIEWED)}
    return found
