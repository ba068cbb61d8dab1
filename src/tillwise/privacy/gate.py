"""The gate: the only maker of a Permit. The law is the first step of the road, not a document beside it.

What it holds to: every place that is known of somebody counts (their profile, the request, what they said, what an
import declared), the strictest of them decides, and an unknown place has the strictest rule of all; the person
themselves decides (`subject` before `anonymous`, consent is never transferred) and a refusal of either counts; fraud
prevention rests on its own basis, which consent does not switch off; with nobody known there is nothing to refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tillwise.events.log import read_head
from tillwise.privacy import ledger
from tillwise.privacy.age import UNKNOWN_AGE, youngest
from tillwise.privacy.judgement import NOBODY, Known, judge
from tillwise.privacy.jurisdictions import disclosure_codes
from tillwise.privacy.ledger import Spoken, Standing, State
from tillwise.privacy.permit import PastPermit, Permit, Withheld, seal
from tillwise.privacy.purposes import UNKNOWN, Rule, Rulebook
from tillwise.privacy.rule_file import load_rules
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Row, Snapshot

PROFILE = "personal"
"""The feature group a refusal withholds: everything that leads to the person."""
_ALIASES = {"UK": "GB", "EL": "GR"}
_EVERYBODY: Final = (
    "SELECT s.pseudonym, s.anonymous,"
    " (SELECT c.age FROM consents c WHERE c.subject = s.pseudonym ORDER BY c.seq DESC LIMIT 1), t.country,"
    " (SELECT c.place FROM consents c WHERE c.subject = s.pseudonym ORDER BY c.seq DESC LIMIT 1),"
    " (SELECT c.place FROM consents c WHERE c.subject = s.pseudonym AND c.state <> 'declared' ORDER BY c.seq DESC"
    " LIMIT 1) FROM subjects s LEFT JOIN traits t ON t.subject = s.pseudonym"
)
"""Everybody, with their age band and every place that is known of them."""


class Gate:
    """Makes permits. `default_place` is the shop's own place, for requests that name none; empty = unknown."""

    def __init__(
        self, *, default_place: str = "", rules: Rulebook | None = None, wall: Callable[[], int] = wall_now
    ) -> None:
        self._default_place = place_of(default_place)
        self._rules = load_rules() if rules is None else rules
        self._wall = wall
        self._materials: Mapping[Purpose, str] = {}
        self._then: tuple[str, ...] = ()

    @property
    def rules(self) -> Rulebook:
        """Return the rules in force."""
        return self._rules

    def adopt(self, rules: Rulebook) -> None:
        """Judge by other rules from the next permit on."""
        self._rules = rules

    def need(self, materials: Mapping[Purpose, str]) -> None:
        """Say what each purpose uses (privacy/material.py): a yes that did not cover it has to be renewed."""
        self._materials = materials

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

        `country` is what the request says and may carry a region (`US-CA`). What is known of the person counts too: of
        several places the strictest rule holds, and the permit names its place. A refusal is a Permit as well, with
        `granted` False and the cause in `withheld`.
        """
        up_to = point.mark // 2
        said = [
            ledger.spoken(snapshot, person, purpose, up_to) for person in (subject, anonymous) if person is not None
        ]
        rules = self._rules
        visitor = subject is None and anonymous is not None
        places = self._places((country,), said)
        wall = self._wall()
        rule = self._rule(purpose, places, wall, visitor=visitor)
        if said or purpose is Purpose.FRAUD_PREVENTION:
            own = said[0].standing if said else None
            other = said[1].standing if len(said) > 1 else None
            age = youngest(*[each.age for each in said])
            laxer = own is not None and self._laxer(own, purpose, places, wall, visitor=visitor)
            known = Known(age, self._materials.get(purpose, ""), laxer)
            verdict = judge(rule, own, other, signals, point.at, known)
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
            rules=rules.revision,
            places=() if places == (rule.place,) else places,
            disclosures=disclosure_codes(places, purpose, wall) if said and verdict.granted else (),
        )

    def again(self, past: PastPermit) -> Permit:
        """Return the permit of a past decision as its receipt tells it, to think again over values read back then.

        It grants no look at the log: for that, ask `permit` at the decision's own point.
        """
        return Permit(
            seal=seal(), purpose=past.purpose, place=past.place, basis=past.basis, point=past.point,
            granted=past.granted, consent_seq=past.consent_seq, withheld=past.withheld, signals=past.signals,
            rules=past.rules,
        )  # fmt: skip

    def as_of(self, rules: Rulebook, materials: Mapping[Purpose, str], wall: int, places: tuple[str, ...]) -> Gate:
        """Return a gate that judges as this one did at a moment (Unix ms), by the rules and uses of that time.

        `places` are those its permit weighed: a profile names only where somebody lives today.
        """
        then = Gate(default_place=self._default_place, rules=rules, wall=lambda: wall)
        then.need(materials)
        then._then = places
        return then

    def training_permit(self, purpose: Purpose, point: Point) -> Permit:
        """Return the permit of a training table: rows must be readable for `purpose` and for `train`.

        Whose rows may be used at all is a second question: see `trainable`.
        """
        return Permit(
            seal=seal(), purpose=purpose, place=self._default_place or UNKNOWN, basis="train", point=point,
            granted=True, training=True, rules=self._rules.revision,
        )  # fmt: skip

    def trainable(self, snapshot: Snapshot, purpose: Purpose) -> set[Pseudonym]:
        """Return everybody whose data may be used for `purpose` and to train, as of the snapshot."""
        wanted = (purpose.value, Purpose.TRAIN.value)
        said = {
            (row[0], row[1]): row
            for row in snapshot.all(
                f"SELECT subject, purpose, {ledger.STANDING} FROM consents WHERE purpose IN (?, ?) ORDER BY seq",
                wanted,
            )
        }
        at = read_head(snapshot).at
        return {
            Pseudonym(person)
            for person, anonymous, age, *named in snapshot.all(_EVERYBODY)
            if all(
                self._may(
                    Purpose(name), places, said.get((person, name)), at, UNKNOWN_AGE if age is None else age,
                    visitor=bool(anonymous),
                )
                for places in (self._places(named, ()),)
                for name in wanted
            )
        }  # fmt: skip

    def _may(
        self, purpose: Purpose, places: tuple[str, ...], row: Row | None, at: int, age: int, *, visitor: bool
    ) -> bool:
        own, wall = None if row is None else ledger.standing_of(row[2:]), self._wall()
        laxer = own is not None and self._laxer(own, purpose, places, wall, visitor=visitor)
        known = Known(age, self._materials.get(purpose, ""), laxer)
        rule = self._rule(purpose, places, wall, visitor=visitor)
        return judge(rule, own, None, frozenset(), at, known).granted

    def _places(self, named: Iterable[str | None], said: Iterable[Spoken]) -> tuple[str, ...]:
        """Return every place that is known, the shop's own when none is; a past decision's, where one is judged again.

        What people said is read as of the decision's position, then as now, and is among those places already.
        """
        found = dict.fromkeys(place_of(place) for place in self._then or named if place)
        for each in said:
            for place in (each.place, each.own_place, "" if self._then else each.residence):
                if place:
                    found[place_of(place)] = None
        return tuple(found) or (self._default_place or UNKNOWN,)

    def _rule(self, purpose: Purpose, places: tuple[str, ...], wall: int, *, visitor: bool) -> Rule:
        """Return the rule that holds at all of these places: the strictest."""
        rules = self._rules
        rule = rules.rule(places[0], purpose, wall, visitor=visitor)
        for place in places[1:]:
            rule = rules.stricter(rule, rules.rule(place, purpose, wall, visitor=visitor))
        return rule

    def _laxer(self, own: Standing, purpose: Purpose, places: tuple[str, ...], wall: int, *, visitor: bool) -> bool:
        """Return True when an import's word was declared for a place that asks less than one of these, or for none."""
        if own.state is not State.DECLARED:
            return False
        declared = place_of(own.place) or self._default_place
        if not declared:
            return True
        return any(
            place != declared and self._rules.asks_more(place, declared, purpose, wall, visitor=visitor)
            for place in places
        )


def place_of(text: str) -> str:
    """Return a place in capitals, under its ISO 3166-1 code where people write another."""
    place = text.upper()
    return _ALIASES.get(place[:2], place[:2]) + place[2:]
