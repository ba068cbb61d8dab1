"""What the law of a place asks before personal data serve a purpose: which of many rules applies.

Unknown place: the strictest default any place has for the purpose. A purpose on which a place is silent: opt_in. A
country named without its region: the strictest of all its rows. Reading the rows is privacy/rule_file.py's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from tillwise.errors import ConfigurationError
from tillwise.privacy.age import ADULTS_ONLY, Limits, strictest_limits
from tillwise.vocabulary.canonical import digest_of
from tillwise.vocabulary.purpose import Purpose

_DAY_MS = 86_400_000
_LONGEST_PLACE = 6
UNKNOWN = "unknown"
"""The place of somebody whose place nobody knows."""
STRICTEST: Final = "strictest"
STALE_DAYS: Final = 180
"""A rule nobody has read again for so long is named by `doctor`."""


class Default(StrEnum):
    """What has to happen before the use, least strict first."""

    NOTICE = "notice"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    BAN = "ban"


_STRICTNESS = {default: rank for rank, default in enumerate(Default)}


def strictness(default: Default) -> int:
    """Return how much a default asks for, as a number to compare."""
    return _STRICTNESS[default]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: what one place asks for one purpose, from the first day to the day it holds no more, and who says so.

    `visitor` rows are for the device history of somebody not signed in. `signals` opt out of the purpose here.
    """

    place: str
    purpose: Purpose
    default: Default
    basis: str
    source: str
    law: str
    kind: str
    confidence: str
    reviewed: date
    valid_from: date = date.min
    valid_to: date = date.max
    visitor: bool = False
    signals: tuple[str, ...] = ()
    consent_days: int = 0
    age: Limits = ADULTS_ONLY


@dataclass(frozen=True, slots=True)
class Preset:
    """Ask for at least this much, wherever somebody is: a preset never loosens a rule.

    `floor` is a place, or STRICTEST; countries in `exempt` keep exactly their own rules.
    """

    name: str
    meaning: str
    floor: str
    exempt: tuple[str, ...]
    signals: tuple[Purpose, ...]


def strictest(rules: Iterable[Rule]) -> Rule | None:
    """Return the rule that asks most, the first among equals; None when there is none.

    It has the highest ages of all, every signal one of them heeds, and the soonest end of a yes.
    """
    every = tuple(rules)
    worst = max(every, key=lambda rule: (_STRICTNESS[rule.default], rule.signals, rule.consent_days > 0), default=None)
    if worst is None:
        return None
    age = strictest_limits(rule.age for rule in every)
    signals = tuple(sorted({signal for rule in every for signal in rule.signals}))
    days = min((rule.consent_days for rule in every if rule.consent_days), default=0)
    if (age, signals, days) == (worst.age, worst.signals, worst.consent_days):
        return worst
    return replace(worst, age=age, signals=signals, consent_days=days)


class Rulebook:
    """Every rule, and which of them applies. Two rows that hold on one day for one question are refused."""

    def __init__(self, rules: Iterable[Rule], preset: Preset | None = None) -> None:
        self._rules = tuple(rules)
        _check_overlaps(self._rules)
        self.preset = preset
        self.revision = digest_of([self._rules, preset])
        """The content name of all rows and the preset; it stands in every receipt."""
        self._countries = {rule.place[:2] for rule in self._rules}
        self._places = {rule.place for rule in self._rules}
        self._day = -1
        self._found: dict[tuple[str, Purpose, bool], Rule] = {}
        self._laws: dict[tuple[str, Purpose, bool], Rule] = {}
        self._pairs: dict[tuple[int, int], tuple[Rule, Rule, Rule]] = {}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return every row."""
        return self._rules

    def unreviewed(self, wall: int, days: int = STALE_DAYS) -> tuple[Rule, ...]:
        """Return the rules nobody has read again for `days` days, for `doctor`."""
        limit = _date(wall) - timedelta(days=days)
        return tuple(rule for rule in self._rules if rule.reviewed < limit and _date(wall) < rule.valid_to)

    def rule(self, place: str, purpose: Purpose, wall: int, *, visitor: bool = False) -> Rule:
        """Return the rule of a place on the day of `wall` (Unix milliseconds).

        `place` is an ISO 3166-1 country such as `DE`, or with a region, ISO 3166-2, such as `US-CA`.
        """
        self._turn(wall)
        key = (self._known(place), purpose, visitor)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._preset(key, self._law(key, wall), _date(wall))
        return found

    def asks_more(self, place: str, than: str, purpose: Purpose, wall: int, *, visitor: bool = False) -> bool:
        """Return True when one place asks more than another does, whatever the preset makes of either."""
        self._turn(wall)
        here, there = (self._law((self._known(each), purpose, visitor), wall) for each in (place, than))
        return _STRICTNESS[here.default] > _STRICTNESS[there.default]

    def _law(self, key: tuple[str, Purpose, bool], wall: int) -> Rule:
        found = self._laws.get(key)
        if found is None:
            found = self._laws[key] = self._search(*key, _date(wall))
        return found

    def _turn(self, wall: int) -> None:
        """Forget what was found for another day."""
        day = wall // _DAY_MS
        if day != self._day:
            self._day, self._found, self._laws, self._pairs = day, {}, {}, {}

    def _known(self, place: str) -> str:
        """Return a place under the name its entry has; callers cannot grow this table with places of their own."""
        if place in self._places:
            return place
        country = place[:2]
        if country not in self._countries or len(place) > _LONGEST_PLACE:
            return UNKNOWN
        return f"{country}-" if "-" in place else country

    def stricter(self, one: Rule, two: Rule) -> Rule:
        """Return what `strictest` says of two rules this book gave out, remembered for the day."""
        if one is two:
            return one
        key = (id(one), id(two))
        kept = self._pairs.get(key)
        if kept is None or kept[0] is not one or kept[1] is not two:
            found = strictest((one, two))
            assert found is not None  # noqa: S101 two rules
            # The pair itself is kept, so that no other rule can come to have its id.
            kept = self._pairs[key] = (one, two, found)
        return kept[2]

    def _search(self, place: str, purpose: Purpose, visitor: bool, day: date) -> Rule:  # noqa: FBT001 part of a key
        rows = self._rows(purpose, visitor, day)
        if place == UNKNOWN:
            here = rows
        elif "-" in place:
            here = [r for r in rows if r.place == place] or [r for r in rows if r.place == place[:2]]
        else:
            here = [r for r in rows if r.place[:2] == place]
        worst = strictest(here)
        if worst is None:
            source = "no row for this purpose: ask first"
            return Rule(place, purpose, Default.OPT_IN, "consent", source, "", "law", "uncertain", date.min)
        return replace(worst, place=UNKNOWN) if place == UNKNOWN else worst

    def _rows(self, purpose: Purpose, visitor: bool, day: date) -> list[Rule]:  # noqa: FBT001 part of a key
        """Return the rows in force; where a place has none for visitors, its plain row counts for them too."""
        every = [r for r in self._rules if r.purpose is purpose]
        rows = [r for r in every if r.valid_from <= day < r.valid_to]
        held = {(r.place, r.visitor) for r in rows}
        rows += [_lapsed(r) for r in every if r.valid_to <= day and (r.place, r.visitor) not in held]
        if not visitor:
            return [r for r in rows if not r.visitor]
        own = {r.place for r in rows if r.visitor}
        return [r for r in rows if r.visitor or r.place not in own]

    def _preset(self, key: tuple[str, Purpose, bool], own: Rule, day: date) -> Rule:
        """Raise a rule to what the preset asks at least."""
        preset, (place, purpose, visitor) = self.preset, key
        if preset is None or place[:2] in preset.exempt:
            return own
        found = own
        floor = self._search(UNKNOWN if preset.floor == STRICTEST else preset.floor, purpose, visitor, day)
        if _STRICTNESS[floor.default] > _STRICTNESS[own.default]:
            source = f"preset {preset.name}: {floor.source}"
            ages = strictest_limits((own.age, floor.age))
            found = replace(floor, place=own.place, source=source, kind="ethics", age=ages)
        if purpose in preset.signals:
            found = replace(found, signals=tuple(sorted({*found.signals, "gpc"})))
        return found


def _lapsed(rule: Rule) -> Rule:
    """Return what holds after a row ended and none followed: ask first, never what a wider place asks."""
    source = f"no row for this purpose since {rule.valid_to}: ask first"
    if rule.default is Default.BAN:
        return replace(rule, source=source)
    return replace(rule, default=Default.OPT_IN, basis="consent", source=source, kind="law", confidence="uncertain")


def _check_overlaps(rules: Iterable[Rule]) -> None:
    last: dict[tuple[str, Purpose, bool], Rule] = {}
    for rule in sorted(rules, key=lambda each: each.valid_from):
        key = (rule.place, rule.purpose, rule.visitor)
        before = last.get(key)
        if before is not None and rule.valid_from < before.valid_to:
            raise ConfigurationError(
                f"purposes.toml, place {rule.place}, purpose {rule.purpose}: '{before.law}' and '{rule.law}' both hold"
                f" on {rule.valid_from}; end one with valid_to before the other begins"
            )
        last[key] = rule


def _date(wall: int) -> date:
    return datetime.fromtimestamp(wall / 1000, UTC).date()
