"""What a person says about a purpose, and what counts now: a yes counts only after its notice was served."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.privacy import ledger
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.ledger import Consent, Standing, State
from tillwise.privacy.material import covers, read_materials
from tillwise.privacy.notice_place import stands_at
from tillwise.privacy.purposes import UNKNOWN
from tillwise.privacy.served import Shown, served
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Transaction

SAYABLE: Final = (State.GIVEN, State.REFUSED, State.WITHDRAWN, State.IMPLIED)
_DAY_MS: Final = 86_400_000
_EVER: Final = 2**62
_DPV: Final = {
    State.GIVEN: "ConsentGiven",
    State.REFUSED: "ConsentRefused",
    State.WITHDRAWN: "ConsentWithdrawn",
    State.INVALIDATED: "ConsentInvalidated",
    State.RESTRICTED: "ConsentStatusInvalidForProcessing",
}


class NothingAgreed(Conflict):
    """A notice was served, and a yes on it would stand for nothing: it tells nothing of this purpose, or place."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody says; `implied` is their going on after a notice, and counts only where nobody has to be asked.

    Of `age` (years) the band is kept, for every later decision; `guardian` says a parent or guardian agreed too.
    `signals` came with the choice (`gpc`): both stand in the record. `evidence` is where a proof kept elsewhere lies.
    """

    purpose: Purpose
    state: State
    notice_id: str = ""
    source: str = "api"
    place: str = ""
    age: int | None = None
    guardian: bool = False
    signals: frozenset[str] = frozenset()
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A recorded choice; `at` is the log clock, `sha256` the notice they had read, `dpv` the state in DPV words.

    `shown_at` is when that notice was served (log clock, 0 without one): a moment before `at` for a yes asked just in
    time. `material` is what it stood for, for this purpose.
    """

    choice: Choice
    seq: int
    at: int
    sha256: str
    dpv: str
    shown_at: int = 0
    language: str = ""
    """Of that notice; "" without one."""
    material: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """What counts for one purpose now; `dpv` is the state in the words of the W3C Data Privacy Vocabulary.

    `renew` is True when a yes no longer covers what the purpose uses today: ask again, with the notice in force.
    """

    purpose: Purpose
    state: State
    dpv: str
    place: str
    seq: int
    at: int
    renew: bool = False


def say(transaction: Transaction, person: Pseudonym, choice: Choice, now: int) -> Said:
    """Append a choice at `now` (log clock); every decision that starts after the commit acts on it.

    A yes raises NotFound when the notice it names was never served to this person; Conflict when that notice tells
    nothing of the purpose or is another place's, and when they are too young for a yes at their place. Going on without
    a word raises it after a no (GDPR 7(3), 21(3)), and after a yes, which says more. A no needs nothing.
    """
    if choice.state not in SAYABLE:
        raise InvalidInput(f"'{choice.state}' is nothing a person says", field="state")
    shown = served(transaction, person, choice.notice_id) if choice.notice_id else None
    if choice.state in (State.GIVEN, State.IMPLIED):
        if shown is None:
            raise NotFound(
                f"notice '{choice.notice_id[:40]}' was never served to this person: fetch GET /notice for them"
                " (or run `tillwise consent notice`), show it, and name its notice_id"
            )
        choice = _stand(transaction, person, choice, shown)
        _check_age(transaction, person, choice)
        if choice.state is State.IMPLIED:
            _check_silence(transaction, person, choice.purpose)
    before = ledger.state(transaction, person, choice.purpose, _EVER)
    keep_age(transaction, person, choice, now)
    consent = Consent(
        person, choice.purpose, choice.state, place=choice.place, notice=choice.notice_id if shown else "",
        evidence=_evidence(choice, shown), source=choice.source, guardian=choice.guardian,
        basis="notice" if choice.state is State.IMPLIED else "consent",
        material=shown.material(choice.purpose) if shown else "",
    )  # fmt: skip
    seq, at = ledger.record(transaction, consent, now)
    renewed = choice.state is State.GIVEN and before is not None and before.state is State.GIVEN
    dpv = "RenewedConsentGiven" if renewed else _DPV.get(choice.state, "ConsentUnknown")
    if shown is None:
        return Said(choice, seq, at, "", dpv)
    return Said(choice, seq, at, shown.sha256, dpv, shown.at, shown.language, consent.material)


def keep_age(transaction: Transaction, person: Pseudonym, choice: Choice, now: int) -> None:
    """Keep the age told with a choice that was refused: who knows it has to go by it (16 CFR 312.2; CCPA 1798.120)."""
    if choice.age is not None:
        ledger.know_age(transaction, person, choice.age, now, source=choice.source, place=choice.place)


def _stand(snapshot: Snapshot, person: Pseudonym, choice: Choice, shown: Shown) -> Choice:
    """Return a choice that its notice stands for, at the notice's place where nobody knows another; NothingAgreed."""
    place = choice.place or ledger.spoken(snapshot, person, choice.purpose, _EVER).place
    if place and not stands_at(shown.place, place):
        raise NothingAgreed(
            f"notice '{choice.notice_id}' tells the law of {shown.place}, and this is said in {place}: show them the"
            f" notice of {place} (GET /notice?country={place}) and name its notice_id"
        )
    if not shown.names(choice.purpose):
        raise NothingAgreed(
            f"notice '{choice.notice_id}' does not stand for '{choice.purpose}': it tells of no such use, so there is"
            " nothing to agree to. Ask once this shop uses data for it, with the notice then in force"
        )
    return choice if place or shown.place == UNKNOWN else replace(choice, place=shown.place)


def _check_silence(snapshot: Snapshot, person: Pseudonym, purpose: Purpose) -> None:
    """Raise Conflict when the person spoke for themselves: silence neither takes a no back nor replaces a yes."""
    row = snapshot.one(
        "SELECT state, basis FROM consents WHERE subject = ? AND purpose = ? AND state <> 'restricted'"
        " ORDER BY seq DESC LIMIT 1",
        (person, purpose.value),
    )
    if row is None:
        return
    state, basis = row
    if state in (State.REFUSED, State.WITHDRAWN):
        raise Conflict("they said no: going on without a word does not take it back, only their own yes does")
    if state == State.GIVEN or (state == State.DECLARED and basis == "consent"):
        raise Conflict("they said yes: that stands, and going on without a word says less")


def _evidence(choice: Choice, shown: Shown | None) -> str:
    signals = ",".join(sorted(choice.signals))
    parts = (
        shown.sha256 if shown else "",
        f"signals: {signals}" if signals else "",
        "guardian agreed" if choice.guardian else "",
        choice.evidence,
    )
    return "; ".join(part for part in parts if part)


def _check_age(snapshot: Snapshot, person: Pseudonym, choice: Choice) -> None:
    """Raise Conflict when the age told now, or known from before, is too young for a yes at the person's place."""
    newest = ledger.spoken(snapshot, person, choice.purpose, _EVER)
    age = newest.age if choice.age is None else choice.age
    if age < 0:
        return
    place = choice.place or newest.place
    laws = load_jurisdictions()
    limits, source = laws.limits(place, choice.purpose), laws.age(place).source
    if age < limits.banned:
        raise Conflict(f"nobody aged {age} may be asked for {choice.purpose} in {place}: {source}")
    if age < limits.guardian and not choice.guardian:
        raise Conflict(
            f"below {limits.guardian} a parent or guardian has to agree ({source}): ask them and say that they did"
        )


def current(snapshot: Snapshot, person: Pseudonym, at: int) -> list[Status]:
    """Return what counts for each purpose this person, or an import, ever spoke about, as of `at` (log clock)."""
    rows = snapshot.all(
        f"SELECT purpose, {ledger.STANDING} FROM consents"
        " WHERE subject = ? AND purpose <> 'age' AND seq = (SELECT max(n.seq) FROM consents n"
        " WHERE n.subject = consents.subject AND n.purpose = consents.purpose) ORDER BY purpose",
        (person,),
    )
    needed = read_materials(snapshot)
    found = []
    for name, *rest in rows:
        purpose, standing = Purpose(name), ledger.standing_of(tuple(rest))
        agreed = _agreed(standing)
        renew = agreed and not covers(standing.material, needed.get(purpose, ""))
        dpv = _DPV.get(standing.state, "ConsentUnknown")
        if agreed:
            dpv = "ConsentExpired" if renew or _ran_out(standing, at) else "ConsentGiven"
        found.append(Status(purpose, standing.state, dpv, standing.place, standing.seq, standing.at, renew))
    return found


def known_band(snapshot: Snapshot, person: Pseudonym) -> int:
    """Return the age band known of a person (see privacy/age.py), UNKNOWN_AGE when nobody told it."""
    return ledger.spoken(snapshot, person, Purpose.SERVICE, _EVER).age


def _agreed(standing: Standing) -> bool:
    return standing.state is State.GIVEN or (standing.state is State.DECLARED and standing.basis == "consent")


def _ran_out(standing: Standing, at: int) -> bool:
    days = load_jurisdictions().consent_days(standing.place)
    return bool(days) and at - standing.at > days * _DAY_MS


def invalidate(transaction: Transaction, notice_id: str, now: int, *, why: str) -> int:
    """Let every yes that rests on a notice count no more, for instance because its text was wrong; return how many.

    A yes that a restriction put on hold is found too: it does not come back with the hold's end.
    """
    rows = transaction.all(
        "SELECT c.subject, c.purpose, c.place FROM consents c WHERE c.notice = ? AND c.state = 'given' AND c.seq ="
        " (SELECT max(n.seq) FROM consents n WHERE n.subject = c.subject AND n.purpose = c.purpose"
        " AND n.state <> 'restricted')",
        (notice_id,),
    )
    for subject, purpose, place in rows:
        found = Consent(Pseudonym(subject), Purpose(purpose), State.INVALIDATED, place, notice_id, why, "shop", "none")
        ledger.record(transaction, found, now)
    return len(rows)
