"""Objections (GDPR 21): purposes end with the next decision; fraud checks go on, and a person looks at adverse ones.

An objection to fraud prevention is a standing fact in the consent ledger: the gate goes on, and every adverse decision
about that person opens a review case in the transaction of its receipt. Only adverse decisions cost the one look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from tillwise.decisions import receipts
from tillwise.decisions.receipts import Kept
from tillwise.decisions.use_case import UseCase
from tillwise.privacy import ledger
from tillwise.privacy.ledger import Consent
from tillwise.review.queue import open_case
from tillwise.rights.person import Person
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Transaction

SOURCE: Final = "objection"
RECENT_MS: Final = 30 * 86_400_000
"""Adverse decisions of so long ago are looked at again when somebody objects."""
_EVER: Final = 2**62


def end_purposes(transaction: Transaction, person: Person, purposes: Iterable[Purpose], now: int, place: str) -> None:
    """Append the end of these purposes for every key of the person, at `now` (log clock)."""
    for key in person.keys:
        for purpose in purposes:
            said = Consent(key, purpose, ledger.State.WITHDRAWN, place=place, source=SOURCE, basis=SOURCE)
            ledger.record(transaction, said, now)


def adverse_of(snapshot: Snapshot, person: Person, use_cases: Mapping[str, UseCase], since: int = 0) -> list[Kept]:
    """Return the adverse decisions about a person since a moment of the log clock, the newest first."""
    found = [receipts.look_up(snapshot, each) for each in reversed(person.decisions)]
    return [
        kept
        for kept in found
        if kept is not None and kept.receipt.at >= since and _adverse(kept, use_cases)
    ]  # fmt: skip


class ReviewObjected:
    """The hook on receipts: an adverse fraud decision about somebody who objected becomes a review case."""

    def __init__(self, use_cases: Mapping[str, UseCase]) -> None:
        self._use_cases = use_cases

    def __call__(self, transaction: Transaction, kept: Kept) -> None:
        """Open a case in the receipt's own transaction."""
        if not _adverse(kept, self._use_cases):
            return
        purpose = self._use_cases[kept.receipt.use_case].purpose
        for key in (kept.subject, kept.anonymous):
            said = None if key is None else ledger.state(transaction, key, purpose, _EVER)
            if said is not None and said.state is ledger.State.WITHDRAWN:
                open_case(transaction, kept)
                return


def _adverse(kept: Kept, use_cases: Mapping[str, UseCase]) -> bool:
    use_case = use_cases.get(kept.receipt.use_case)
    return use_case is not None and kept.receipt.decision.action in use_case.adverse
