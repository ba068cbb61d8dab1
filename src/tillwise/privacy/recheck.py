"""The look before a receipt is written: does everybody it is about still stand where the decision saw them?"""

from __future__ import annotations

from typing import Final

from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Snapshot

_STILL: Final = (
    "SELECT (SELECT max(seq) FROM consents WHERE subject = ?), EXISTS (SELECT 1 FROM subjects WHERE pseudonym = ?)"
)


def still_stands(snapshot: Snapshot, consent_seq: int, *people: Pseudonym | None) -> bool:
    """Return whether nobody here was erased, and none of them said anything after position `consent_seq`.

    One statement per person answers both: an erasure takes a position of the log as a consent does (rights/erasure.py),
    so a receipt is looked at whenever either may have happened, and at no other time.
    """
    newest = 0
    for person in people:
        if person is not None:
            row = snapshot.one(_STILL, (person, person))
            if row is None or not row[1]:
                return False
            newest = max(newest, row[0] or 0)
    return newest == consent_seq
