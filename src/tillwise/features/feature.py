"""A feature is a declaration: what is counted, for whose key, over which window, for which purposes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Literal

from tillwise.vocabulary.canonical import Json, digest_of
from tillwise.vocabulary.purpose import Purpose

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

Key = Literal["subject", "device", "card", "ip", "address", "email", "item", "merchant", "shop"]
Op = Literal["=", "in", "between"]


class Agg(StrEnum):
    """The closed set of aggregates."""

    COUNT = "count"
    COUNT_NONNULL = "count_nonnull"
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    DISTINCT = "distinct"
    LAST = "last"
    TIME_SINCE = "time_since"


@dataclass(frozen=True, slots=True)
class Where:
    """One condition on an integer column of the facts; several are joined by AND."""

    column: str
    op: Op
    value: int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A value of a key at a point of the log, over typed events in a window.

    `events` names event types; `lines` reads their product lines instead of the events themselves. `of` is the
    measure or dimension aggregated (None for count and time_since). `window` is in milliseconds, half-open
    (at − window, at], and at most the retention of the events. Results are int64, or null when nothing was there:
    count, count_nonnull and distinct give 0, the others null. `mean` is sum / count in one float64 division;
    `time_since` is milliseconds; `last` is the value of the newest row in (at, seq, line) order whose value is
    not null.
    """

    name: str
    key: Key
    events: tuple[str, ...]
    agg: Agg
    window: int
    meaning: str
    of: str | None = None
    lines: bool = False
    where: tuple[Where, ...] = ()
    unit: str = "count"
    version: int = 1
    categories: tuple[str, ...] = ("user.behavior",)
    purposes: frozenset[Purpose] = frozenset()

    def definition(self) -> Json:
        """Return all that decides the value, for hashing; meaning and categories are documentation."""
        return {
            "name": self.name, "key": self.key, "events": sorted(self.events), "agg": self.agg.value,
            "window": self.window, "of": self.of, "lines": self.lines, "version": self.version,
            "where": [[w.column, w.op, w.value] for w in self.where],
            "purposes": sorted(p.value for p in self.purposes),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows that a use case reads itself, beside its aggregates, so that inventory and notice know of them.

    `events` names event types, `lines` reads their product lines, `columns` the fact columns beside the key. With
    `key` "request" nothing is read from the log: the caller's own request says it. `categories` are added to those of
    the columns. `window` is in milliseconds (0 = no window). It is documentation: it decides no value.
    """

    name: str
    key: Key | Literal["request"]
    meaning: str
    events: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    window: int = 0
    lines: bool = False
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeatureSet:
    """The columns of one use case, in order: aggregates, request values, and row expressions over both.

    `request` names numbers the caller's request carries (such as `order_amount`); `rows` maps a further column to an
    expression in the closed language of features/expression.py. `output` lists the columns the model sees; empty
    means all. `categories` says of each request column what kind of data it is (fideslang keys; an empty tuple: none
    about a person), `readings` what the steps read besides; like `meanings` they are documentation and decide no value.
    """

    name: str
    aggregates: tuple[Aggregate, ...]
    request: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    output: tuple[str, ...] = ()
    meanings: dict[str, str] = field(default_factory=dict, hash=False, compare=False)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False, compare=False)
    readings: tuple[Reading, ...] = field(default=(), hash=False, compare=False)

    def __hash__(self) -> int:
        return self._key

    @cached_property
    def _key(self) -> int:
        # Asked on every decision: a declaration never changes, so it is computed once.
        return hash((self.name, self.aggregates, self.request, self.rows, self.output))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the model's columns, in order."""
        every = (*(a.name for a in self.aggregates), *self.request, *(name for name, _ in self.rows))
        return self.output or every

    @cached_property
    def hash(self) -> str:
        """Return the content name of the definitions; part of every model and receipt."""
        return digest_of(
            {
                "aggregates": [a.definition() for a in self.aggregates],
                "request": list(self.request),
                "rows": [list(row) for row in self.rows],
                "output": list(self.columns),
            }
        )
