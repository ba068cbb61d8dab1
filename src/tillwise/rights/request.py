"""A person's request: what was asked, until when the law wants an answer, and what came of it."""

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
)
DAY: Final = 86_400_000


class Kind(StrEnum):
    """What may be asked."""

    ACCESS = "access"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    PORTABILITY = "portability"
    OBJECTION = "objection"
    EXPLANATION = "explanation"
    HUMAN_REVIEW = "human_review"


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


class Refusal(StrEnum):
    """Why a request may be refused; nothing else is a reason. The laws differ in which of them they know."""

    IDENTITY_NOT_PROVEN = "identity_not_proven"
    MANIFESTLY_UNFOUNDED = "manifestly_unfounded"
    EXCESSIVE = "excessive"
    LEGAL_OBLIGATION = "legal_obligation"
    LEGAL_CLAIMS = "legal_claims"
    RIGHTS_OF_OTHERS = "rights_of_others"
    RIGHT_DOES_NOT_APPLY = "right_does_not_apply"


@dataclass(frozen=True, slots=True)
class Deadline:
    """Within how many days a law wants an answer, by how many it may be extended, and which law it is."""

    days: int
    extension: int
    law: str


STRICTEST: Final = Deadline(15, 0, "unknown place: the shortest deadline of any law here")
DEADLINES: Final = {
    "US-CA": Deadline(45, 45, "CCPA Regs. 7021"),
    "US": Deadline(45, 45, "state privacy acts, such as Va. Code 59.1-577"),
    "BR": Deadline(15, 0, "LGPD 19"),
    "CA-QC": Deadline(30, 0, "P-39.1, 32"),
    "CA": Deadline(30, 30, "PIPEDA 8"),
    "IN": Deadline(90, 0, "DPDP Rules 14"),
    "CN": Deadline(30, 0, "PIPL 50"),
    "GB": Deadline(30, 60, "UK GDPR 12(3)"),
}
"""Reviewed 2026-11. A month is counted as 30 days, so that no calendar makes us late."""
EEA: Final = frozenset({
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU", "MT",
    "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO",
})  # fmt: skip
_GDPR: Final = Deadline(30, 60, "GDPR 12(3)")


def deadline_of(place: str) -> Deadline:
    """Return the deadline of a place such as `DE` or `US-CA`; an unknown one has the strictest."""
    country = place.partition("-")[0]
    if country in EEA:
        return _GDPR
    return DEADLINES.get(place) or DEADLINES.get(country) or STRICTEST


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
    """Whether the caller says that they checked who is asking."""
    refusal: Refusal | None
    finished: Milliseconds | None
    result: str

    def overdue(self, wall: Milliseconds) -> bool:
        """Return True when the law's deadline has passed without an answer."""
        return self.finished is None and wall > self.deadline
