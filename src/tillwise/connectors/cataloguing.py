"""Items and people from files: read first, written in the transaction that makes the whole import visible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb

from tillwise.connectors.mapping import Source
from tillwise.events.catalog import Item, upsert_items
from tillwise.events.people import pseudonym_for, set_traits
from tillwise.settings import Secrets
from tillwise.vocabulary.store import Transaction


@dataclass(slots=True)
class Upserts:
    """What the catalogue and the people's traits will be, in the order of the sources."""

    items: dict[str, Item] = field(default_factory=dict)
    traits: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, transaction: Transaction, secrets: Secrets, seq: int) -> None:
        """Write all of it as of position `seq`."""
        upsert_items(transaction, self.items.values(), seq)
        for user_id, traits in self.traits.items():
            set_traits(transaction, pseudonym_for(transaction, secrets, user_id), traits, secrets)


def read_items(connection: duckdb.DuckDBPyConnection, source: Source, into: Upserts) -> int:
    """Read the good rows as items; of several rows of one item the last one counts. Return how many items."""
    before = len(into.items)
    currency = source.currency
    for row in _rows(connection, source):
        into.items[row["item_id"]] = Item(currency=currency if "price" in row else None, **row)
    return len(into.items) - before


def read_people(connection: duckdb.DuckDBPyConnection, source: Source, into: Upserts) -> int:
    """Read the good rows as traits of people. Return how many people."""
    before = len(into.traits)
    for row in _rows(connection, source):
        into.traits.setdefault(row.pop("subject"), {}).update(row)
    return len(into.traits) - before


def _rows(connection: duckdb.DuckDBPyConnection, source: Source) -> Iterator[dict[str, Any]]:
    names = [feed.name for feed in source.feeds]
    columns = ", ".join(f"v{index}" for index in range(len(names)))
    for row in connection.execute(f"SELECT {columns} FROM staged WHERE bad = 0 ORDER BY _row").fetchall():
        yield {name: value for name, value in zip(names, row, strict=True) if value is not None}
