"""Reading a hot key: whole hours and days from tiles, the two ragged ends from raw rows, minus the scored order's own.

For a window (at − w, at] the tiles cover the whole hours within it (whole days where possible), raw rows the rest. Rows
of the scored order are left out of the raw ends where they stand and subtracted from the tiles, found by the log's
index on orders. The result equals the raw read exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from tillwise.errors import ConfigurationError
from tillwise.features.feature import DAY, HOUR, Agg
from tillwise.features.plan import Read, Slot, counting
from tillwise.features.raw import NO_ORDER, Bound, RawRead
from tillwise.features.sql import aggregate_sql, from_name, readable_sql, types_sql, visible_sql
from tillwise.features.tiles import ADDITIVE, DAYS, HOURS, Accumulator
from tillwise.vocabulary.store import Snapshot

SHORTEST: Final = 2 * HOUR
"""A window from here on holds a whole hour for certain; shorter ones are read raw."""
_TILE_COLUMN: Final = {Agg.COUNT: "n", Agg.COUNT_NONNULL: "nonnull", Agg.SUM: "total"}
_HOURS_OF_DAY: Final = DAY // HOUR
Value = Callable[[str], str]


class TiledRead:
    """All slots of a hot key. Raises ConfigurationError when its tiles were never built."""

    def __init__(self, read: Read) -> None:
        self.read = read
        tiled = [i for i, slot in enumerate(read.slots) if slot.agg in ADDITIVE and slot.window >= SHORTEST]
        rest = [i for i in range(len(read.slots)) if i not in tiled]
        self._tiled = _TileSums(read.key, tuple(read.slots[i] for i in tiled)) if tiled else None
        self._raw = RawRead(Read(read.key, tuple(read.slots[i] for i in rest), 0)) if rest else None
        self._places = tuple((*tiled, *rest).index(i) for i in range(len(read.slots)))

    def values(self, snapshot: Snapshot, bound: Bound) -> tuple[Any, ...]:
        """Return the slots' integers, None for null."""
        sums = () if self._tiled is None else self._tiled.values(snapshot, bound)
        raw = () if self._raw is None else self._raw.values(snapshot, bound)
        found = (*sums, *raw)
        return tuple(found[place] for place in self._places)


class _TileSums:
    """The additive slots: one statement whose rows are added up column by column."""

    def __init__(self, key: str, slots: tuple[Slot, ...]) -> None:
        self._parts = tuple(dict.fromkeys((*slots, *(counting(slot) for slot in slots if slot.agg is Agg.SUM))))
        self._results = tuple(
            (self._parts.index(slot), self._parts.index(counting(slot)) if slot.agg is Agg.SUM else None)
            for slot in slots
        )
        self._windows = tuple(sorted({slot.window for slot in slots}))
        self._needed = {Accumulator.of_slot(key, slot).code for slot in slots}
        self._checked = False
        self._sql = {own: sums_sql(key, self._parts, own_order=own) for own in (False, True)}
        self._pick = {own: itemgetter(*names) for own, (_, names) in self._sql.items()}

    def values(self, snapshot: Snapshot, bound: Bound) -> tuple[Any, ...]:
        if not self._checked:
            self._check(snapshot)
        bound |= _edges(bound["at"], self._windows)
        own = bound["order_ref"] != NO_ORDER
        rows = snapshot.all(self._sql[own][0], self._pick[own](bound))
        sums = [sum(column) for column in zip(*rows, strict=True)]
        return tuple(sums[part] if counted is None or sums[counted] else None for part, counted in self._results)

    def _check(self, snapshot: Snapshot) -> None:
        present = {code for (code,) in snapshot.all("SELECT acc FROM accumulators")}
        if not self._needed <= present:
            raise ConfigurationError("a feature over a hot key has no tiles yet: run the tile writer's rebuild first")
        self._checked = True


def _edges(at: int, windows: tuple[int, ...]) -> Bound:
    """Return the bounds of each window's parts: whole hours [first, last), of which whole days [start, end)."""
    last_hour = at // HOUR
    last_day = last_hour // _HOURS_OF_DAY
    edges: Bound = {"last_hour": last_hour, "tail": last_hour * HOUR - 1, "last_day": last_day,
                    "last_day_hour": last_day * _HOURS_OF_DAY}  # fmt: skip
    for window in windows:
        after = at - window
        first_hour = -(-(after + 1) // HOUR)
        first_day = -(-first_hour // _HOURS_OF_DAY)
        whole_days = first_day < last_day
        edges[from_name(window)] = after
        edges[f"hour_{window}"] = first_hour
        edges[f"start_{window}"] = first_hour * HOUR
        edges[f"day_{window}"] = first_day
        # without a whole day in between, the hours before the days run through to the end
        edges[f"split_{window}"] = first_day * _HOURS_OF_DAY if whole_days else last_hour
        edges[f"rest_{window}"] = edges["last_day_hour"] if whole_days else last_hour
    return edges


def sums_sql(key: str, parts: tuple[Slot, ...], *, own_order: bool) -> tuple[str, tuple[str, ...]]:
    """Return a statement whose rows, added up by column, are the parts; and the names of the values it binds."""
    names: list[str] = []

    def value(name: str) -> str:
        names.append(name)
        return "?"

    windows = sorted({part.window for part in parts})
    selects = [_tiles(key, parts, value), _tail(key, parts, value)]
    selects += [_lower_end(key, parts, window, value) for window in windows]
    if own_order:
        selects.append(_own_rows(key, parts, value))
    return " UNION ALL ".join(selects), tuple(names)


def _tiles(key: str, parts: tuple[Slot, ...], value: Value) -> str:
    return "SELECT " + ", ".join(_tile_sum(key, part, value) for part in parts)


def _tile_sum(key: str, part: Slot, value: Value) -> str:
    accumulator, w = Accumulator.of_slot(key, part).code, part.window
    spans = (
        (HOURS, f"hour_{w}", f"split_{w}"), (DAYS, f"day_{w}", "last_day"), (HOURS, f"rest_{w}", "last_hour"),
    )  # fmt: skip
    return " + ".join(
        f"(SELECT COALESCE(SUM(t.{_TILE_COLUMN[part.agg]}), 0) FROM tiles t WHERE t.acc = {accumulator}"
        f" AND t.k = {value('key')} AND t.level = {level} AND t.bucket >= {value(start)} AND t.bucket < {value(end)}"
        f" AND {readable_sql('t', value)})"
        for level, start, end in spans
    )


def _tail(key: str, parts: tuple[Slot, ...], value: Value) -> str:
    columns = ", ".join(f"COALESCE({aggregate_sql(part, 'e', None, 'sqlite')}, 0)" for part in parts)
    return (
        f"SELECT {columns} FROM by_{key} e WHERE e.{key} = {value('key')} AND e.at > {value('tail')}"
        f" AND {visible_sql('e', value)} AND {_types(parts)}"
    )


def _lower_end(key: str, parts: tuple[Slot, ...], window: int, value: Value) -> str:
    own = tuple(part for part in parts if part.window == window)
    columns = ", ".join(
        f"COALESCE({aggregate_sql(part, 'e', None, 'sqlite')}, 0)" if part in own else "0" for part in parts
    )
    return (
        # one upper bound only, or the index may be read up to the point instead of to the first whole hour
        f"SELECT {columns} FROM by_{key} e WHERE e.{key} = {value('key')} AND e.at > {value(from_name(window))}"
        f" AND e.at < {value(f'start_{window}')} AND {readable_sql('e', value)}"
        f" AND (e.order_ref IS NULL OR e.order_ref <> {value('order_ref')}) AND {_types(own)}"
    )


def _own_rows(key: str, parts: tuple[Slot, ...], value: Value) -> str:
    """Return what the scored order's own rows put into the tiles, as negative numbers."""
    columns = []
    for part in parts:
        after = value(f"start_{part.window}") + " - 1"
        columns.append(f"-COALESCE({aggregate_sql(part, 'e', after, 'sqlite')}, 0)")
    return (
        f"SELECT {', '.join(columns)} FROM facts f JOIN by_{key} e"
        f" ON e.{key} = f.{key} AND e.at = f.at AND e.seq = f.seq AND e.line = f.line"
        f" WHERE f.order_ref = {value('order_ref')} AND f.{key} = {value('key')} AND e.at <= {value('tail')}"
        f" AND {readable_sql('e', value)} AND {readable_sql('f', value)}"
    )


def _types(parts: tuple[Slot, ...]) -> str:
    return types_sql(tuple(sorted({code for part in parts for code in part.types})), "e")
