"""Training: the same slots at many points at once, as SQL over two tables, in two formulations.

A (any key): join every point with the rows of its key within the longest window, group by point. For a person's key
there are few such rows. D (hot keys, additive slots): put a marker for each point at both ends of each window among the
rows, take running sums in one pass, subtract; its cost does not depend on how many rows a key gathers. Markers have odd
positions (2·seq ± 1) and rows even ones, so a marker never ties with the row that is being scored.

The tables: `points` (i, at, mark, epoch, order_ref, simulated, one column per key) and the rows (`facts` for a person's
key, `stream` for a hot one). Nulls among a point's integers are null or points.NULL, which equals no row's value.
"""

from __future__ import annotations

from typing import Final

from tillwise.features.feature import DAY
from tillwise.features.plan import Read, Slot
from tillwise.features.sql import Dialect, aggregate_sql, types_sql, when_sql

_LAST_MARK: Final = 9223372036854775807
"""Behind every row of the same `at`: the lower end of a window leaves out all of them."""


_NARROW: Final = 8 * DAY


def joined_sql(read: Read, mask: int, rows: str, dialect: Dialect, *, points: str = "points") -> str:
    """Return formulation A: columns i, s0, s1, … with one row per point that has any row in its window.

    Narrow windows are joined by time as well, each point with the two stretches of time that its longest window
    touches: a key shared by many people (an ip) then meets its points a day at a time, not all of its history.
    """
    columns = []
    for place, slot in enumerate(read.slots):
        after = None if slot.window == read.window else f"p.at - {slot.window}"
        columns.append(f"{aggregate_sql(slot, 'e', after, dialect)} AS s{place}")
    return (
        f"SELECT p.i AS i, {', '.join(columns)} FROM {_stretched(points, read.window)} p JOIN {rows} e"
        f" ON e.{read.key} = p.{read.key}{_same_stretch(read.window)} AND e.at > p.at - {read.window}"
        f" AND {_visible(mask)}"
        f" AND {types_sql(read.types, 'e')} GROUP BY p.i"
    )


def _stretched(points: str, width: int) -> str:
    if width > _NARROW:
        return points
    return (
        f"(SELECT q.*, {_start('q.at', width)} - d.back AS stretch FROM {points} q"
        f" CROSS JOIN (SELECT 0 AS back UNION ALL SELECT {width} AS back) d)"
    )


def _same_stretch(width: int) -> str:
    return "" if width > _NARROW else f" AND {_start('e.at', width)} = p.stretch"


def _start(at: str, width: int) -> str:
    """Return the start of the stretch of time `at` lies in; rounds down before 1970 too, where % is negative."""
    return f"{at} - (({at} % {width}) + {width}) % {width}"


def _visible(mask: int) -> str:
    return (
        "e.at <= p.at AND (e.at < p.at OR 2 * e.seq < p.mark) AND e.epoch <= p.epoch"
        f" AND (e.purposes & {mask}) = {mask} AND e.simulated = p.simulated"
        " AND (e.order_ref IS NULL OR p.order_ref IS NULL OR e.order_ref <> p.order_ref)"
    )


def running_sql(
    read: Read, mask: int, epoch: int, dialect: Dialect, *, rows: str = "stream", points: str = "points"
) -> str:
    """Return formulation D for additive slots: columns i, s0, s1, … of counts and sums, one row per point.

    `epoch` is the points' own: the statement runs once for each that occurs. Own orders are not yet left out (see
    `own_sql`), and a sum over no values is 0 here.
    """
    tracks = tuple(dict.fromkeys(kind_of(slot) for slot in read.slots))
    windows = sorted({slot.window for slot in read.slots})
    marks = [f"SELECT p.{read.key} AS k, p.simulated AS w, p.at AS t, p.mark AS mark, p.i AS i, 0 AS win"]
    marks += [
        f"SELECT p.{read.key} AS k, p.simulated AS w, p.at - {window} AS t, {_LAST_MARK} AS mark, p.i AS i,"
        f" {window} AS win"
        for window in windows
    ]
    nothing = ", ".join(f"0 AS c{n}" for n in range(len(tracks)))
    union = " UNION ALL ".join(f"{mark}, {nothing} FROM {points} p WHERE p.epoch = {epoch}" for mark in marks)
    counted = ", ".join(f"{_counted(track)} AS c{n}" for n, track in enumerate(tracks))
    # A window function widens sums to 128 bits; sums of a key's rows fit 64, as the online path requires them to.
    sums = ", ".join(
        f"CAST(SUM(c{n}) OVER (PARTITION BY k, w ORDER BY t, mark ROWS UNBOUNDED PRECEDING) AS BIGINT) AS r{n}"
        for n in range(len(tracks))
    )
    results = ", ".join(
        f"MAX(CASE WHEN win = 0 THEN r{n} END) - MAX(CASE WHEN win = {slot.window} THEN r{n} END) AS s{place}"
        for place, slot in enumerate(read.slots)
        for n in (tracks.index(kind_of(slot)),)
    )
    return (
        f"SELECT i, {results} FROM (SELECT i, win, {sums} FROM ("
        f"SELECT e.{read.key} AS k, e.simulated AS w, e.at AS t, 2 * e.seq AS mark, CAST(NULL AS BIGINT) AS i,"
        f" 0 AS win, {counted} FROM {rows} e WHERE e.epoch <= {epoch} AND (e.purposes & {mask}) = {mask}"
        f" AND {types_sql(read.types, 'e')} AND e.{read.key} IS NOT NULL"
        f" UNION ALL {union}) u) r WHERE i IS NOT NULL GROUP BY i"
    )


def own_sql(read: Read, mask: int, dialect: Dialect, *, rows: str = "stream", points: str = "points") -> str:
    """Return what D counted of each point's own order: columns i, s0, s1, …, only points that have any such row."""
    columns = []
    for place, slot in enumerate(read.slots):
        columns.append(f"COALESCE({aggregate_sql(slot, 'e', f'p.at - {slot.window}', dialect)}, 0) AS s{place}")
    return (
        f"SELECT p.i AS i, {', '.join(columns)} FROM {points} p JOIN {rows} e"
        f" ON e.order_ref = p.order_ref AND e.{read.key} = p.{read.key} WHERE e.at <= p.at"
        " AND (e.at < p.at OR 2 * e.seq < p.mark) AND e.epoch <= p.epoch"
        f" AND (e.purposes & {mask}) = {mask} AND e.simulated = p.simulated AND {types_sql(read.types, 'e')}"
        " GROUP BY p.i"
    )


def newest_sql(track: Slot, key: str, mask: int, epoch: int, *, rows: str = "stream", points: str = "points") -> str:
    """Return the newest row of a slot's kind before each point (DuckDB): i, at, seq, line, order_ref, value.

    The points' table has besides its keys the position the search starts from: `t`, `mark`, `line`. Windows and own
    orders are up to the caller, who searches on from an own row's position.
    """
    of = f"e.{track.of or 'at'}"
    return (
        f"SELECT p.i AS i, e.t AS t, e.seq AS seq, e.ln AS ln, e.order_ref AS order_ref, e.value AS value"
        f" FROM (SELECT i, {key} AS k, simulated AS w, {_position('t', 'mark', 'line')} AS pos FROM {points}) p"
        f" ASOF JOIN (SELECT e.{key} AS k, e.simulated AS w, e.at AS t, e.seq AS seq, e.line AS ln,"
        f" e.order_ref AS order_ref, {of} AS value, {_position('e.at', '2 * e.seq', 'e.line')} AS pos FROM {rows} e"
        f" WHERE e.epoch <= {epoch} AND (e.purposes & {mask}) = {mask} AND {when_sql(track, 'e', None)}"
        f" AND {of} IS NOT NULL) e ON e.k = p.k AND e.w = p.w AND p.pos > e.pos"
    )


def _position(at: str, mark: str, line: str) -> str:
    return f"(CAST({at} AS HUGEINT) * 17592186044416 + LEAST({mark}, 17592186044415)) * 1048576 + {line}"


def kind_of(slot: Slot) -> Slot:
    """Return a slot without its window: what its rows are."""
    return Slot(slot.agg, slot.of, slot.types, slot.where, 0)


def _counted(track: Slot) -> str:
    when = when_sql(track, "e", None)
    if track.agg.value == "count":
        return f"CASE WHEN {when} THEN 1 ELSE 0 END"
    if track.agg.value == "count_nonnull":
        return f"CASE WHEN {when} AND e.{track.of} IS NOT NULL THEN 1 ELSE 0 END"
    return f"CASE WHEN {when} THEN COALESCE(e.{track.of}, 0) ELSE 0 END"
