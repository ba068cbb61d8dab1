"""Weighs what a person said against what their place asks. Pure: rules, words and signals in, a verdict out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tillwise.privacy.ledger import BENCHMARK, Standing, State
from tillwise.privacy.purposes import Default, Rule
from tillwise.vocabulary.purpose import Purpose

GPC: Final = "gpc"
"""The Global Privacy Control signal, `Sec-GPC: 1`. Which purposes it switches off where, the rules say."""
_DAY_MS: Final = 86_400_000
_REFUSALS: Final = {State.REFUSED: "consent_refused", State.WITHDRAWN: "consent_withdrawn"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate finds: granted on a basis, or withheld for a cause."""

    granted: bool
    basis: str | None = None
    cause: str = ""


NOBODY: Final = Verdict(granted=True)
"""With nobody known there is nothing personal to read, and nobody to ask."""


def judge(rule: Rule, own: Standing | None, other: Standing | None, signals: frozenset[str], at: int) -> Verdict:
    """Weigh what was said up to `at` (log clock); `other` is the person's second identity in the session.

    An explicit yes outweighs a signal, and a refusal outweighs everything; word and signal both stand in the permit.
    """
    for standing in (own, other):
        if standing is not None and standing.state is State.RESTRICTED:
            return Verdict(granted=False, cause="restricted")
    if rule.default is Default.BAN:
        return Verdict(granted=False, cause="banned_in_place")
    if rule.purpose is Purpose.FRAUD_PREVENTION:
        return Verdict(granted=rule.default is not Default.OPT_IN, basis=rule.basis, cause="no_basis_in_place")
    for standing in (own, other):
        if standing is not None and standing.state in _REFUSALS:
            return Verdict(granted=False, cause=_REFUSALS[standing.state])
    if own is None:
        return _unasked(rule, rule.basis, signals, "consent_missing")
    return _weighed(rule, own, signals, at)


def expired(rule: Rule, said: Standing, at: int) -> bool:
    """Return True when a yes is older than the place lets it count."""
    return rule.consent_days > 0 and at - said.at > rule.consent_days * _DAY_MS


def _weighed(rule: Rule, own: Standing, signals: frozenset[str], at: int) -> Verdict:
    """Judge somebody who said something, and did not refuse."""
    if own.state is State.INVALIDATED:
        return _unasked(rule, rule.basis, signals, "consent_invalidated")
    if own.state in (State.LIFTED, State.IMPLIED):
        return _unasked(rule, rule.basis, signals, "consent_missing")
    if own.basis == BENCHMARK:
        return Verdict(granted=True, basis=own.basis)
    if own.state is not State.GIVEN and own.basis != "consent":
        return _unasked(rule, own.basis, signals, "consent_missing")
    if expired(rule, own, at):
        return _unasked(rule, rule.basis, signals, "consent_expired")
    return Verdict(granted=True, basis=own.basis)


def _unasked(rule: Rule, basis: str, signals: frozenset[str], cause: str) -> Verdict:
    """Judge somebody whose yes does not count and who refused nothing."""
    if rule.default is Default.OPT_IN:
        return Verdict(granted=False, cause=cause)
    for signal in signals:
        if signal in rule.signals:
            return Verdict(granted=False, cause=signal)
    return Verdict(granted=True, basis=basis)
