"""Reads the rows of `purposes.toml` and `presets.toml`, and refuses what is incomplete or contradicts itself."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any, Final

from tillwise.errors import ConfigurationError
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.own_rules import with_own_rules
from tillwise.privacy.purposes import Default, Preset, Rule, Rulebook
from tillwise.privacy.whole_law import check_whole
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.shipped import sealed_text

KINDS: Final = ("law", "guidance", "ethics")
CONFIDENCES: Final = ("confirmed", "known", "uncertain")
SIGNALS: Final = ("gpc",)
_VISITOR: Final = "_visitor"
_FIELDS: Final = frozenset(
    {"default", "basis", "source", "confidence", "kind", "reviewed", "signals", "valid_from", "valid_to"}
)


def load_rules(text: str | None = None, *, preset: str = "", own: str = "") -> Rulebook:
    """Read the rules shipped with tillwise, or those in `text`, under a preset ("" = each place's own law).

    `own` is the text of a shop's `rules.toml` (privacy/own_rules.py). Raises ConfigurationError naming the law, place
    and purpose of a row that is broken, incomplete or overlaps another.
    """
    chosen = _preset(preset)
    rules = _shipped() if text is None else _read(text)
    return Rulebook(with_own_rules(rules, own) if own else rules, chosen)


def presets() -> dict[str, Preset]:
    """Return the presets by name."""
    try:
        rows = tomllib.loads(sealed_text("tillwise.privacy", "presets.toml"))["preset"]
        return {
            row["name"]: Preset(
                row["name"], row["meaning"], row["floor"], tuple(row["except"]), tuple(map(Purpose, row["signals"]))
            )
            for row in rows
        }
    except KeyError as error:
        raise ConfigurationError(f"presets.toml: {error.args[0]} is missing") from None
    except ValueError as error:
        raise ConfigurationError(f"presets.toml: {error}") from None


def _preset(name: str) -> Preset | None:
    if not name:
        return None
    known = presets()
    if name not in known:
        raise ConfigurationError(f"tillwise.toml [privacy] preset: '{name}' is none of {', '.join(known)}")
    return known[name]


@cache
def _shipped() -> tuple[Rule, ...]:
    rules = _read(sealed_text("tillwise.privacy", "purposes.toml"))
    check_whole(rules)
    return rules


def _read(text: str) -> tuple[Rule, ...]:
    try:
        laws = tomllib.loads(text)["law"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise ConfigurationError(f"purposes.toml: {error}") from None
    by_id: dict[str, Mapping[str, Any]] = {}
    rules: list[Rule] = []
    for law in laws:
        purposes = _purposes(law, by_id)
        if "id" in law:
            by_id[law["id"]] = purposes
        for place in law.get("places", ()):
            for name, rows in purposes.items():
                rules.extend(_rules(law, place, name, rows))
    return tuple(rules)


def _purposes(law: Mapping[str, Any], by_id: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a law's rows by purpose, with those it takes over from another law."""
    name = law.get("name", "?")
    if "name" not in law or not law.get("places") or "purposes" not in law:
        raise ConfigurationError(f"purposes.toml, law '{name}': name, places and purposes are needed")
    like = law.get("like")
    if like is not None and like not in by_id:
        raise ConfigurationError(f"purposes.toml, law '{name}': like = '{like}' names no law above it")
    return {**(by_id[like] if like else {}), **law["purposes"]}


def _rules(law: Mapping[str, Any], place: str, name: str, rows: Any) -> Iterator[Rule]:
    for row in rows if isinstance(rows, list) else [rows]:
        try:
            yield _rule(law, place, name, row)
        except (KeyError, ValueError, TypeError) as error:
            said = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
            where = f"law '{law['name']}', place {place}, purpose {name}"
            raise ConfigurationError(f"purposes.toml, {where}: {said}") from None


def _rule(law: Mapping[str, Any], place: str, name: str, row: Mapping[str, Any]) -> Rule:
    if unknown := set(row) - _FIELDS:
        raise ValueError(f"{', '.join(sorted(unknown))} is not a field of a row")
    both = {**{key: law[key] for key in ("kind", "reviewed", "valid_from", "valid_to") if key in law}, **row}
    rule = Rule(
        place=place, purpose=Purpose(name.removesuffix(_VISITOR)), default=Default(both["default"]),
        basis=both["basis"], source=both["source"], law=law["name"], kind=both["kind"],
        confidence=both["confidence"], reviewed=both["reviewed"],
        valid_from=both.get("valid_from", date.min), valid_to=both.get("valid_to", date.max),
        visitor=name.endswith(_VISITOR), signals=tuple(both.get("signals", ())),
        consent_days=load_jurisdictions().consent_days(place),
        age=load_jurisdictions().limits(place, Purpose(name.removesuffix(_VISITOR))),
    )  # fmt: skip
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    if not rule.source or not rule.basis:
        raise ValueError("source and basis may not be empty")
    if rule.kind not in KINDS:
        raise ValueError(f"kind '{rule.kind}' is none of {', '.join(KINDS)}")
    if rule.confidence not in CONFIDENCES:
        raise ValueError(f"confidence '{rule.confidence}' is none of {', '.join(CONFIDENCES)}")
    if not all(isinstance(day, date) for day in (rule.reviewed, rule.valid_from, rule.valid_to)):
        raise TypeError("reviewed, valid_from and valid_to are dates")
    if rule.valid_from >= rule.valid_to:
        raise ValueError("valid_from must come before valid_to")
    if (rule.default is Default.BAN) != (rule.basis == "none"):
        raise ValueError('a ban has the basis "none", and nothing else has')
    if (rule.default is Default.OPT_IN) and rule.basis != "consent":
        raise ValueError("opt_in rests on consent")
    if unknown := set(rule.signals) - set(SIGNALS):
        raise ValueError(f"signal {', '.join(sorted(unknown))} is none of {', '.join(SIGNALS)}")
