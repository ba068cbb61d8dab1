"""Tiles: hourly and daily sums of the rows of hot keys, kept in the events' own transaction.

A key that gathers rows without limit (item, merchant, the whole shop) cannot be scanned while a customer waits. A tile
holds, for one accumulator, key and hour or day, how many rows there were, how many had a value, and their sum; and
because a reader may only see some rows, each tile also stands for one permission mask, one epoch and one world
(simulated or real). Sums of tiles plus the raw rows at both ends of a window are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tillwise.events.facts import FACT_COLUMNS, Fact
from tillwise.features.check import is_hot
from tillwise.features.feature import DAY, HOUR, Agg, FeatureSet, Where
from tillwise.features.plan import Plan, Slot
from tillwise.features.sql import when_sql
from tillwise.vocabulary.canonical import canonical
from tillwise.vocabulary.codes import code_of
from tillwise.vocabulary.store import Transaction

ADDITIVE: Final = (Agg.COUNT, Agg.COUNT_NONNULL, Agg.SUM)
"""What tiles hold; a mean is made of two of them."""
HOURS: Final = 0
DAYS: Final = 1
LEVELS: Final = ((HOURS, HOUR), (DAYS, DAY))

_KEY: Final = "acc, k, level, bucket, simulated, purposes, epoch"
TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS accumulators (acc INTEGER PRIMARY KEY, definition TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS tiles (acc INTEGER NOT NULL, k INTEGER NOT NULL, level INTEGER NOT NULL,"
    " bucket INTEGER NOT NULL, simulated INTEGER NOT NULL, purposes INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    f" n INTEGER NOT NULL, nonnull INTEGER NOT NULL, total INTEGER NOT NULL, PRIMARY KEY ({_KEY}))"
    " STRICT, WITHOUT ROWID",
)
_ADD: Final = (
    f"INSERT INTO tiles ({_KEY}, n, nonnull, total) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT ({_KEY})"
    " DO UPDATE SET n = tiles.n + excluded.n, nonnull = tiles.nonnull + excluded.nonnull,"
    " total = tiles.total + excluded.total"
)


@dataclass(frozen=True, slots=True)
class Accumulator:
    """What is summed: rows of a hot key, of some types, under some conditions; `of` is the column, None for rows."""

    key: str
    types: tuple[int, ...]
    where: tuple[Where, ...]
    of: str | None

    @classmethod
    def of_slot(cls, key: str, slot: Slot) -> Accumulator:
        """Return the accumulator a slot reads; slots that differ in their window share one."""
        return cls(key, slot.types, slot.where, slot.of)

    @property
    def definition(self) -> str:
        """Return the text that names it."""
        where = [[w.column, w.op, w.value] for w in self.where]
        return canonical([self.key, self.types, where, self.of]).decode()

    @property
    def code(self) -> int:
        """Return its code in the tables."""
        return code_of(self.definition)


class TileWriter:
    """Keeps the tiles of every hot key that some feature set reads. Called by the log with the rows it appends."""

    def __init__(self, feature_sets: Iterable[FeatureSet]) -> None:
        plans = [Plan(features) for features in feature_sets]
        self.accumulators = tuple(
            dict.fromkeys(
                Accumulator.of_slot(read.key, slot)
                for plan in plans
                for read in plan.reads
                if is_hot(read.key)
                for slot in read.slots
                if slot.agg in ADDITIVE
            )
        )
        self._by_type: dict[int, list[_Adder]] = {}
        for accumulator in self.accumulators:
            adder = _Adder(accumulator)
            for code in accumulator.types:
                self._by_type.setdefault(code, []).append(adder)

    def __call__(self, transaction: Transaction, facts: Sequence[Fact]) -> None:
        """Add the rows of the subject-free stream that an append wrote, in its own transaction."""
        sums = self._sums(facts)
        if sums:
            transaction.run_many(_ADD, ((*key, *values) for key, values in sums.items()))

    def subtract(self, transaction: Transaction, facts: Sequence[Fact]) -> int:
        """Take rows out that are erased in this transaction; return how many tiles that touched."""
        sums = self._sums(facts)
        transaction.run_many(_ADD, ((*key, *(-value for value in values)) for key, values in sums.items()))
        transaction.run_many(f"DELETE FROM tiles WHERE ({_KEY}) = (?, ?, ?, ?, ?, ?, ?) AND n = 0", sums.keys())
        return len(sums)

    def _sums(self, facts: Sequence[Fact]) -> dict[tuple[int, ...], list[int]]:
        sums: dict[tuple[int, ...], list[int]] = {}
        for fact in facts:
            for adder in self._by_type.get(fact.type, ()):
                adder.add(fact, sums)
        return sums

    def rebuild(self, transaction: Transaction, *, everything: bool = False) -> int:
        """Fill the tiles of accumulators declared after rows exist, drop those no longer declared; return how many.

        `everything` computes all of them afresh, as after rows were erased.
        """
        declared = {accumulator.code: accumulator for accumulator in self.accumulators}
        present = {code for (code,) in transaction.all("SELECT acc FROM accumulators")}
        for code in present if everything else present - declared.keys():
            transaction.run("DELETE FROM tiles WHERE acc = ?", (code,))
            transaction.run("DELETE FROM accumulators WHERE acc = ?", (code,))
        fresh = declared.keys() - (set() if everything else present)
        for code in sorted(fresh):
            transaction.run("DELETE FROM tiles WHERE acc = ?", (code,))
            for level, size in LEVELS:
                transaction.run(_fill_sql(declared[code], level, size))
            transaction.run(
                "INSERT INTO accumulators (acc, definition) VALUES (?, ?)", (code, declared[code].definition)
            )
        return len(fresh)


class _Adder:
    """Adds one row to the sums of one accumulator, if it counts."""

    def __init__(self, accumulator: Accumulator) -> None:
        self._code = accumulator.code
        self._key = FACT_COLUMNS.index(accumulator.key)
        self._of = None if accumulator.of is None else FACT_COLUMNS.index(accumulator.of)
        self._tests = tuple(_test(condition) for condition in accumulator.where)

    def add(self, fact: Fact, sums: dict[tuple[int, ...], list[int]]) -> None:
        key = fact[self._key]
        if key is None or not all(test(fact) for test in self._tests):
            return
        value = None if self._of is None else fact[self._of]
        for level, size in LEVELS:
            tile = (self._code, key, level, fact.at // size, fact.simulated, fact.purposes, fact.epoch)
            parts = sums.setdefault(tile, [0, 0, 0])
            parts[0] += 1
            if value is not None:
                parts[1] += 1
                parts[2] += value


def _test(condition: Where) -> Callable[[Fact], bool]:
    place, value = FACT_COLUMNS.index(condition.column), condition.value
    if isinstance(value, int):
        return lambda fact: fact[place] == value
    if condition.op == "between":
        low, high = value
        return lambda fact: (found := fact[place]) is not None and low <= found <= high
    allowed = frozenset(value)
    return lambda fact: fact[place] in allowed


def _fill_sql(accumulator: Accumulator, level: int, size: int) -> str:
    slot = Slot(Agg.COUNT, accumulator.of, accumulator.types, accumulator.where, 0)
    of = "NULL" if accumulator.of is None else f"e.{accumulator.of}"
    # rounds down, before 1970 too: integer division alone rounds towards zero
    bucket = f"(e.at - ((e.at % {size}) + {size}) % {size}) / {size}"
    return (
        f"INSERT INTO tiles ({_KEY}, n, nonnull, total) SELECT {accumulator.code}, e.{accumulator.key}, {level},"
        f" {bucket}, e.simulated, e.purposes, e.epoch, COUNT(*), COUNT({of}), COALESCE(SUM({of}), 0)"
        f" FROM by_{accumulator.key} e WHERE {when_sql(slot, 'e', None)}"
        f" GROUP BY e.{accumulator.key}, {bucket}, e.simulated, e.purposes, e.epoch"
    )
