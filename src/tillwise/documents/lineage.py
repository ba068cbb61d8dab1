"""From event to decision: which declared properties each feature reads, derived from the features' own declarations.

Nothing here is typed by hand: an aggregate names event types, a key, a measure and conditions; each of these is a fact
column; each fact column is fed by declared properties, and these carry the categories.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tillwise.decisions.use_case import UseCase
from tillwise.events import properties
from tillwise.events.event_type import EventType
from tillwise.events.facts import HOT_KEYS
from tillwise.events.properties import Property, Sensitivity
from tillwise.events.types import EVENT_TYPES
from tillwise.features.expression import Call, Column, Expression, parse
from tillwise.features.feature import Aggregate, FeatureSet, Reading
from tillwise.vocabulary.purpose import Purpose

PSEUDONYM: Final = "user.unique_id.pseudonymous"
"""What a person's key is: personal data under a random number, never anonymous."""
Kind = Literal["feature", "reading", "request", "computed"]


@dataclass(frozen=True, slots=True)
class Source:
    """A declared property as something reads it: the event, the property, the fact column it feeds."""

    event: str
    name: str
    column: str
    category: str
    sensitivity: Sensitivity


@dataclass(frozen=True, slots=True)
class Input:
    """One thing a use case knows: a feature, rows it reads itself, a value of the request, or a computed column.

    `categories` are fideslang keys, the more specific ones only. `inputs` are the columns a computed one is made of.
    `tagged` is False where nobody said what kind of data it is.
    """

    name: str
    kind: Kind
    key: str
    meaning: str
    events: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    categories: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    window: int = 0
    unit: str = ""
    tagged: bool = True

    @property
    def personal(self) -> bool:
        """Return True unless it reads the subject-free stream or nothing about a person."""
        return self.key not in HOT_KEYS and bool(self.categories)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Everything one use case knows, in the order of its declaration."""

    use_case: str
    purpose: Purpose
    inputs: tuple[Input, ...]

    @property
    def categories(self) -> tuple[str, ...]:
        """Return the categories of data about people that it uses, sorted."""
        return specific(c for each in self.inputs if each.personal for c in each.categories)

    @property
    def events(self) -> tuple[str, ...]:
        """Return the event types it reads, in the order they are declared."""
        read = {event for each in self.inputs for event in each.events}
        return tuple(name for name in EVENT_TYPES if name in read)

    def base(self, column: str) -> tuple[Input, ...]:
        """Return what a column rests on: itself, or, for a computed one, everything it is computed from."""
        by_name = {each.name: each for each in self.inputs}
        found: dict[str, Input] = {}
        todo = [column]
        while todo:
            each = by_name.get(todo.pop())
            if each is not None and each.name not in found:
                found[each.name] = each
                todo.extend(each.inputs)
        return tuple(each for each in found.values() if not each.inputs)


def lineage(use_case: UseCase) -> Lineage:
    """Return what a use case knows and from where."""
    features = use_case.features
    inputs = [
        *(_aggregate(each) for each in features.aggregates),
        *(_reading(each) for each in features.readings),
        *(_asked(features, name) for name in features.request),
    ]
    known = [each.name for each in inputs]
    by_name = {each.name: each for each in inputs}
    for name, text in features.rows:
        each = _computed(name, features.meanings.get(name, ""), parse(text, known), by_name)
        inputs.append(each)
        by_name[name] = each
        known.append(name)
    return Lineage(use_case.name, use_case.purpose, tuple(inputs))


def specific(categories: Iterable[str]) -> tuple[str, ...]:
    """Return categories sorted, without those a more specific one stands for, and without the shop's own operations."""
    every = {each for each in categories if not each.startswith("system")}
    return tuple(sorted(each for each in every if not any(other.startswith(f"{each}.") for other in every)))


def feeding(events: Iterable[str], columns: Iterable[str]) -> tuple[Source, ...]:
    """Return the declared properties of these events that feed these fact columns."""
    wanted = set(columns)
    return tuple(
        Source(name, each.name, each.column, each.category, each.sensitivity)
        for name in events
        for each in properties_of(EVENT_TYPES[name])
        if each.column in wanted
    )


def properties_of(declared: EventType) -> Iterator[Property]:
    """Yield an event type's stored properties, those of its product lines included."""
    lines = any(each.name == "products" for each in declared.properties)
    for each in (*declared.properties, *(declared.line if lines else ())):
        if each.stored:
            yield each


def _aggregate(each: Aggregate) -> Input:
    columns = {each.key, *(where.column for where in each.where), *((each.of,) if each.of else ())}
    sources = feeding(each.events, columns)
    categories = specific((*each.categories, *_key(each.key), *_read(each.events, sources)))
    return Input(
        each.name, "feature", each.key, each.meaning, each.events, sources, categories,
        purposes=tuple(sorted(each.purposes)), window=each.window, unit=each.unit, tagged=bool(each.categories),
    )  # fmt: skip


def _reading(each: Reading) -> Input:
    sources = feeding(each.events, (*each.columns, each.key))
    categories = specific((*each.categories, *_key(each.key), *_read(each.events, sources)))
    return Input(each.name, "reading", each.key, each.meaning, each.events, sources, categories, window=each.window)


def _asked(features: FeatureSet, name: str) -> Input:
    said = features.categories.get(name)
    return Input(
        name, "request", "request", features.meanings.get(name, ""), categories=specific(said or ()),
        tagged=said is not None,
    )  # fmt: skip


def _computed(name: str, meaning: str, expression: Expression, known: Mapping[str, Input]) -> Input:
    inputs = tuple(dict.fromkeys(_columns(expression)))
    categories = specific(c for each in inputs for c in known[each].categories)
    keys = {known[each].key for each in inputs}
    key = keys.pop() if len(keys) == 1 else "several"
    return Input(name, "computed", key, meaning, categories=categories, inputs=inputs)


def _columns(expression: Expression) -> Iterator[str]:
    if isinstance(expression, Column):
        yield expression.name
    elif isinstance(expression, Call):
        for each in expression.arguments:
            yield from _columns(each)


def _read(events: Iterable[str], sources: Iterable[Source]) -> Iterator[str]:
    """Yield what reading properties of events tells: that they happened, and what the properties say.

    A product is what somebody looked at until the event says that they bought it: then only the event's word counts.
    """
    for name in events:
        yield EVENT_TYPES[name].category
    for source in sources:
        if source.category != properties.ITEM.category:
            yield source.category


def _key(key: str) -> tuple[str, ...]:
    return (PSEUDONYM,) if key == "subject" else ()
