"""Weighs what a person said against what their place asks. Pure: rules, words and signals in, a verdict out."""

from __future__ import annotations

from typing import Final, NamedTuple

from tillwise.privacy.age import UNKNOWN_AGE
from tillwise.privacy.ledger import BENCHMARK, Standing, State
from tillwise.privacy.material import covers
from tillwise.privacy.purposes import Default, Rule
from tillwise.vocabulary.purpose import Purpose

GPC: Final = "gpc"
"""The Global Privacy Control signal, `Sec-GPC: 1`. Which purposes it switches off where, the rules say."""
_DAY_MS: Final = 86_400_000
_REFUSALS: Final = {State.REFUSED: "consent_refused", State.WITHDRAWN: "consent_withdrawn"}


class Verdict(NamedTuple):
    """What the gate finds: granted on a basis, or withheld for a cause."""

    granted: bool
    basis: str | None = None
    cause: str = ""


NOBODY: Final = Verdict(granted=True)
"""With nobody known there is nothing personal to read, and nobody to ask."""


class Known(NamedTuple):
    """What is known beside words and signals: the age band (see privacy/age.py), and what the use needs today.

    `laxer` says that the word is an import's, and that the place it was declared for asks less than one that counts.
    """

    age: int = UNKNOWN_AGE
    material: str = ""
    laxer: bool = False


NOTHING_KNOWN: Final = Known()


def judge(
    rule: Rule,
    own: Standing | None,
    other: Standing | None,
    signals: frozenset[str],
    at: int,
    known: Known = NOTHING_KNOWN,
) -> Verdict:
    """Weigh what was said up to `at` (log clock); `other` is the person's second identity in the session.

    A person's own yes outweighs a signal, what an import declares does not, and a refusal outweighs everything; word
    and signal both stand in the permit.
    Below the ages of the place silence is no yes, a yes needs a guardian's, or no yes counts at all.
    """
    age = rule.age
    years = 0 if known.age == UNKNOWN_AGE and age.unknown_is_minor else known.age
    minor = years != UNKNOWN_AGE
    cause = _barred(rule, own, other, banned=minor and years < age.banned)
    if cause:
        return Verdict(granted=False, cause=cause)
    if rule.purpose is Purpose.FRAUD_PREVENTION:
        return Verdict(granted=rule.default is not Default.OPT_IN, basis=rule.basis, cause="no_basis_in_place")
    young = minor and years < age.ask
    if own is None:
        return _unasked(rule, rule.basis, signals, "consent_missing", young=young)
    if minor and years < age.guardian and not own.guardian and own.basis != BENCHMARK:
        return Verdict(granted=False, cause="guardian_missing")
    return _weighed(rule, own, signals, at, known, young=young)


def _barred(rule: Rule, own: Standing | None, other: Standing | None, *, banned: bool) -> str:
    """Return why no yes, signal or silence is looked at any more; "" when nothing bars the use."""
    words = [standing.state for standing in (own, other) if standing is not None]
    if State.RESTRICTED in words:
        return "restricted"
    if rule.default is Default.BAN:
        return "banned_in_place"
    if rule.purpose is Purpose.FRAUD_PREVENTION:
        return ""
    for state in words:
        if state in _REFUSALS:
            return _REFUSALS[state]
    return "banned_for_minors" if banned else ""


def expired(rule: Rule, said: Standing, at: int) -> bool:
    """Return True when a yes is older than the place lets it count."""
    return rule.consent_days > 0 and at - said.at > rule.consent_days * _DAY_MS


def _weighed(rule: Rule, own: Standing, signals: frozenset[str], at: int, known: Known, *, young: bool) -> Verdict:
    """Judge somebody who said something, and did not refuse."""
    if own.basis == BENCHMARK:
        return Verdict(granted=True, basis=own.basis)
    basis, cause = rule.basis, ""
    if own.state is State.INVALIDATED:
        cause = "consent_invalidated"
    elif own.state in (State.LIFTED, State.IMPLIED):
        cause = "consent_missing"
    elif known.laxer:
        cause = "consent_missing"  # what was agreed to under a law that asks less is no yes under this one
    elif own.state is not State.GIVEN and own.basis != "consent":
        basis, cause = own.basis, "consent_missing"
    elif expired(rule, own, at):
        cause = "consent_expired"
    elif not covers(own.material, known.material):
        cause = "consent_renewal_needed"
    elif own.state is State.DECLARED:
        cause = _heeded(rule, signals)
    if not cause:
        return Verdict(granted=True, basis=own.basis)
    return _unasked(rule, basis, signals, cause, young=young)


def _unasked(rule: Rule, basis: str, signals: frozenset[str], cause: str, *, young: bool) -> Verdict:
    """Judge somebody whose yes does not count and who refused nothing."""
    if young or rule.default is Default.OPT_IN:
        return Verdict(granted=False, cause=cause)
    signal = _heeded(rule, signals)
    return Verdict(granted=False, cause=signal) if signal else Verdict(granted=True, basis=basis)


def _heeded(rule: Rule, signals: frozenset[str]) -> str:
    """Return a signal that switches the purpose off here, "" when none does."""
    return next((signal for signal in rule.signals if signal in signals), "")
