"""What a notice told, in parts a machine can compare, and what changed between two of them in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.material import added, material
from tillwise.privacy.notice import Facts
from tillwise.privacy.purposes import Default, Rulebook
from tillwise.privacy.wording import words
from tillwise.vocabulary.purpose import Purpose

_ENGLISH: Final = words("en")


class ToldUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One purpose as a notice told it: what the place asks, the data, who gets them (`name@country`), how long."""

    default: str
    categories: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    days: int | None = None

    @property
    def material(self) -> str:
        """Return what a yes to this covers."""
        return material(self.categories, self.recipients)


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole notice in parts."""

    purposes: dict[str, ToldUse]
    parameters: dict[str, tuple[str, ...]] = {}
    rights: tuple[str, ...] = ()
    controller: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed, a sentence each; `renew` says per purpose what an old yes does not cover.

    `only_wording` is True when the text differs and nothing it stands for does.
    """

    changes: tuple[str, ...]
    renew: Mapping[Purpose, tuple[str, ...]]
    only_wording: bool


def told_of(facts: Facts, rules: Rulebook, place: str, wall: int) -> Told:
    """Return what the notice of these facts tells at a place on the day of `wall` (Unix milliseconds)."""
    keys = {each.name: f"{each.key}@{each.country}" for each in facts.recipients}
    purposes = {
        purpose.value: ToldUse(
            rules.rule(place, purpose, wall).default.value, use.categories,
            tuple(keys.get(name, name) for name in use.recipients), use.days,
        )
        for purpose, use in facts.uses.items()
        if purpose is not Purpose.OPERATIONS
    }  # fmt: skip
    parameters = {
        name: tuple(f"{phrase.group}:{phrase.word}:{phrase.key}" for phrase in phrases)
        for name, phrases in facts.parameters.items()
        if phrases
    }
    who = "; ".join(part for part in (facts.controller, facts.contact, facts.dpo) if part)
    return Told(purposes, parameters, load_jurisdictions().rights(place), who)


def compare(before: Told, after: Told) -> Difference:
    """Return what changed from one notice to a later one, and which yes has to be renewed."""
    changes = [*_purposes(before, after), *_rest(before, after)]
    renew: dict[Purpose, tuple[str, ...]] = {}
    for name, now in after.purposes.items():
        old = before.purposes.get(name)
        more = () if old is None else added(old.material, now.material)
        if more:
            renew[Purpose(name)] = tuple(_plain(each) for each in more)
    return Difference(tuple(changes), renew, only_wording=not changes)


def _purposes(before: Told, after: Told) -> Iterator[str]:
    for name, now in after.purposes.items():
        what, old = _what(name), before.purposes.get(name)
        if old is None:
            yield f"new purpose: {what} ({_asks(now.default)})"
            continue
        if now.default != old.default:
            yield f"{what}: {_asks(now.default)}; before: {_asks(old.default)}"
        yield from _data(what, old, now)
    for name in before.purposes.keys() - after.purposes.keys():
        yield f"no longer: {_what(name)}"


def _data(what: str, old: ToldUse, now: ToldUse) -> Iterator[str]:
    new, gone = added(old.material, now.material), added(now.material, old.material)
    for each in new:
        yield f"{what}: also {'given to' if '@' in each else 'from'} {_plain(each)}"
    for each in gone:
        yield f"{what}: no longer {'given to' if '@' in each else 'from'} {_plain(each)}"
    if now.days != old.days:
        longer = now.days is None or (old.days is not None and now.days > old.days)
        yield f"{what}: kept {'longer' if longer else 'less long'}, {_days(now.days)} instead of {_days(old.days)}"


def _rest(before: Told, after: Told) -> Iterator[str]:
    for name in sorted({*before.parameters, *after.parameters}):
        if before.parameters.get(name) != after.parameters.get(name):
            yield f"what counts most in {_ENGLISH.of('use_case', name)} changed"
    for right in after.rights:
        if right not in before.rights:
            yield f"new right: {_ENGLISH.of('right', right)}"
    for right in before.rights:
        if right not in after.rights:
            yield f"no longer named as a right: {_ENGLISH.of('right', right)}"
    if before.controller != after.controller:
        yield "who answers for the data, or how to reach them, changed"


def _what(purpose: str) -> str:
    return _ENGLISH.of("purpose", purpose)


def _asks(default: str) -> str:
    return _ENGLISH.of("ask", Default(default))


def _plain(part: str) -> str:
    name, at, country = part.partition("@")
    return f"{name} in {country}" if at else f"{_ENGLISH.category(part)} ({part})"


def _days(days: int | None) -> str:
    return "no fixed time" if days is None else _ENGLISH.duration(days)
