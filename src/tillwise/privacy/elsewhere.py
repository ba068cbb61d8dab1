"""What somebody chose in another tool: a no acts at once, a yes enters as declared, and never over their own word.

A yes is declared, not witnessed, and needs a notice and the evidence for it named; where this shop served that notice
to the person itself, it counts as given here. What was said here later than the record always stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from tillwise.errors import Conflict
from tillwise.privacy import ledger
from tillwise.privacy.consent import Choice, NothingAgreed, say
from tillwise.privacy.consent_record import Chosen
from tillwise.privacy.ledger import Consent, State
from tillwise.privacy.served import served
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

_NO: Final = (State.REFUSED, State.WITHDRAWN)
_EVER: Final = 2**62
ELSEWHERE: Final = "elsewhere:"
"""How the source of every fact that comes through here begins."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where choices come from. `tool` names it, `notice` and `evidence` what a yes rests on, `at` when they were made.

    `at` is on the log clock; None when nobody knows: then a no acts, and a yes counts only where nothing was said here.
    """

    tool: str
    notice: str = ""
    evidence: str = ""
    place: str = ""
    at: int | None = None

    @property
    def source(self) -> str:
        """Return what the ledger names as the source."""
        return ELSEWHERE + self.tool


def take_over(transaction: Transaction, person: Pseudonym, chosen: Chosen, origin: Origin, now: int) -> Counter[str]:
    """Append what is new; return how often what was done, in words for the person who imports."""
    counts: Counter[str] = Counter()
    for purpose, yes in chosen.purposes.items():
        counts[_take(transaction, person, purpose, origin, now, yes=yes)] += 1
    return counts


def _take(transaction: Transaction, person: Pseudonym, purpose: Purpose, origin: Origin, now: int, *, yes: bool) -> str:
    held = ledger.state(transaction, person, purpose, _EVER)
    here = held is not None and held.state is not State.DECLARED and not _foreign(transaction, person, purpose)
    if held is not None and origin.at is not None and here and held.at > origin.at:
        return "kept: they said something newer here"
    if not yes:
        if held is not None and held.state in _NO:
            return "known already"
        state = State.REFUSED if held is None else State.WITHDRAWN
        _append(transaction, Consent(person, purpose, state), origin, now)
        return "refused"
    if held is not None and held.state in (State.GIVEN, State.DECLARED) and held.basis == "consent":
        return "known already"
    return _yes(transaction, person, purpose, origin, now, here=here)


def _yes(transaction: Transaction, person: Pseudonym, purpose: Purpose, origin: Origin, now: int, *, here: bool) -> str:
    if here:
        return "kept: what they said here counts"
    if not (origin.notice and origin.evidence):
        return "left out: a yes without notice and evidence"
    if served(transaction, person, origin.notice) is not None:
        choice = Choice(purpose, State.GIVEN, origin.notice, origin.source, origin.place, evidence=origin.evidence)
        try:
            say(transaction, person, choice, now)
        except NothingAgreed:
            return "left out: the notice served here tells nothing of this purpose, or is another place's"
        except Conflict:
            return "left out: too young for a yes of their own"
        return "given on a notice served here"
    _append(transaction, Consent(person, purpose, State.DECLARED), origin, now)
    return "declared, not witnessed"


def _append(transaction: Transaction, consent: Consent, origin: Origin, now: int) -> None:
    ledger.record(
        transaction,
        replace(consent, place=origin.place, notice=origin.notice, evidence=origin.evidence, source=origin.source),
        now,
    )


def _foreign(transaction: Transaction, person: Pseudonym, purpose: Purpose) -> bool:
    """Return True when the newest word itself came from another tool: then its owner may change it there."""
    row = transaction.one(
        "SELECT source FROM consents WHERE subject = ? AND purpose = ? ORDER BY seq DESC LIMIT 1",
        (person, purpose.value),
    )
    return row is not None and str(row[0]).startswith(ELSEWHERE)


def read_categories(given: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[Purpose, ...]]:
    """Return `[consent.categories]` with purposes; the settings have checked the words."""
    return {name: tuple(Purpose(word) for word in words) for name, words in given.items()}
