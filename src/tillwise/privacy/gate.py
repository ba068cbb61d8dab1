"""The gate: the only maker of a Permit. The law is the first step of the road, not a document beside it.

What it holds to: unknown place, strictest rule; the person themselves decides (`subject` before `anonymous`, consent is
never transferred) and a refusal of either counts; fraud prevention rests on its own basis, which consent does not
switch off; with nobody known there is nothing personal to refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tillwise.privacy import ledger
from tillwise.privacy.ledger import BENCHMARK, Standing, State
from tillwise.privacy.permit import PastPermit, Permit, Withheld, seal
from tillwise.privacy.purposes import UNKNOWN, Default, Rule, Rulebook, load_rules, strictest
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Row, Snapshot

GPC = "gpc"
"""The Global Privacy Control signal, `Sec-GPC: 1`. It opts out of targeting, not of a shop's own recommendations."""
PROFILE = "personal"
"""The feature group a refusal withholds: everything that leads to the person."""
_TARGETING = frozenset({Purpose.MARKETING, Purpose.PRICE})
_ALIASES = {"UK": "GB", "EL": "GR"}
_REFUSALS = {State.REFUSED: "consent_refused", State.WITHDRAWN: "consent_withdrawn"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate finds: granted on a basis, or withheld for a cause."""

    granted: bool
    basis: str | None = None
    cause: str = ""


NOBODY: Final = Verdict(granted=True)
"""With nobody known there is nothing personal to read, and nobody to ask."""


def judge(rule: Rule, own: Standing | None, other: Standing | None, signals: frozenset[str]) -> Verdict:
    """Weigh what was said against what the place asks; `other` is the person's second identity in the session."""
    if rule.default is Default.BAN:
        return Verdict(granted=False, cause="banned_in_place")
    if rule.purpose is Purpose.FRAUD_PREVENTION:
        return Verdict(granted=rule.default is not Default.OPT_IN, basis=rule.basis, cause="no_basis_in_place")
    for standing in (own, other):
        if standing is not None and standing.state in _REFUSALS:
            return Verdict(granted=False, cause=_REFUSALS[standing.state])
    if own is not None and (own.state is State.GIVEN or own.basis in ("consent", BENCHMARK)):
        return Verdict(granted=True, basis=own.basis)
    return _unasked(rule, own, signals)


def _unasked(rule: Rule, own: Standing | None, signals: frozenset[str]) -> Verdict:
    """Judge somebody who agreed to nothing and refused nothing."""
    if rule.default is Default.OPT_IN:
        return Verdict(granted=False, cause="consent_missing")
    if rule.default is Default.OPT_OUT and GPC in signals and rule.purpose in _TARGETING:
        return Verdict(granted=False, cause=GPC)
    return Verdict(granted=True, basis=rule.basis if own is None else own.basis)


class Gate:
    """Makes permits. `default_place` is the shop's own place, for requests that name none; empty = unknown."""

    def __init__(
        self, *, default_place: str = "", rules: Rulebook | None = None, wall: Callable[[], int] = wall_now
    ) -> None:
        self._default_place = _place(default_place)
        self._rules = load_rules() if rules is None else rules
        self._wall = wall

    def permit(
        self,
        snapshot: Snapshot,
        *,
        purpose: Purpose,
        subject: Pseudonym | None,
        anonymous: Pseudonym | None = None,
        country: str | None,
        point: Point,
        signals: frozenset[str] = frozenset(),
    ) -> Permit:
        """Say what may be read of this person for this purpose at this point.

        `country` may carry a region (`US-CA`). The place somebody's own consent names counts too: of two places the
        stricter rule holds. A refusal is a Permit as well, with `granted` False and the cause in `withheld`.
        """
        up_to = point.mark // 2
        said = [
            ledger.spoken(snapshot, person, purpose, up_to) for person in (subject, anonymous) if person is not None
        ]
        rule = self._rule(purpose, country, said[0].place if said else "")
        if said or purpose is Purpose.FRAUD_PREVENTION:
            own = said[0].standing if said else None
            verdict = judge(rule, own, said[1].standing if len(said) > 1 else None, signals)
        else:
            verdict = NOBODY
        return Permit(
            seal=seal(),
            purpose=purpose,
            place=rule.place,
            basis=verdict.basis if verdict.granted else None,
            point=point,
            granted=verdict.granted,
            subject=subject,
            anonymous=anonymous,
            consent_seq=max([each.seq for each in said], default=0),
            withheld=() if verdict.granted else (Withheld(PROFILE, verdict.cause),),
            signals=tuple(sorted(signals)) if signals else (),
        )

    def again(self, past: PastPermit) -> Permit:
        """Return the permit of a past decision as its receipt tells it, to think again over values read back then.

        It grants no look at the log: for that, ask `permit` at the decision's own point.
        """
        return Permit(
            seal=seal(), purpose=past.purpose, place=past.place, basis=past.basis, point=past.point,
            granted=past.granted, consent_seq=past.consent_seq, withheld=past.withheld, signals=past.signals,
        )  # fmt: skip

    def training_permit(self, purpose: Purpose, point: Point) -> Permit:
        """Return the permit of a training table: rows must be readable for `purpose` and for `train`.

        Whose rows may be used at all is a second question: see `trainable`.
        """
        return Permit(
            seal=seal(), purpose=purpose, place=self._default_place or UNKNOWN, basis="train", point=point,
            granted=True, training=True,
        )  # fmt: skip

    def trainable(self, snapshot: Snapshot, purpose: Purpose) -> set[Pseudonym]:
        """Return everybody whose data may be used for `purpose` and to train, as of the snapshot."""
        wanted = (purpose.value, Purpose.TRAIN.value)
        said = {
            (row[0], row[1]): row
            for row in snapshot.all(
                "SELECT subject, purpose, seq, state, basis, place FROM consents WHERE purpose IN (?, ?) ORDER BY seq",
                wanted,
            )
        }
        return {
            Pseudonym(person)
            for person, country, declared in snapshot.all(
                "SELECT s.pseudonym, t.country, (SELECT c.place FROM consents c WHERE c.subject = s.pseudonym"
                " ORDER BY c.seq DESC LIMIT 1) FROM subjects s LEFT JOIN traits t ON t.subject = s.pseudonym"
            )
            if all(self._may(Purpose(name), (country, declared), said.get((person, name))) for name in wanted)
        }

    def _may(self, purpose: Purpose, places: tuple[str | None, str | None], row: Row | None) -> bool:
        own = None if row is None else Standing(row[2], State(row[3]), row[4], row[5])
        return judge(self._rule(purpose, *places), own, None, frozenset()).granted

    def _rule(self, purpose: Purpose, country: str | None, declared: str | None) -> Rule:
        places = [_place(place) for place in (country, declared) if place] or [self._default_place or UNKNOWN]
        wall = self._wall()
        if len(places) == 1 or places[0] == places[1]:
            return self._rules.rule(places[0], purpose, wall)
        found = strictest(self._rules.rule(place, purpose, wall) for place in places)
        assert found is not None  # noqa: S101 two places, two rules
        return found


def _place(text: str) -> str:
    """Return a place in capitals, under its ISO 3166-1 code where people write another."""
    place = text.upper()
    return _ALIASES.get(place[:2], place[:2]) + place[2:]
