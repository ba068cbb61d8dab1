"""Reading a key's own rows: one range read over `by_<key>` for all slots, compiled once."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from tillwise.features.check import is_hot
from tillwise.features.feature import Agg
from tillwise.features.plan import Read, Slot
from tillwise.features.sql import aggregate_sql, from_name, newest_sql, types_sql, visible_sql
from tillwise.vocabulary.store import Snapshot

NO_ORDER: Final = -(2**63)
"""Stands for "no order is excluded": no order has this code."""
Bound = dict[str, Any]
"""What a read binds: the point (at, mark, epoch), mask, simulated, order_ref, and the key."""


class RawRead:
    """All slots of a key from its raw rows."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.sql, names = raw_sql(read)
        self._windows = tuple({from_name(slot.window): slot.window for slot in read.slots}.items())
        self._pick = itemgetter(*names)
        self._nothing = (None,) * len(read.slots)

    def values(self, snapshot: Snapshot, bound: Bound) -> tuple[Any, ...]:
        """Return the slots' integers, None for null."""
        at = bound["at"]
        for name, window in self._windows:
            bound[name] = at - window
        row = snapshot.one(self.sql, self._pick(bound))
        return self._nothing if row is None else row


def raw_sql(read: Read, mark: str = "?") -> tuple[str, tuple[str, ...]]:
    """Return the statement that reads all slots of a key, and the names of the values it binds, in order.

    `mark` is the store's placeholder. The text holds in SQLite and PostgreSQL alike.
    """
    names: list[str] = []

    def value(name: str) -> str:
        names.append(name)
        return mark

    table = f"by_{read.key}"
    gathered = [slot for slot in read.slots if not _steps_back(slot, read.key)]
    window = max((slot.window for slot in gathered), default=0)
    columns = [_column(slot, read.key, window, value) for slot in read.slots]
    text = f"SELECT {', '.join(columns)}"
    if gathered:
        types = tuple(sorted({code for slot in gathered for code in slot.types}))
        text += (
            f" FROM {table} e WHERE e.{read.key} = {value('key')} AND e.at > {value(from_name(window))}"
            f" AND {visible_sql('e', value)} AND {types_sql(types, 'e')}"
        )
    return text, tuple(names)


def _steps_back(slot: Slot, key: str) -> bool:
    """Return whether a slot is the newest row's value: found by stepping back, not by gathering all rows.

    On a person's key the newest `at` falls out of the rows that are gathered anyway.
    """
    return slot.agg is Agg.LAST or (slot.agg is Agg.TIME_SINCE and is_hot(key))


def _column(slot: Slot, key: str, window: int, value: Callable[[str], str]) -> str:
    if _steps_back(slot, key):
        return newest_sql(slot, f"by_{key}", key, value)
    after = None if slot.window == window else value(from_name(slot.window))
    text = aggregate_sql(slot, "e", after, "sqlite")
    # PostgreSQL widens sums; SQLite does not mind the cast.
    return f"CAST({text} AS BIGINT)" if slot.agg is Agg.SUM else text
