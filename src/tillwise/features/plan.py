"""From a declaration to numbers: which integers are read for which key, and how they become the model's columns.

Both paths share this file. A `Slot` is one int64 read by SQL; `assemble` turns slots, request values and row
expressions into float32 columns, always by the same steps (int64 → float64 → float32). `assemble_one` takes the same
steps for one row without arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.features.check import check_features, shared_purposes, type_codes
from tillwise.features.expression import Expression, evaluate, parse
from tillwise.features.feature import Agg, Aggregate, FeatureSet, Where
from tillwise.features.one_row import compile_row, quotient

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
ZERO_WHEN_EMPTY: Final = (Agg.COUNT, Agg.COUNT_NONNULL, Agg.DISTINCT)


@dataclass(frozen=True, slots=True)
class Slot:
    """One integer over the rows of a key: what, of which column, over which types, conditions and window.

    For `time_since` it is the newest `at`; `mean` has no slot of its own, it is made of two.
    """

    agg: Agg
    of: str | None
    types: tuple[int, ...]
    where: tuple[Where, ...]
    window: int

    @property
    def empty(self) -> float:
        """Return the value over no rows: 0 for counts, else null."""
        return 0.0 if self.agg in ZERO_WHEN_EMPTY else np.nan


def counting(slot: Slot) -> Slot:
    """Return the slot that counts the values another one sums: a sum over none of them is null, not 0."""
    return Slot(Agg.COUNT_NONNULL, slot.of, slot.types, slot.where, slot.window)


@dataclass(frozen=True, slots=True)
class Read:
    """Everything one key is asked; `first` is the place of its first slot among all slots of the plan."""

    key: str
    slots: tuple[Slot, ...]
    first: int

    @property
    def window(self) -> int:
        """Return the longest window."""
        return max(slot.window for slot in self.slots)

    @property
    def types(self) -> tuple[int, ...]:
        """Return every row type any slot reads."""
        return tuple(sorted({code for slot in self.slots for code in slot.types}))


class Plan:
    """A checked feature set, ready to be read.

    Raises InvalidDeclaration when the set cannot be computed exactly (see features/check.py).
    """

    def __init__(self, features: FeatureSet) -> None:
        check_features(features)
        self.features = features
        self.columns = features.columns
        self.purposes = shared_purposes(features)
        self.reads = _reads(features.aggregates)
        found = {(r.key, slot): r.first + i for r in self.reads for i, slot in enumerate(r.slots)}
        self.empty = np.array([slot.empty for r in self.reads for slot in r.slots], dtype=np.float64)
        wanted = [[found[a.key, slot] for slot in _slots(a)] for a in features.aggregates]
        self._first = np.array([slots[0] for slots in wanted], dtype=np.intp)
        self._means = _where_agg(features, Agg.MEAN)
        self._divisors = np.array([wanted[i][1] for i in self._means], dtype=np.intp)
        self._since = _where_agg(features, Agg.TIME_SINCE)
        self._names = (*(a.name for a in features.aggregates), *features.request, *(name for name, _ in features.rows))
        self._rows = _parsed_rows(features)
        self._output = np.array([self._names.index(name) for name in self.columns], dtype=np.intp)
        places = {name: place for place, name in enumerate(self._names)}
        self._scalars = tuple(compile_row(expression, places) for expression in self._rows)
        self._picked = _Picked(self._first, self._means, self._divisors, self._since, self._output)
        self._singles = Struct(f"{len(self.columns)}f")

    def assemble_one(
        self, slots: Sequence[float | int | None], at: int, request: Sequence[float | None]
    ) -> tuple[float | None, ...]:
        """Return what `assemble` gives for one point, None for null in and out."""
        picked = self._picked
        known = [_number(slots[place]) for place in picked.first]
        for place, divisor in picked.means:
            known[place] = quotient(known[place], _number(slots[divisor]))
        for place in picked.since:
            known[place] = float(at) - known[place]
        known += [_number(value) for value in request]
        for scalar in self._scalars:
            known.append(scalar(known))
        # a difference that is not 0 is NaN: of infinity, or of NaN itself
        return tuple([value if value - value == 0.0 else None for value in self._rounded(known)])

    def derive(self, known: Mapping[str, float | None]) -> tuple[float | None, ...]:
        """Return the columns where aggregates and request values are `known` already: the row expressions follow."""
        given = len(self._names) - len(self._scalars)
        values = [_number(known.get(name)) for name in self._names[:given]]
        for scalar in self._scalars:
            values.append(scalar(values))
        return tuple([value if value - value == 0.0 else None for value in self._rounded(values)])

    def _rounded(self, known: list[float]) -> Sequence[float]:
        columns = [known[place] for place in self._picked.output]
        try:
            return self._singles.unpack(self._singles.pack(*columns))
        except OverflowError:  # a finite value beyond float32: infinite there
            with np.errstate(over="ignore"):
                return [float(value) for value in np.array(columns).astype(np.float32)]

    def assemble(self, slots: Floats, at: NDArray[np.int64], request: Floats) -> NDArray[np.float32]:
        """Return float32 columns [n, columns] from slots [slots, n], the points' `at` [n] and request [request, n].

        NaN stands for null in and out.
        """
        given = len(self._first) + len(request)
        known = np.empty((len(self._names), len(at)))
        with np.errstate(all="ignore"):
            values = slots[self._first]
            if len(self._means):
                # no values: the sum is null already, so 0 in the divisor changes nothing
                values[self._means] /= slots[self._divisors]
            if len(self._since):
                values[self._since] = at - values[self._since]
            known[: len(values)] = values
            known[len(values) : given] = request
            if self._rows:
                columns = dict(zip(self._names, known, strict=True))
                for place, expression in enumerate(self._rows, given):
                    known[place] = evaluate(expression, columns, len(at))
            table = known[self._output].T.astype(np.float32, order="C")
            table[~np.isfinite(table)] = np.nan
        return table


class _Picked:
    """The places of a plan as Python integers, for one row."""

    def __init__(self, first: Places, means: Places, divisors: Places, since: Places, output: Places) -> None:
        self.first: list[int] = first.tolist()
        self.means: list[tuple[int, int]] = list(zip(means.tolist(), divisors.tolist(), strict=True))
        self.since: list[int] = since.tolist()
        self.output: list[int] = output.tolist()


def _number(value: float | int | None) -> float:
    return math.nan if value is None else float(value)


def _slots(aggregate: Aggregate) -> tuple[Slot, ...]:
    types = type_codes(aggregate)
    of, where, window = aggregate.of, aggregate.where, aggregate.window
    if aggregate.agg is Agg.MEAN:
        return Slot(Agg.SUM, of, types, where, window), Slot(Agg.COUNT_NONNULL, of, types, where, window)
    return (Slot(aggregate.agg, of, types, where, window),)


def _reads(aggregates: Sequence[Aggregate]) -> tuple[Read, ...]:
    keys = tuple(dict.fromkeys(aggregate.key for aggregate in aggregates))
    reads: list[Read] = []
    first = 0
    for key in keys:
        slots = tuple(dict.fromkeys(slot for a in aggregates if a.key == key for slot in _slots(a)))
        reads.append(Read(key, slots, first))
        first += len(slots)
    return tuple(reads)


def _parsed_rows(features: FeatureSet) -> tuple[Expression, ...]:
    known = [*(a.name for a in features.aggregates), *features.request]
    parsed: list[Expression] = []
    for name, text in features.rows:
        parsed.append(parse(text, known))
        known.append(name)
    return tuple(parsed)


def _where_agg(features: FeatureSet, agg: Agg) -> NDArray[np.intp]:
    return np.array([i for i, a in enumerate(features.aggregates) if a.agg is agg], dtype=np.intp)
