"""What the law of a place asks before personal data serve a purpose: rows of data with source and date.

The rows lie in `purposes.toml` beside this file. Unknown place: the strictest default any place has for the purpose.
A purpose on which a place is silent: opt_in. A country named without its region: the strictest of all its rows.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from importlib.resources import files
from typing import Any

from tillwise.errors import ConfigurationError
from tillwise.vocabulary.purpose import Purpose

_DAY_MS = 86_400_000
UNKNOWN = "unknown"
"""The place of somebody whose place nobody knows."""


class Default(StrEnum):
    """What has to happen before the use, least strict first."""

    NOTICE = "notice"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    BAN = "ban"


_STRICTNESS = {default: rank for rank, default in enumerate(Default)}


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: what one place asks for one purpose, from when to when, and who says so."""

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


def strictest(rules: Iterable[Rule]) -> Rule | None:
    """Return the rule that asks most, the first among equals; None when there is no rule."""
    return max(rules, key=lambda rule: _STRICTNESS[rule.default], default=None)


class Rulebook:
    """Every rule, and which of them applies."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._countries = {rule.place[:2] for rule in self._rules}
        self._day = -1
        self._found: dict[tuple[str, Purpose], Rule] = {}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return every row."""
        return self._rules

    def rule(self, place: str, purpose: Purpose, wall: int) -> Rule:
        """Return the rule of a place on the day of `wall` (Unix milliseconds).

        `place` is an ISO 3166-1 country such as `DE`, or with a region, ISO 3166-2, such as `US-CA`.
        """
        day = wall // _DAY_MS
        if day != self._day:
            self._day, self._found = day, {}
        # A place nobody has a row for shares one entry, so that callers cannot grow the memory of this table.
        key = (place if place[:2] in self._countries and len(place) <= 6 else UNKNOWN, purpose)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._search(key[0], purpose, datetime.fromtimestamp(wall / 1000, UTC).date())
        return found

    def _search(self, place: str, purpose: Purpose, day: date) -> Rule:
        rows = [r for r in self._rules if r.purpose is purpose and r.valid_from <= day < r.valid_to]
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
        if place == UNKNOWN:
            return Rule(place, purpose, worst.default, worst.basis, worst.source, worst.law, worst.kind,
                        worst.confidence, worst.reviewed)  # fmt: skip
        return worst


def load_rules(text: str | None = None) -> Rulebook:
    """Read the rules shipped with tillwise, or those in `text`; raise ConfigurationError naming a broken row."""
    source = files("tillwise.privacy").joinpath("purposes.toml").read_text("utf-8") if text is None else text
    rules: list[Rule] = []
    for law in tomllib.loads(source)["law"]:
        for place in law["places"]:
            rules.extend(_rule(law, place, name, row) for name, row in law["purposes"].items())
    return Rulebook(rules)


def _rule(law: dict[str, Any], place: str, purpose: str, row: dict[str, Any]) -> Rule:
    try:
        return Rule(
            place, Purpose(purpose), Default(row["default"]), row["basis"], row["source"], law["name"], law["kind"],
            row["confidence"], law["reviewed"], law.get("valid_from", date.min), law.get("valid_to", date.max),
        )  # fmt: skip
    except (KeyError, ValueError) as error:
        name = law.get("name", "?")
        raise ConfigurationError(f"purposes.toml, law '{name}', place {place}, purpose {purpose}: {error}") from None
