"""The consent ledger: what each person said about each purpose, appended and never edited.

Every fact has a position from the same head as the events, so that "what did they say when this was decided" has one
answer. The newest fact of a person and purpose counts. What an import declares never overrides what a person said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from tillwise.errors import InvalidInput
from tillwise.events.log import allocate
from tillwise.privacy import revisions, served
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (
    *served.TABLES,
    *revisions.TABLES,
    "CREATE TABLE IF NOT EXISTS consents (subject INTEGER NOT NULL, purpose TEXT NOT NULL, seq INTEGER NOT NULL,"
    " at INTEGER NOT NULL, state TEXT NOT NULL, basis TEXT NOT NULL, place TEXT NOT NULL, notice TEXT NOT NULL,"
    " evidence TEXT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (subject, purpose, seq)) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS consents_newest ON consents (subject, seq)",
    "CREATE INDEX IF NOT EXISTS consents_seq ON consents (seq)",
    "CREATE INDEX IF NOT EXISTS consents_benchmark ON consents (basis) WHERE basis = 'benchmark'",
)

BENCHMARK = "benchmark"
"""The basis of a benchmark's data: it lets everything be read, and `serve` refuses a shop that holds it."""
BASES: Final = frozenset({"consent", "contract", "legitimate_interest", "legal_obligation", "notice", BENCHMARK})
"""What an import may declare as its basis."""


class State(StrEnum):
    """What was said; `declared` is what an import says was said elsewhere, not witnessed here.

    `invalidated` is our own word: an earlier yes was found not to count. That a yes has run out is never stored, it
    follows from its age.
    """

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    INVALIDATED = "invalidated"
    DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class Consent:
    """One thing a person said, with what they had read and where it came from (`banner`, `account page`, …)."""

    subject: Pseudonym
    purpose: Purpose
    state: State
    place: str = ""
    notice: str = ""
    evidence: str = ""
    source: str = "api"
    basis: str = "consent"


class Standing(NamedTuple):
    """The fact that counts for one person and purpose."""

    seq: int
    state: State
    basis: str
    place: str
    at: int = 0


class Spoken(NamedTuple):
    """A person's newest fact of any purpose (0 and "" when there is none), and the standing of one purpose."""

    seq: int
    place: str
    standing: Standing | None


NOTHING_SAID: Final = Spoken(0, "", None)
_NEAR: Final = 12
"""The newest facts read in one go; nearly everybody has fewer."""


@dataclass(frozen=True, slots=True)
class PurposeBasis:
    """On what an import rests one purpose; `basis` is one of BASES."""

    basis: str
    notice: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class DeclaredBasis:
    """What an import declares about its people: their place and, per purpose, a basis."""

    place: str
    purposes: Mapping[Purpose, PurposeBasis] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for purpose, said in self.purposes.items():
            if said.basis not in BASES:
                known = ", ".join(sorted(BASES))
                raise InvalidInput(f"'{said.basis}' is no basis for {purpose}: use one of {known}", field="basis")


def record(transaction: Transaction, consent: Consent, now: int) -> tuple[int, int]:
    """Append what a person said at `now` (log clock); return its position and time (seq, at)."""
    if consent.purpose is Purpose.OPERATIONS:
        raise InvalidInput("operations use no personal data: there is nothing to consent to", field="purpose")
    seq, at = allocate(transaction, 1, now)
    transaction.run(
        "INSERT INTO consents (subject, purpose, seq, at, state, basis, place, notice, evidence, source)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (consent.subject, consent.purpose.value, seq, at, consent.state.value, consent.basis, consent.place,
         consent.notice, consent.evidence, consent.source),
    )  # fmt: skip
    return seq, at


_DECLARE: Final = (
    "INSERT INTO consents (subject, purpose, seq, at, state, basis, place, notice, evidence, source)"
    " SELECT ?, ?, ?, ?, 'declared', ?, ?, ?, ?, ? WHERE NOT EXISTS"
    " (SELECT 1 FROM consents WHERE subject = ? AND purpose = ? AND (state <> 'declared' OR"
    " (basis = ? AND place = ? AND notice = ? AND seq ="
    " (SELECT max(seq) FROM consents WHERE subject = ? AND purpose = ?))))"
)


def declare(
    transaction: Transaction, subjects: Iterable[Pseudonym], basis: DeclaredBasis, *, source: str, now: int
) -> None:
    """Append what an import declares about its people, at one position for all of them.

    Whoever has spoken here keeps their own word, and what is declared already is not written twice.
    """
    seq, at = allocate(transaction, 1, now)
    transaction.run_many(
        _DECLARE,
        (
            (subject, purpose.value, seq, at, said.basis, basis.place, said.notice, said.evidence, source,
             subject, purpose.value, said.basis, basis.place, said.notice, subject, purpose.value)
            for subject in subjects
            for purpose, said in basis.purposes.items()
        ),
    )  # fmt: skip


def state(snapshot: Snapshot, subject: Pseudonym, purpose: Purpose, up_to: int) -> Standing | None:
    """Return what counts for a person and purpose as of position `up_to`, None when they never said anything."""
    row = snapshot.one(
        "SELECT seq, state, basis, place, at FROM consents WHERE subject = ? AND purpose = ? AND seq <= ?"
        " ORDER BY seq DESC LIMIT 1",
        (subject, purpose.value, up_to),
    )
    return None if row is None else Standing(row[0], State(row[1]), row[2], row[3], row[4])


def spoken(snapshot: Snapshot, subject: Pseudonym, purpose: Purpose, up_to: int) -> Spoken:
    """Return a person's newest fact of any purpose, and what counts for one purpose, as of position `up_to`."""
    rows = snapshot.all(
        f"SELECT seq, place, purpose, state, basis, at FROM consents WHERE subject = ? AND seq <= ?"
        f" ORDER BY seq DESC LIMIT {_NEAR}",
        (subject, up_to),
    )
    if not rows:
        return NOTHING_SAID
    name = purpose.value
    for row in rows:
        if row[2] == name:
            return Spoken(rows[0][0], rows[0][1], Standing(row[0], State(row[3]), row[4], row[1], row[5]))
    counts = None if len(rows) < _NEAR else state(snapshot, subject, purpose, up_to)
    return Spoken(rows[0][0], rows[0][1], counts)


def consent_seq(snapshot: Snapshot, *people: Pseudonym | None) -> int:
    """Return the position of the newest fact of any of these people; 0 when none ever said anything."""
    position = 0
    for person in people:
        if person is not None:
            row = snapshot.one("SELECT max(seq) FROM consents WHERE subject = ?", (person,))
            position = max(position, (row[0] or 0) if row else 0)
    return position


def moved_since(snapshot: Snapshot, seq: int) -> set[Pseudonym]:
    """Return everybody with a fact after position `seq`."""
    return {Pseudonym(row[0]) for row in snapshot.all("SELECT DISTINCT subject FROM consents WHERE seq > ?", (seq,))}


def holds_benchmark(snapshot: Snapshot) -> bool:
    """Return True when any data here rest on the basis `benchmark`, with which no shop may be served."""
    return snapshot.one("SELECT 1 FROM consents WHERE basis = 'benchmark' LIMIT 1") is not None


def history(snapshot: Snapshot, subject: Pseudonym) -> list[dict[str, str | int]]:
    """Return everything a person ever said, oldest first."""
    columns = ("purpose", "seq", "at", "state", "basis", "place", "notice", "evidence", "source")
    rows = snapshot.all(
        f"SELECT {', '.join(columns)} FROM consents WHERE subject = ? ORDER BY seq, purpose", (subject,)
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def declared_counts(snapshot: Snapshot) -> list[tuple[str, str, str, int]]:
    """Return (purpose, basis, place, people) of what imports declared, for `doctor`: declared, not witnessed."""
    rows = snapshot.all(
        "SELECT purpose, basis, place, count(DISTINCT subject) FROM consents WHERE state = 'declared'"
        " GROUP BY purpose, basis, place ORDER BY purpose, basis, place"
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]
