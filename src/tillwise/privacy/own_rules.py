"""A shop's own rules, `rules.toml` in its folder: stricter ones always, looser ones only where the row is ethics.

The law is never loosened. A row of a country nobody wrote a rule for makes that country known, with the reason why.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tillwise.errors import ConfigurationError
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.purposes import Default, Rule, strictness
from tillwise.vocabulary.purpose import Purpose

RULES_FILE: Final = "rules.toml"
OWN_LAW: Final = "the shop's own rule"
_VISITOR: Final = "_visitor"
NOWHERE: Final = re.compile(r"AA|Q[M-Z]|X[A-Z]|ZZ")
"""Codes ISO 3166-1 gives to no country."""


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    place: Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
    purpose: str
    default: Default
    basis: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)]
    kind: Literal["law", "guidance", "ethics"]
    reviewed: date
    confidence: Literal["confirmed", "known", "uncertain"] = "confirmed"
    reason: str = ""
    signals: tuple[Literal["gpc"], ...] = ()
    valid_from: date = date.min
    valid_to: date = date.max


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: tuple[dict[str, object], ...] = ()
    unknown_age: Literal["adult", "minor"] = "adult"


def read_own_rules(folder: Path) -> str:
    """Return the text of a shop's rules, "" when it has none; ConfigurationError when it cannot be read."""
    try:
        return (folder / RULES_FILE).read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{folder / RULES_FILE} cannot be read: {error}") from None


def with_own_rules(rules: Iterable[Rule], text: str) -> tuple[Rule, ...]:
    """Return the rules with a shop's own in place of those they replace, for the days they hold.

    Raises ConfigurationError naming rule and line of a row that is broken, overlaps another, or loosens the law.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{RULES_FILE}: {error}") from None
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip().startswith("[[rule]]")]
    made: list[tuple[str, Rule]] = []
    found = list(rules)
    for n, given in enumerate(file.rule):
        where = f"{RULES_FILE}, rule {n + 1}" + (f" (line {lines[n]})" if len(lines) == len(file.rule) else "")
        row, rule = _read(given, where)
        _check_twice(made, rule, where)
        made.append((where, rule))
        found = list(_placed(found, rule, row.reason, where))
    if file.unknown_age == "minor":
        found = [replace(rule, age=rule.age._replace(unknown_is_minor=True)) for rule in found]
    return tuple(found)


def _read(given: dict[str, object], where: str) -> tuple[_Row, Rule]:
    try:
        row = msgspec.convert(given, _Row)
        purpose = Purpose(row.purpose.removesuffix(_VISITOR))
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigurationError(f"{where}: {error}") from None
    laws = load_jurisdictions()
    rule = Rule(
        place=row.place, purpose=purpose, default=row.default, basis=row.basis, source=row.source, law=OWN_LAW,
        kind=row.kind, confidence=row.confidence, reviewed=row.reviewed, valid_from=row.valid_from,
        valid_to=row.valid_to, visitor=row.purpose.endswith(_VISITOR), signals=row.signals,
        consent_days=laws.consent_days(row.place), age=laws.limits(row.place, purpose),
    )  # fmt: skip
    if problem := _problem(row, rule):
        raise ConfigurationError(f"{where}: {problem}")
    return row, rule


def _problem(row: _Row, rule: Rule) -> str:
    if NOWHERE.fullmatch(rule.place[:2]):
        return f"{rule.place} is no place"
    if rule.purpose is Purpose.OPERATIONS:
        return "operations use no personal data: they need no rule"
    if rule.valid_from >= rule.valid_to:
        return "valid_from must come before valid_to"
    if (rule.default is Default.BAN) != (row.basis == "none"):
        return 'a ban has the basis "none", and nothing else has'
    if rule.default is Default.OPT_IN and row.basis != "consent":
        return "opt_in rests on consent"
    return ""


def _check_twice(made: Iterable[tuple[str, Rule]], rule: Rule, where: str) -> None:
    for other, before in made:
        same = (before.place, before.purpose, before.visitor) == (rule.place, rule.purpose, rule.visitor)
        if same and before.valid_from < rule.valid_to and rule.valid_from < before.valid_to:
            raise ConfigurationError(
                f"{where} and {other} both hold for {rule.place}, {rule.purpose}:"
                " end one with valid_to before the other begins"
            )


def _placed(rules: list[Rule], own: Rule, reason: str, where: str) -> Iterator[Rule]:
    """Yield the rules with one own rule put in place of those it covers."""
    covered = [rule for rule in rules if _covers(own, rule)]
    base = covered or [
        rule
        for rule in rules
        if rule.place in (own.place, own.place[:2]) and rule.purpose is own.purpose and not rule.visitor
    ]
    if not base:
        if any(rule.place[:2] == own.place[:2] for rule in rules):
            raise ConfigurationError(f"{where}: {own.place} has no rule for {own.purpose} that could be replaced")
        if not reason:
            raise ConfigurationError(f"{where}: nobody wrote rules for {own.place}: give the reason why these hold")
    for rule in base:
        _check_looser(rule, own, reason, where)
    if not covered:
        yield own
    for rule in rules:
        if rule not in covered:
            yield rule
            continue
        begin, end = max(rule.valid_from, own.valid_from), min(rule.valid_to, own.valid_to)
        if rule.valid_from < begin:
            yield replace(rule, valid_to=begin)
        signals = tuple(sorted({*rule.signals, *own.signals}))
        yield replace(
            own, place=rule.place, valid_from=begin, valid_to=end, signals=signals, age=rule.age,
            consent_days=rule.consent_days,
        )  # fmt: skip
        if end < rule.valid_to:
            yield replace(rule, valid_from=end)


def _covers(own: Rule, rule: Rule) -> bool:
    """Return True when an own rule replaces a rule on some day: a country's own rule covers its regions too."""
    place = rule.place == own.place or ("-" not in own.place and rule.place[:2] == own.place)
    days = own.valid_from < rule.valid_to and rule.valid_from < own.valid_to
    return place and days and (rule.purpose, rule.visitor) == (own.purpose, own.visitor)


def _check_looser(rule: Rule, own: Rule, reason: str, where: str) -> None:
    if strictness(own.default) >= strictness(rule.default):
        return
    asks = f"{own.default} asks less than {rule.default} ({rule.law}: {rule.source})"
    if rule.kind != "ethics":
        raise ConfigurationError(f"{where}: {asks}: that is {rule.kind}, and only ethics may be loosened")
    if own.kind != "ethics" or not reason:
        raise ConfigurationError(f'{where}: {asks}: loosening ethics takes kind = "ethics" and a reason')
