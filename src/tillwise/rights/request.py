"""A person's request: what was asked, until when the law wants an answer, each step on the way, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tillwise.vocabulary.clock import Milliseconds

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS rights_requests (id TEXT PRIMARY KEY, person BLOB NOT NULL, kind TEXT NOT NULL,"
    " place TEXT NOT NULL, law TEXT NOT NULL, received INTEGER NOT NULL, deadline INTEGER NOT NULL,"
    " extended INTEGER NOT NULL, state TEXT NOT NULL, identity INTEGER NOT NULL, refusal TEXT, finished INTEGER,"
    " result TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS rights_requests_person ON rights_requests (person)",
    "CREATE INDEX IF NOT EXISTS rights_requests_open ON rights_requests (deadline) WHERE finished IS NULL",
    "CREATE INDEX IF NOT EXISTS rights_requests_received ON rights_requests (received)",
    "CREATE TABLE IF NOT EXISTS rights_steps (request TEXT NOT NULL, n INTEGER NOT NULL, wall INTEGER NOT NULL,"
    " what TEXT NOT NULL, state TEXT NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (request, n))"
    " STRICT, WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS rights_asked (request TEXT PRIMARY KEY, subject INTEGER, until INTEGER NOT NULL,"
    " sealed BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS rights_asked_subject ON rights_asked (subject) WHERE subject IS NOT NULL",
)
"""`rights_requests` and `rights_steps` name nobody and stay. `rights_asked` says who asked what, sealed, while it is
needed to answer: it ends with the request, or with the days in which a copy may be fetched."""
DAY: Final = 86_400_000
SOON: Final = 7 * DAY
"""From so long before its deadline on, a request is warned about."""
FETCH_DAYS: Final = 30
"""For so long after the answer a copy may be fetched; it is made afresh each time and never kept."""


class Kind(StrEnum):
    """What may be asked (GDPR 15-18, 20-22; CJEU C-203/22)."""

    ACCESS = "access"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    PORTABILITY = "portability"
    OBJECTION = "objection"
    RESTRICTION = "restriction"
    LIFTING = "lift_restriction"
    EXPLANATION = "explanation"
    HUMAN_REVIEW = "human_review"


HANDED: Final = frozenset({Kind.ACCESS, Kind.PORTABILITY, Kind.EXPLANATION})
"""What ends with something to hand over."""


class State(StrEnum):
    """Where a request stands."""

    RECEIVED = "received"
    VERIFYING = "verifying"
    WORKING = "working"
    DONE = "done"
    REFUSED = "refused"


NEXT: Final = {
    State.RECEIVED: frozenset({State.VERIFYING, State.WORKING, State.REFUSED}),
    State.VERIFYING: frozenset({State.WORKING, State.REFUSED}),
    State.WORKING: frozenset({State.DONE, State.REFUSED}),
    State.DONE: frozenset[State](),
    State.REFUSED: frozenset[State](),
}
"""From each state, the states that may follow; done and refused are final."""
FINAL: Final = frozenset({State.DONE, State.REFUSED})


class Refusal(StrEnum):
    """Why a request may be refused; nothing else is a reason. The laws differ in which of them they know."""

    IDENTITY_NOT_PROVEN = "identity_not_proven"
    MANIFESTLY_UNFOUNDED = "manifestly_unfounded"
    EXCESSIVE = "excessive"
    LEGAL_OBLIGATION = "legal_obligation"
    LEGAL_CLAIMS = "legal_claims"
    RIGHTS_OF_OTHERS = "rights_of_others"
    RIGHT_DOES_NOT_APPLY = "right_does_not_apply"

    @property
    def dpv(self) -> str:
        """Return the name of this reason in the justifications of the W3C Data Privacy Vocabulary 2."""
        return f"justifications:{_REFUSALS[self]}"


_REFUSALS: Final = {
    Refusal.IDENTITY_NOT_PROVEN: "IdentityVerificationFailure",
    Refusal.MANIFESTLY_UNFOUNDED: "ProcessUnfounded",
    Refusal.EXCESSIVE: "ProcessExcessive",
    Refusal.LEGAL_OBLIGATION: "LegalObligationImpaired",
    Refusal.LEGAL_CLAIMS: "LegalClaimImpaired",
    Refusal.RIGHTS_OF_OTHERS: "ThirdPartyRightsImpaired",
    Refusal.RIGHT_DOES_NOT_APPLY: "LegallyExempted",
}


class Delay(StrEnum):
    """Why an answer may take longer; the person is told so (GDPR 12(3))."""

    COMPLEX = "complex"
    MANY_REQUESTS = "many_requests"

    @property
    def dpv(self) -> str:
        """Return the name of this reason in the justifications of the W3C Data Privacy Vocabulary 2."""
        return f"justifications:{'ComplexityOfProcess' if self is Delay.COMPLEX else 'HighVolumeOfProcesses'}"

    @property
    def told(self) -> str:
        """Return the sentence the person is told."""
        if self is Delay.COMPLEX:
            return "Your request is complex, so we need more time to answer it."
        return "We are answering many requests at the moment, so we need more time for yours."


@dataclass(frozen=True, slots=True)
class RightsRequest:
    """One request. Times are the wall clock, Unix ms. It names no person: `person` is a keyed mark."""

    id: str
    person: bytes
    kind: Kind
    place: str
    law: str
    received: Milliseconds
    deadline: Milliseconds
    extended: bool
    state: State
    identity: bool
    """Whether somebody checked who is asking."""
    refusal: Refusal | None
    finished: Milliseconds | None
    result: str

    def overdue(self, wall: Milliseconds) -> bool:
        """Return True when the law's deadline has passed without an answer."""
        return self.finished is None and wall > self.deadline

    def soon(self, wall: Milliseconds) -> bool:
        """Return True when fewer than seven days are left."""
        return self.finished is None and not self.overdue(wall) and self.deadline - wall < SOON


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a request: when, what, in which state it was then, who did it (a key or a login), and why."""

    wall: Milliseconds
    what: str
    state: State
    who: str
    reason: str
