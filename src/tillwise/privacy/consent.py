"""What a person says about a purpose, and what counts now: a yes counts only after its notice was served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.events.log import allocate
from tillwise.privacy import ledger
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.ledger import Consent, Standing, State
from tillwise.privacy.served import served
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Transaction

SAYABLE: Final = (State.GIVEN, State.REFUSED, State.WITHDRAWN)
_DAY_MS: Final = 86_400_000
_EVER: Final = 2**62
_DPV: Final = {
    State.GIVEN: "ConsentGiven",
    State.REFUSED: "ConsentRefused",
    State.WITHDRAWN: "ConsentWithdrawn",
    State.INVALIDATED: "ConsentInvalidated",
    State.RESTRICTED: "ConsentStatusInvalidForProcessing",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody says. `age` is weighed and never stored; `guardian` says a parent or guardian agreed too.

    `signals` came with the choice (`gpc`): both stand in the record.
    """

    purpose: Purpose
    state: State
    notice_id: str = ""
    source: str = "api"
    place: str = ""
    age: int | None = None
    guardian: bool = False
    signals: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Said:
    """A recorded choice; `at` is the log clock, `sha256` the notice they had read, `dpv` the state in DPV words."""

    choice: Choice
    seq: int
    at: int
    sha256: str
    dpv: str


@dataclass(frozen=True, slots=True)
class Status:
    """What counts for one purpose now; `dpv` is the state in the words of the W3C Data Privacy Vocabulary."""

    purpose: Purpose
    state: State
    dpv: str
    place: str
    seq: int
    at: int


def say(transaction: Transaction, person: Pseudonym, choice: Choice, now: int) -> Said:
    """Append a choice at `now` (log clock); every decision that starts after the commit acts on it.

    A yes raises NotFound when the notice it names was never served to this person, and Conflict when they are too young
    for it at their place. A no needs nothing.
    """
    if choice.state not in SAYABLE:
        raise InvalidInput(f"'{choice.state}' is nothing a person says", field="state")
    shown = served(transaction, person, choice.notice_id) if choice.notice_id else None
    if choice.state is State.GIVEN:
        if shown is None:
            raise NotFound(
                f"notice '{choice.notice_id[:40]}' was never served to this person: fetch GET /notice for them,"
                " show it, and send its notice_id"
            )
        _check_age(choice)
    before = ledger.state(transaction, person, choice.purpose, _EVER)
    sha256 = shown[0] if shown else ""
    signals = ",".join(sorted(choice.signals))
    evidence = "; ".join(
        part
        for part in (sha256, f"signals: {signals}" if signals else "", "guardian agreed" if choice.guardian else "")
        if part
    )
    consent = Consent(
        person, choice.purpose, choice.state, place=choice.place, notice=choice.notice_id if shown else "",
        evidence=evidence, source=choice.source,
    )  # fmt: skip
    seq, at = ledger.record(transaction, consent, now)
    renewed = choice.state is State.GIVEN and before is not None and before.state is State.GIVEN
    return Said(choice, seq, at, sha256, "RenewedConsentGiven" if renewed else _DPV[choice.state])


def _check_age(choice: Choice) -> None:
    if choice.age is None:
        return
    rule = load_jurisdictions().age(choice.place)
    if rule.bars(choice.purpose, choice.age):
        raise Conflict(f"nobody aged {choice.age} may be asked for {choice.purpose} in {choice.place}: {rule.source}")
    if choice.age < rule.consent and not choice.guardian:
        raise Conflict(
            f"below {rule.consent} a parent or guardian has to agree ({rule.source}): ask them and send guardian: true"
        )


def current(snapshot: Snapshot, person: Pseudonym, at: int) -> list[Status]:
    """Return what counts for each purpose this person, or an import, ever spoke about, as of `at` (log clock)."""
    rows = snapshot.all(
        "SELECT c.purpose, c.seq, c.state, c.basis, c.place, c.at FROM consents c WHERE c.subject = ? AND c.seq ="
        " (SELECT max(n.seq) FROM consents n WHERE n.subject = c.subject AND n.purpose = c.purpose) ORDER BY c.purpose",
        (person,),
    )
    found = []
    for name, *rest in rows:
        standing = Standing(rest[0], State(rest[1]), *rest[2:])
        found.append(
            Status(Purpose(name), standing.state, _dpv(standing, at), standing.place, standing.seq, standing.at)
        )
    return found


def _dpv(standing: Standing, at: int) -> str:
    agreed = standing.state is State.GIVEN or (standing.state is State.DECLARED and standing.basis == "consent")
    if not agreed:
        return _DPV.get(standing.state, "ConsentUnknown")
    days = load_jurisdictions().consent_days(standing.place)
    return "ConsentExpired" if days and at - standing.at > days * _DAY_MS else "ConsentGiven"


def invalidate(transaction: Transaction, notice_id: str, now: int, *, why: str) -> int:
    """Let every yes that rests on a notice count no more, for instance because its text was wrong; return how many."""
    rows = transaction.all(
        "SELECT c.subject, c.purpose, c.place FROM consents c WHERE c.notice = ? AND c.state = 'given' AND c.seq ="
        " (SELECT max(n.seq) FROM consents n WHERE n.subject = c.subject AND n.purpose = c.purpose)",
        (notice_id,),
    )
    if rows:
        seq, at = allocate(transaction, 1, now)
        transaction.run_many(
            "INSERT INTO consents (subject, purpose, seq, at, state, basis, place, notice, evidence, source)"
            " VALUES (?, ?, ?, ?, 'invalidated', 'none', ?, ?, ?, 'shop')",
            [(subject, purpose, seq, at, place, notice_id, why) for subject, purpose, place in rows],
        )
    return len(rows)
