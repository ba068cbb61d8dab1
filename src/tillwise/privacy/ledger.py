"""The consent ledger: what each person said about each purpose, appended and never edited.

Every fact has a position from the same head as the events, so that "what did they say when this was decided" has one
answer. The newest fact of a person and purpose counts. What an import declares never overrides what a person said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from tillwise.audit.log import seal_rows
from tillwise.audit.source import Source
from tillwise.errors import InvalidInput
from tillwise.events.log import allocate
from tillwise.privacy import material, revisions, served
from tillwise.privacy.age import UNKNOWN_AGE, band_of
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import PERSONAL_PURPOSES, Purpose
from tillwise.vocabulary.store import Row, Snapshot, Transaction

TABLES: Final = (
    *served.TABLES,
    *revisions.TABLES,
    *material.TABLES,
    "CREATE TABLE IF NOT EXISTS consents (subject INTEGER NOT NULL, purpose TEXT NOT NULL, seq INTEGER NOT NULL,"
    " at INTEGER NOT NULL, state TEXT NOT NULL, basis TEXT NOT NULL, place TEXT NOT NULL, notice TEXT NOT NULL,"
    " evidence TEXT NOT NULL, source TEXT NOT NULL, age INTEGER NOT NULL DEFAULT -1,"
    " guardian INTEGER NOT NULL DEFAULT 0, since INTEGER NOT NULL DEFAULT 0, material TEXT NOT NULL DEFAULT '',"
    " salt BLOB, leaf BLOB, PRIMARY KEY (subject, purpose, seq)) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS consents_newest ON consents (subject, seq)",
    "CREATE INDEX IF NOT EXISTS consents_seq ON consents (seq)",
    "CREATE INDEX IF NOT EXISTS consents_benchmark ON consents (basis) WHERE basis = 'benchmark'",
)

LATER_COLUMNS: Final = (
    ("age", "INTEGER NOT NULL DEFAULT -1"), ("guardian", "INTEGER NOT NULL DEFAULT 0"),
    ("since", "INTEGER NOT NULL DEFAULT 0"), ("material", "TEXT NOT NULL DEFAULT ''"), ("salt", "BLOB"),
    ("leaf", "BLOB"),
)  # fmt: skip
"""Columns a shop of an earlier release lacks: see `upgrade`."""

LOGGED: Final = Source(
    "consent",
    "consents",
    ("seq", "subject", "purpose"),
    ("subject", "purpose", "seq", "at", "state", "basis", "place", "notice", "evidence", "source", "age", "guardian",
     "since", "material"),
    "subject",
)  # fmt: skip
"""How consents enter the audit log."""
BENCHMARK = "benchmark"
"""The basis of a benchmark's data: it lets everything be read, and `serve` refuses a shop that holds it."""
BASES: Final = frozenset({"consent", "contract", "legitimate_interest", "legal_obligation", "notice", BENCHMARK})
"""What an import may declare as its basis."""


class State(StrEnum):
    """What was said; `declared` is what an import says was said elsewhere, not witnessed here.

    `invalidated` is our own word: an earlier yes was found not to count. `restricted` (GDPR 18) puts every use on hold,
    `lifted` says that the hold ended and nothing had been said before it. `implied` is going on after a notice, without
    a word: it counts only where nobody has to be asked. That a yes has run out follows from its age, it is not stored.
    """

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    INVALIDATED = "invalidated"
    DECLARED = "declared"
    IMPLIED = "implied"
    RESTRICTED = "restricted"
    LIFTED = "lifted"


@dataclass(frozen=True, slots=True)
class Consent:
    """One thing a person said, with what they had read and where it came from (`banner`, `account page`, …).

    `age` is the lower end of their age band when it is told now (see privacy/age.py), -1 to keep what is known.
    `material` names what the notice said of this purpose (see privacy/material.py).
    """

    subject: Pseudonym
    purpose: Purpose
    state: State
    place: str = ""
    notice: str = ""
    evidence: str = ""
    source: str = "api"
    basis: str = "consent"
    age: int = UNKNOWN_AGE
    guardian: bool = False
    material: str = ""


class Standing(NamedTuple):
    """The fact that counts for one person and purpose; `at` is when it was said first."""

    seq: int
    state: State
    basis: str
    place: str
    at: int = 0
    guardian: bool = False
    material: str = ""


class Spoken(NamedTuple):
    """A person's newest fact of any purpose (0 and "" when there is none), and the standing of one purpose.

    `age` is the age band known at that fact, -1 when nobody told it. `own_place` is where they said something here last
    when the newest fact is only an import's; `residence` is the country of their profile, as it stands now.
    """

    seq: int
    place: str
    standing: Standing | None
    age: int = UNKNOWN_AGE
    own_place: str = ""
    residence: str = ""


STANDING: Final = (
    "seq, CASE WHEN state = 'given' AND notice <> '' AND NOT EXISTS (SELECT 1 FROM notices_served s JOIN notices n"
    " ON n.id = s.id WHERE s.subject = consents.subject AND s.id = consents.notice) THEN 'invalidated' ELSE state END,"
    " basis, place, at, since, guardian, material"
)
"""The columns of `standing_of`. A yes whose notice is no longer on record as served counts as found invalid."""
NOTHING_SAID: Final = Spoken(0, "", None)
RESTRICTABLE: Final = (*PERSONAL_PURPOSES, Purpose.SHARE)
"""What a restriction puts on hold."""
AGE_FACT: Final = "age"
"""What stands in the place of a purpose where the fact is a person's age band."""
_EVER: Final = 2**62
_NEAR: Final = 12
"""The newest facts read in one go; nearly everybody has fewer."""
_PROFILE: Final = -1
_SPOKEN: Final = (
    f"SELECT * FROM (SELECT {STANDING}, purpose, age FROM consents"
    f" WHERE subject = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT {_NEAR})"
    f" UNION ALL SELECT {_PROFILE}, '', '', country, 0, 0, 0, '', '', -1 FROM traits"
    " WHERE subject = ?1 AND country IS NOT NULL"
)
"""The newest facts, then the country of the profile as if said at _PROFILE: one statement, as every decision asks."""
_OWN_PLACE: Final = (
    "SELECT place FROM consents WHERE subject = ? AND seq <= ? AND state <> 'declared' AND place <> ''"
    " ORDER BY seq DESC LIMIT 1"
)


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


_APPEND: Final = (
    "INSERT INTO consents (subject, purpose, seq, at, state, basis, place, notice, evidence, source, age, guardian,"
    " since, material) VALUES (?1, ?2, ?3, ?4, ?5, ?6,"
    " ifnull(nullif(?7, ''), ifnull((SELECT place FROM consents WHERE subject = ?1 ORDER BY seq DESC LIMIT 1), '')),"
    " ?8, ?9, ?10,"
    " ifnull(nullif(?11, -1), ifnull((SELECT age FROM consents WHERE subject = ?1 ORDER BY seq DESC LIMIT 1), -1)),"
    " ?12, ?13, ?14)"
)
"""Every fact carries the place and age band known so far: the newest one answers for the gate without another look."""


def record(transaction: Transaction, consent: Consent, now: int) -> tuple[int, int]:
    """Append what a person said at `now` (log clock); return its position and time (seq, at).

    A no, or what happens to a yes, does not end a restriction: only the person's own yes does (GDPR 18(2)).
    """
    if consent.purpose is Purpose.OPERATIONS:
        raise InvalidInput("operations use no personal data: there is nothing to consent to", field="purpose")
    held = state(transaction, consent.subject, consent.purpose, _EVER)
    said = _append(transaction, consent, now)
    if held is not None and held.state is State.RESTRICTED and consent.state not in (State.GIVEN, State.LIFTED):
        _append(transaction, replace(consent, state=State.RESTRICTED, basis="none", evidence=""), now)
    return said


def know_age(transaction: Transaction, person: Pseudonym, age: int, now: int, *, source: str, place: str = "") -> None:
    """Keep the band a person's age in years lies in, for every decision that starts from now on; no birth date is kept.

    The newest word counts, as the shop's own finding. Repeating it changes nothing.
    """
    band = band_of(age)
    row = transaction.one("SELECT age FROM consents WHERE subject = ? ORDER BY seq DESC LIMIT 1", (person,))
    if row is None or row[0] != band:
        seq, at = allocate(transaction, 1, now)
        fields = (person, AGE_FACT, seq, at, "known", "none", place, "", "", source, band, 0, 0, "")
        transaction.run(_APPEND, fields)
        seal_rows(transaction, LOGGED, seq)


def _append(transaction: Transaction, consent: Consent, now: int, since: int = 0) -> tuple[int, int]:
    seq, at = allocate(transaction, 1, now)
    transaction.run(
        _APPEND,
        (consent.subject, consent.purpose.value, seq, at, consent.state.value, consent.basis, consent.place,
         consent.notice, consent.evidence, consent.source, consent.age, int(consent.guardian), since, consent.material),
    )  # fmt: skip
    seal_rows(transaction, LOGGED, seq)
    return seq, at


def restrict(transaction: Transaction, person: Pseudonym, now: int, *, place: str, source: str) -> int:
    """Put every use of a person's data on hold (GDPR 18), fraud prevention included; return the last position.

    The next decision of every worker then goes on without anything personal. Repeating it changes nothing.
    """
    last = 0
    for purpose in RESTRICTABLE:
        held = state(transaction, person, purpose, _EVER)
        if held is None or held.state is not State.RESTRICTED:
            said = Consent(person, purpose, State.RESTRICTED, place=place, source=source, basis="none")
            last, _ = _append(transaction, said, now)
    return last or consent_seq(transaction, person)


def lift(transaction: Transaction, person: Pseudonym, now: int, *, source: str) -> int:
    """End a restriction: append again, per purpose, what stood before it, with the day it was said; return how many."""
    lifted = 0
    for purpose in RESTRICTABLE:
        held = state(transaction, person, purpose, _EVER)
        if held is not None and held.state is State.RESTRICTED:
            _append(transaction, *_before(transaction, person, purpose, held.place, now, source))
            lifted += 1
    return lifted


def _before(
    snapshot: Snapshot, person: Pseudonym, purpose: Purpose, place: str, now: int, source: str
) -> tuple[Consent, int, int]:
    """Return the newest fact that is no restriction, to be appended at `now`, and when it was said first."""
    row = snapshot.one(
        "SELECT state, basis, place, notice, evidence, guardian, material, ifnull(nullif(since, 0), at) FROM consents"
        " WHERE subject = ? AND purpose = ? AND state <> 'restricted' ORDER BY seq DESC LIMIT 1",
        (person, purpose.value),
    )
    if row is None:
        return Consent(person, purpose, State.LIFTED, place=place, source=source, basis="none"), now, 0
    said = Consent(
        person, purpose, State(row[0]), row[2], row[3], row[4], source, row[1], guardian=bool(row[5]), material=row[6]
    )
    return said, now, row[7]


_DECLARE: Final = (
    "INSERT INTO consents (subject, purpose, seq, at, state, basis, place, notice, evidence, source, age)"
    " SELECT ?, ?, ?, ?, 'declared', ?, ?, ?, ?, ?, ifnull("
    "(SELECT age FROM consents WHERE subject = ? ORDER BY seq DESC LIMIT 1), -1) WHERE NOT EXISTS"
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
            (subject, purpose.value, seq, at, said.basis, basis.place, said.notice, said.evidence, source, subject,
             subject, purpose.value, said.basis, basis.place, said.notice, subject, purpose.value)
            for subject in subjects
            for purpose, said in basis.purposes.items()
        ),
    )  # fmt: skip
    seal_rows(transaction, LOGGED, seq)


def state(snapshot: Snapshot, subject: Pseudonym, purpose: Purpose, up_to: int) -> Standing | None:
    """Return what counts for a person and purpose as of position `up_to`, None when they never said anything."""
    row = snapshot.one(
        f"SELECT {STANDING} FROM consents WHERE subject = ? AND purpose = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
        (subject, purpose.value, up_to),
    )
    return None if row is None else standing_of(row)


def standing_of(row: Row) -> Standing:
    """Return what a row of the columns STANDING says."""
    seq, said, basis, place, at, since, guardian, agreed = row
    if said == State.DECLARED:
        agreed = material.ANYTHING
    return Standing(seq, State(said), basis, place, since or at, bool(guardian), agreed)


def spoken(snapshot: Snapshot, subject: Pseudonym, purpose: Purpose, up_to: int) -> Spoken:
    """Return a person's newest fact of any purpose, and what counts for one purpose, as of position `up_to`."""
    rows = snapshot.all(_SPOKEN, (subject, up_to))
    if not rows:
        return NOTHING_SAID
    residence = rows.pop()[3] if rows[-1][0] == _PROFILE else ""
    if not rows:
        return Spoken(0, "", None, residence=residence)
    name, newest = purpose.value, rows[0]
    own = _own_place(snapshot, subject, rows, up_to) if newest[1] == "declared" else ""
    for row in rows:
        if row[8] == name:
            return Spoken(newest[0], newest[3], standing_of(row[:8]), newest[9], own, residence)
    counts = None if len(rows) < _NEAR else state(snapshot, subject, purpose, up_to)
    return Spoken(newest[0], newest[3], counts, newest[9], own, residence)


def _own_place(snapshot: Snapshot, subject: Pseudonym, near: Sequence[Row], up_to: int) -> str:
    """Return where a person said something here last; an import that came later does not move them."""
    for row in near:
        if row[1] != "declared" and row[3]:
            return str(row[3])
    found = snapshot.one(_OWN_PLACE, (subject, up_to)) if len(near) == _NEAR else None
    return "" if found is None else str(found[0])


def consent_seq(snapshot: Snapshot, *people: Pseudonym | None) -> int:
    """Return the position of the newest fact of any of these people; 0 when none ever said anything."""
    position = 0
    for person in people:
        if person is not None:
            row = snapshot.one("SELECT max(seq) FROM consents WHERE subject = ?", (person,))
            position = max(position, (row[0] or 0) if row else 0)
    return position


def upgrade(transaction: Transaction) -> None:
    """Give the ledger of an earlier release the columns it lacks; repeating it changes nothing."""
    for table, columns in (("consents", LATER_COLUMNS), ("notices_served", served.LATER_COLUMNS)):
        known = {row[1] for row in transaction.all(f"PRAGMA table_info({table})")}
        for name, kind in columns:
            if name not in known:
                transaction.run(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")


def holds_benchmark(snapshot: Snapshot) -> bool:
    """Return True when any data here rest on the basis `benchmark`, with which no shop may be served."""
    return snapshot.one("SELECT 1 FROM consents WHERE basis = 'benchmark' LIMIT 1") is not None


def history(snapshot: Snapshot, subject: Pseudonym) -> list[dict[str, str | int]]:
    """Return everything a person ever said, oldest first."""
    columns = ("purpose", "seq", "at", "state", "basis", "place", "notice", "evidence", "source", "age", "guardian")
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
