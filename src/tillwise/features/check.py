"""Is it a declaration we can compute exactly? Every refusal says what to write instead."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

from tillwise.errors import InvalidDeclaration
from tillwise.events.facts import DIMENSIONS, HOT_KEYS, MEASURES, PERSON_KEYS
from tillwise.events.types import EVENT_TYPES, event_code, line_code
from tillwise.features.expression import parse
from tillwise.features.feature import DAY, Agg, Aggregate, FeatureSet, Where
from tillwise.vocabulary.purpose import Purpose

LONGEST: Final = 3 * 366 * DAY
"""No window is longer than three years."""
LONGEST_IP: Final = DAY
"""One address serves many people: a day of its rows is what a decision has time to read."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_EVERY_COLUMN: Final = (*PERSON_KEYS, *HOT_KEYS, *DIMENSIONS, *MEASURES)
_STREAM: Final = (*HOT_KEYS, *DIMENSIONS, *MEASURES)
_TEXTUAL: Final = (*PERSON_KEYS, *HOT_KEYS, *DIMENSIONS)
_HOT: Final = (Agg.COUNT, Agg.COUNT_NONNULL, Agg.SUM, Agg.MEAN, Agg.LAST, Agg.TIME_SINCE)
_FRAUD: Final = frozenset({Purpose.FRAUD_PREVENTION, Purpose.TRAIN})
_WITHOUT_OF: Final = (Agg.COUNT, Agg.TIME_SINCE)


def is_hot(key: str) -> bool:
    """Return whether a key gathers rows without limit, so that it needs tiles."""
    return key in HOT_KEYS


def type_codes(aggregate: Aggregate) -> tuple[int, ...]:
    """Return the codes of the rows an aggregate reads, ascending."""
    code = line_code if aggregate.lines else event_code
    return tuple(sorted({code(event) for event in aggregate.events}))


def shared_purposes(features: FeatureSet) -> frozenset[Purpose]:
    """Return the purposes all aggregates of a set may be read for; empty when there are no aggregates."""
    every = [aggregate.purposes for aggregate in features.aggregates]
    return frozenset.intersection(*every) if every else frozenset()


def check_features(features: FeatureSet, purpose: Purpose | None = None) -> None:
    """Raise InvalidDeclaration unless every column can be computed exactly, and read for `purpose` if one is given."""
    _check_names(features)
    for aggregate in features.aggregates:
        _check_aggregate(aggregate)
    allowed = shared_purposes(features)
    if features.aggregates and purpose is not None and purpose not in allowed:
        bad = [aggregate.name for aggregate in features.aggregates if purpose not in aggregate.purposes]
        raise InvalidDeclaration(
            f"feature set '{features.name}' is for {purpose}, but {', '.join(bad)} may not be read for it:"
            f" add Purpose.{purpose.name} to its purposes or take it out"
        )
    if features.aggregates and not allowed:
        raise InvalidDeclaration(f"feature set '{features.name}': its features share no purpose, so nobody may read it")


def _check_names(features: FeatureSet) -> None:
    names = [*(a.name for a in features.aggregates), *features.request, *(name for name, _ in features.rows)]
    for name in names:
        if not _NAME.fullmatch(name):
            raise InvalidDeclaration(f"'{name}' is no column name: use a-z, 0-9 and _, starting with a letter")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidDeclaration(f"feature set '{features.name}' declares {', '.join(twice)} twice")
    known = [*(a.name for a in features.aggregates), *features.request]
    for name, text in features.rows:
        parse(text, known)
        known.append(name)
    for name in features.output:
        if name not in names:
            raise InvalidDeclaration(
                f"feature set '{features.name}' puts out '{name}', which is not declared{_meant(name, names)}"
            )
    if len(set(features.output)) != len(features.output):
        raise InvalidDeclaration(f"feature set '{features.name}' puts a column out twice")


def _check_aggregate(aggregate: Aggregate) -> None:
    if not aggregate.meaning.strip():
        raise _refused(aggregate, "say in its meaning what it counts, in plain words")
    if not aggregate.purposes:
        raise _refused(aggregate, "has no purposes: name those it may be read for")
    if not aggregate.categories:
        raise _refused(aggregate, "has no data categories: name those it is made of")
    if aggregate.version < 1:
        raise _refused(aggregate, "versions start at 1")
    if not aggregate.events:
        raise _refused(aggregate, "names no events")
    for event in aggregate.events:
        if event not in EVENT_TYPES:
            raise _refused(aggregate, f"there is no event type '{event}'{_meant(event, list(EVENT_TYPES))}")
    _check_key(aggregate)
    _check_of(aggregate)
    for condition in aggregate.where:
        _check_where(aggregate, condition)


def _check_key(aggregate: Aggregate) -> None:
    key = aggregate.key
    if key not in (*PERSON_KEYS, *HOT_KEYS):
        raise _refused(aggregate, f"there is no key '{key}'{_meant(key, [*PERSON_KEYS, *HOT_KEYS])}")
    if not 0 < aggregate.window <= LONGEST:
        raise _refused(aggregate, f"a window is between 1 and {LONGEST} milliseconds, not {aggregate.window}")
    if key in PERSON_KEYS and key != "subject" and not aggregate.purposes <= _FRAUD:
        raise _refused(aggregate, f"the key '{key}' leads to a person: its only purpose is fraud_prevention")
    if key == "ip" and aggregate.window > LONGEST_IP:
        raise _refused(aggregate, "many people share one ip: its windows are at most 24 hours")
    if is_hot(key) and aggregate.agg not in _HOT:
        raise _refused(
            aggregate,
            f"'{aggregate.agg}' over all rows of a {key} cannot be kept exactly: use {', '.join(_HOT)},"
            " or a key that leads to one person",
        )


def _check_of(aggregate: Aggregate) -> None:
    if aggregate.agg in _WITHOUT_OF:
        if aggregate.of is not None:
            raise _refused(aggregate, f"'{aggregate.agg}' takes no column: leave `of` out, or use count_nonnull")
        return
    if aggregate.of is None:
        raise _refused(aggregate, f"'{aggregate.agg}' needs `of`, one of {', '.join(MEASURES)}")
    _check_column(aggregate, aggregate.of)
    if aggregate.agg in (Agg.SUM, Agg.MEAN, Agg.MIN, Agg.MAX) and aggregate.of in _TEXTUAL:
        raise _refused(
            aggregate, f"'{aggregate.of}' is a code for text, which has no {aggregate.agg}: count it instead"
        )


def _check_where(aggregate: Aggregate, condition: Where) -> None:
    _check_column(aggregate, condition.column)
    value = condition.value
    many = value if isinstance(value, tuple) else (value,)
    if any(type(number) is not int or not -(2**63) < number < 2**63 for number in many):
        raise _refused(aggregate, f"the condition on '{condition.column}' compares with whole numbers and codes only")
    fits = {
        "=": not isinstance(value, tuple),
        "in": isinstance(value, tuple) and len(value) > 0,
        "between": isinstance(value, tuple) and len(value) == 2,
    }
    if not fits.get(condition.op, False):
        raise _refused(
            aggregate,
            f"the condition on '{condition.column}' is '=' with one number, 'in' with several, or 'between' with two",
        )


def _check_column(aggregate: Aggregate, column: str) -> None:
    allowed = _STREAM if is_hot(aggregate.key) else _EVERY_COLUMN
    if column not in allowed:
        raise _refused(aggregate, f"rows of a {aggregate.key} have no column '{column}'{_meant(column, allowed)}")
    if column in PERSON_KEYS and column != "subject" and not aggregate.purposes <= _FRAUD:
        raise _refused(aggregate, f"'{column}' leads to a person: its only purpose is fraud_prevention")


def _refused(aggregate: Aggregate, why: str) -> InvalidDeclaration:
    return InvalidDeclaration(f"feature '{aggregate.name}': {why}")


def _meant(name: str, known: tuple[str, ...] | list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
