"""Does every event say why it may be used, and every property what kind of data it is? Without that nothing starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from tillwise.errors import InvalidDeclaration
from tillwise.events.event_type import EventType
from tillwise.events.facts import PERSON_KEYS
from tillwise.events.properties import Property, Sensitivity
from tillwise.events.types import EVENT_TYPES
from tillwise.vocabulary.purpose import Purpose

CATEGORY: Final = re.compile(r"(user|system)(\.[a-z_]+)+|user|system")
"""A data category as the fideslang taxonomy writes it, such as `user.behavior.purchase_history`."""
_CLOSE: Final = (Sensitivity.PERSONAL, Sensitivity.SPECIAL)


def check_event_types(types: Iterable[EventType] | None = None) -> None:
    """Raise InvalidDeclaration naming the event, the property and what to add, for the first that lacks a tag."""
    for declared in EVENT_TYPES.values() if types is None else types:
        for problem in _problems(declared):
            raise InvalidDeclaration(f"event '{declared.name}': {problem}")


def _problems(declared: EventType) -> Iterator[str]:
    if not declared.purposes:
        yield "has no purposes: name those its rows may be read for"
    if any(not isinstance(purpose, Purpose) for purpose in declared.purposes):
        yield "has a purpose nobody knows: use those of vocabulary/purpose.py"
    if not is_category(declared.category):
        yield "has no data category: say what kind of data it is that it happened"
    for each in dict.fromkeys((*declared.properties, *declared.line)):
        yield from (f"property '{each.name}' {problem}" for problem in _missing(each))


def _missing(declared: Property) -> Iterator[str]:
    if not is_category(declared.category):
        yield "has no data category: name the kind of data it is"
    if declared.sensitivity not in tuple(Sensitivity):
        yield "does not say how close it is to a person: give its sensitivity"
    elif declared.sensitivity is Sensitivity.SPECIAL:
        yield "holds a special category of personal data, which no purpose here may use: leave it out"
    elif declared.column in PERSON_KEYS and declared.sensitivity not in _CLOSE:
        yield f"leads to a person ({declared.column}): its sensitivity is personal"
    if not declared.meaning.strip():
        yield "does not say in its meaning what it is"


def is_category(text: object) -> bool:
    """Return True for a key of the taxonomy of data categories."""
    return isinstance(text, str) and CATEGORY.fullmatch(text) is not None
