"""Training tables: DuckDB over Parquet segments, the same values as serving, bit for bit."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from tillwise.engines.rewriting import rewrite
from tillwise.engines.segments import COLUMNS, SETTINGS, Kind, chain, export, spill_folder
from tillwise.errors import InvalidInput, NotPermitted
from tillwise.features.check import is_hot
from tillwise.features.feature import Agg, FeatureSet
from tillwise.features.offline import joined_sql, kind_of, newest_sql, own_sql, running_sql
from tillwise.features.plan import Plan, Read, Slot, counting
from tillwise.features.points import NULL, Points
from tillwise.features.sql import types_sql
from tillwise.features.tiles import ADDITIVE
from tillwise.privacy.permit import Permit
from tillwise.privacy.retention import Retention
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Store

CHUNK: Final = 250_000
"""Points computed at once: bounds the memory of a table."""
PAIRS: Final = 100_000_000
"""Rows of a person's keys that the points of one join may have between them."""


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """Features at points: `values[i, j]` is column j at point i as float32, NaN for null; `ids` are the points' own."""

    ids: NDArray[np.int64]
    columns: tuple[str, ...]
    values: NDArray[np.float32]
    definition: str
    """The feature set's hash."""

    def column(self, name: str) -> NDArray[np.float32]:
        """Return one column by its name."""
        return self.values[:, self.columns.index(name)]


class Segments:
    """The exported log of a shop, and what can be computed from it.

    `memory` bounds DuckDB's own memory (it spills to the folder beyond); `threads` 0 means all cores. Results do not
    depend on either. Rows older than `retention` allows are not read, also when nobody deleted them yet.
    """

    def __init__(
        self, folder: Path, *, memory: str = "2GB", threads: int = 0, retention: Retention | None = None
    ) -> None:
        self.folder = folder
        self._retention = retention
        self._settings = {**SETTINGS, "memory_limit": memory}
        if threads:
            self._settings["threads"] = threads

    def export(self, store: Store) -> int:
        """Write what was appended since the last export; return the position exported up to."""
        return export(store, self.folder)

    def rewrite(self, seqs: Collection[int]) -> int:
        """Write every file anew that holds a row at one of these erased positions; return how many."""
        return rewrite(self.folder, seqs)

    def training_table(self, features: FeatureSet, points: Points, permit: Permit) -> TrainingTable:
        """Compute a feature set at every point, in the points' order.

        `permit` says for which purpose rows may be read: its mask filters them, and its point is the now from which
        the retention of rows is counted back. Raises
        NotPermitted when it was refused or is for a purpose the set may not be read for, InvalidInput when the points
        lack a request column.
        """
        plan = Plan(features)
        if not permit.granted or (plan.reads and permit.purpose not in plan.purposes):
            raise NotPermitted(f"the features of '{features.name}' may not be read for {permit.purpose}")
        for name in features.request:
            if name not in points.request:
                raise InvalidInput(f"the points lack the request value '{name}' of '{features.name}'", field=name)
        values = np.empty((len(points), len(plan.columns)), dtype=np.float32)
        with self._connect(self._too_old(permit)) as connection:
            for start in range(0, len(points), CHUNK):
                part = slice(start, start + CHUNK)
                chunk = points.take(part)
                request = np.array([chunk.request[name] for name in features.request], dtype=np.float64)
                slots = _slots(connection, plan, chunk, permit.mask)
                values[part] = plan.assemble(slots, chunk.at, request.reshape(len(features.request), len(chunk)))
        return TrainingTable(points.id, plan.columns, values, features.hash)

    def _too_old(self, permit: Permit) -> str:
        """Return the condition that a row is too old to be read for the permit's purpose; "" when none can be."""
        if self._retention is None:
            return ""
        cuts = self._retention.cut_offs(permit.purpose, Purpose.TRAIN)
        return " OR ".join(
            f'("at" <= {permit.point.at - reach} AND "type" IN ({", ".join(map(str, types))}))' for reach, types in cuts
        )

    def _connect(self, too_old: str = "") -> duckdb.DuckDBPyConnection:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = duckdb.connect(config={**self._settings, "temp_directory": str(spill_folder(self.folder))})
        for kind in COLUMNS:
            connection.execute(_view(self.folder, kind, too_old))
        return connection


def _view(folder: Path, kind: Kind, too_old: str) -> str:
    files = [f"'{part}'" for segment in chain(folder, kind) for part in sorted(segment.glob("*.parquet"))]
    if files:
        where = f" WHERE NOT ({too_old})" if too_old else ""
        return f"CREATE VIEW {kind} AS SELECT * FROM read_parquet([{', '.join(files)}]){where}"
    columns = ", ".join(f'CAST(NULL AS BIGINT) AS "{name}"' for name in COLUMNS[kind])
    return f"CREATE VIEW {kind} AS SELECT {columns} WHERE false"


def _slots(connection: duckdb.DuckDBPyConnection, plan: Plan, points: Points, mask: int) -> NDArray[np.float64]:
    slots = np.repeat(plan.empty[:, None], len(points), axis=1)
    _register(connection, points)
    for read in plan.reads:
        found = slots[read.first : read.first + len(read.slots)]
        if is_hot(read.key):
            _hot(connection, read, points, mask, found)
        else:
            for part in _bounded(connection, read, len(points)):
                _scatter(connection, joined_sql(read, mask, "facts", "duckdb", points=part), found)
    return slots


def _bounded(connection: duckdb.DuckDBPyConnection, read: Read, n: int) -> Iterator[str]:
    """Split the points so that no join meets more than PAIRS rows at once, however busy a key is."""
    rows = np.zeros(n, dtype=np.int64)
    result = connection.execute(
        f"SELECT p.i AS i, r.n AS n FROM points p JOIN (SELECT {read.key} AS k, COUNT(*) AS n FROM facts e"
        f" WHERE {types_sql(read.types, 'e')} GROUP BY ALL) r ON r.k = p.{read.key}"
    ).fetchnumpy()
    rows[result["i"]] = result["n"]
    parts = np.cumsum(rows) // PAIRS
    starts = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), n]
    if len(starts) == 2:
        yield "points"
        return
    for start, end in pairwise(starts):
        yield f"(SELECT * FROM points WHERE i >= {start} AND i < {end})"


def _register(connection: duckdb.DuckDBPyConnection, points: Points) -> None:
    arrays: dict[str, Any] = {
        "i": np.arange(len(points), dtype=np.int64), "at": points.at, "mark": points.mark, "epoch": points.epoch,
        "order_ref": points.order_ref, "simulated": points.simulated, "shop": np.zeros(len(points), dtype=np.int64),
        **points.keys,
    }  # fmt: skip
    for key in ("subject", "device", "card", "ip", "address", "email", "item", "merchant"):
        arrays.setdefault(key, np.full(len(points), NULL))
    connection.register("given", arrays)
    connection.execute("CREATE OR REPLACE TEMP TABLE points AS SELECT * FROM given")
    connection.unregister("given")


def _scatter(connection: duckdb.DuckDBPyConnection, sql: str, into: NDArray[np.float64]) -> None:
    """Put a result (i, s0, s1, …) into the rows of `into`, one per slot, at column i."""
    result = connection.execute(sql).fetchnumpy()
    places = np.asarray(result["i"])
    for slot in range(len(into)):
        into[slot, places] = _floats(result[f"s{slot}"])


def _floats(column: Any) -> NDArray[np.float64]:
    return np.ma.filled(column.astype(np.float64), np.nan) if np.ma.isMaskedArray(column) else column.astype(np.float64)


def _hot(
    connection: duckdb.DuckDBPyConnection, read: Read, points: Points, mask: int, into: NDArray[np.float64]
) -> None:
    additive = tuple(slot for slot in read.slots if slot.agg in ADDITIVE)
    if additive:
        parts = tuple(dict.fromkeys((*additive, *(counting(slot) for slot in additive if slot.agg is Agg.SUM))))
        sums = _running(connection, Read(read.key, parts, 0), points, mask)
        for slot in additive:
            values = sums[parts.index(slot)]
            if slot.agg is Agg.SUM:
                values = np.where(sums[parts.index(counting(slot))] > 0, values, np.nan)
            into[read.slots.index(slot)] = values
    newest = dict.fromkeys(kind_of(slot) for slot in read.slots if slot.agg not in ADDITIVE)
    for kind in newest:
        at, value = _newest(connection, kind, read.key, points, mask)
        for place, slot in enumerate(read.slots):
            if kind_of(slot) == kind:
                into[place] = np.where(at > points.at - slot.window, value, np.nan)


def _running(connection: duckdb.DuckDBPyConnection, read: Read, points: Points, mask: int) -> NDArray[np.float64]:
    sums = np.zeros((len(read.slots), len(points)), dtype=np.int64)
    # One pass for each set of types: rows that one slot counts are then not sorted for another that ignores them.
    for types in dict.fromkeys(slot.types for slot in read.slots):
        places = [place for place, slot in enumerate(read.slots) if slot.types == types]
        same = Read(read.key, tuple(read.slots[place] for place in places), 0)
        part = np.zeros((len(places), len(points)), dtype=np.int64)
        for epoch in np.unique(points.epoch).tolist():
            _add(connection, running_sql(same, mask, epoch, "duckdb"), part, 1)
        if np.any(points.order_ref != NULL):
            _add(connection, own_sql(same, mask, "duckdb"), part, -1)
        sums[places] = part
    return sums.astype(np.float64)


def _add(connection: duckdb.DuckDBPyConnection, sql: str, into: NDArray[np.int64], sign: int) -> None:
    result = connection.execute(sql).fetchnumpy()
    places = np.asarray(result["i"])
    for slot in range(len(into)):
        into[slot, places] += sign * np.asarray(result[f"s{slot}"])


def _newest(
    connection: duckdb.DuckDBPyConnection, kind: Slot, key: str, points: Points, mask: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the `at` (NULL when there is none) and value of the newest row before each point, own orders left out."""
    at = np.full(len(points), NULL)
    value = np.full(len(points), np.nan)
    keys = np.zeros(len(points), dtype=np.int64) if key == "shop" else points.keys.get(key, np.full(len(points), NULL))
    for epoch in np.unique(points.epoch).tolist():
        searching = np.flatnonzero(points.epoch == epoch)
        t, mark, line = points.at[searching], points.mark[searching], np.zeros(len(searching), dtype=np.int64)
        while len(searching):
            connection.register(
                "searching",
                {"i": searching, key: keys[searching], "simulated": points.simulated[searching],
                 "t": t, "mark": mark, "line": line},
            )  # fmt: skip
            result = connection.execute(newest_sql(kind, key, mask, epoch, points="searching")).fetchnumpy()
            found = {name: np.ma.filled(column, NULL) for name, column in result.items()}
            places = found["i"]
            own = (found["order_ref"] != NULL) & (found["order_ref"] == points.order_ref[places])
            at[places[~own]] = found["t"][~own]
            value[places[~own]] = found["value"][~own].astype(np.float64)
            # the newest row is the scored order's own: search on from just before it
            searching, t, mark, line = places[own], found["t"][own], 2 * found["seq"][own], found["ln"][own]
    return at, value
