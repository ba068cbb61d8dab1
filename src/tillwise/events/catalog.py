"""The catalogue: what the shop sells, found by item id or by code, and what a code means."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from tillwise.events.lookup import rows_in
from tillwise.events.values import public_code
from tillwise.vocabulary.codes import code_of
from tillwise.vocabulary.store import Snapshot, Transaction

_COLUMNS: Final = (
    "item_id", "title", "category", "brand", "price", "cost", "currency", "in_stock", "active", "created",
)  # fmt: skip
_SAME: Final = "price IS excluded.price AND active = excluded.active AND (in_stock = 0) IS (excluded.in_stock = 0)"
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)}, body FROM items"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A product or variant. Money in minor units, `in_stock` in units (None = not known), `created` in Unix ms."""

    item_id: str
    title: str | None = None
    category: str | None = None
    brand: str | None = None
    price: int | None = None
    cost: int | None = None
    currency: str | None = None
    in_stock: int | None = None
    active: bool = True
    created: int | None = None
    attributes: dict[str, Any] = {}

    @property
    def code(self) -> int:
        """Return the code the facts hold for this item."""
        return code_of(self.item_id)


def upsert_items(transaction: Transaction, items: Iterable[Item], seq: int) -> int:
    """Add or replace items as of position `seq`; return how many."""
    listed = list(items)
    marks = ", ".join("?" * (len(_COLUMNS) + 3))
    changes = ", ".join(f"{name} = excluded.{name}" for name in (*_COLUMNS, "seq", "body"))
    transaction.run_many(
        f"INSERT INTO items (code, {', '.join(_COLUMNS)}, seq, body, turned) VALUES ({marks}, {seq:d})"
        f" ON CONFLICT (code) DO UPDATE SET {changes}, turned = CASE WHEN {_SAME} THEN turned ELSE excluded.seq END",
        [
            (item.code, item.item_id, item.title, item.category, item.brand, item.price, item.cost, item.currency,
             item.in_stock, int(item.active), item.created, seq, msgspec.json.encode(item.attributes).decode())
            for item in listed
        ],
    )  # fmt: skip
    texts = {text for item in listed for text in (item.item_id, item.category, item.brand) if text is not None}
    remember_texts(transaction, texts)
    return len(listed)


def set_stock(transaction: Transaction, item_id: str, in_stock: int, seq: int) -> None:
    """Set the units on hand of a known item."""
    transaction.run(
        "UPDATE items SET in_stock = ?1, seq = ?2,"
        " turned = CASE WHEN (in_stock = 0) IS (?1 = 0) THEN turned ELSE ?2 END WHERE code = ?3",
        (in_stock, seq, code_of(item_id)),
    )


def set_price(transaction: Transaction, item_id: str, price: int, seq: int) -> None:
    """Set the price of a known item, in minor units."""
    transaction.run(
        "UPDATE items SET price = ?1, seq = ?2, turned = CASE WHEN price IS ?1 THEN turned ELSE ?2 END WHERE code = ?3",
        (price, seq, code_of(item_id)),
    )


def turned_since(snapshot: Snapshot, seq: int) -> list[tuple[int, int | None, int, int | None]]:
    """Return (code, in_stock, active, price) of every item that sold out, came back or changed its price after `seq`.

    A count that went from 5 to 4 changes nothing that may be shown, and is not among them.
    """
    # Without ORDER BY: it would walk the whole catalogue in order of code instead of the few that turned.
    rows = snapshot.all("SELECT code, in_stock, active, price FROM items WHERE turned > ?", (seq,))
    return sorted(((row[0], row[1], row[2], row[3]) for row in rows), key=lambda row: row[0])


def upgrade(transaction: Transaction) -> None:
    """Give the catalogue of an earlier release what it lacks; repeating it changes nothing."""
    if "turned" not in {row[1] for row in transaction.all("PRAGMA table_info(items)")}:
        transaction.run("ALTER TABLE items ADD COLUMN turned INTEGER NOT NULL DEFAULT 0")
    transaction.run("CREATE INDEX IF NOT EXISTS items_turned ON items (turned)")


def read_items(snapshot: Snapshot, codes: Collection[int] | None = None) -> dict[int, Item]:
    """Return items by code: those asked for, or the whole catalogue."""
    if codes is None:
        rows = snapshot.all(f"{_SELECT} ORDER BY item_id")
    else:
        rows = rows_in(snapshot, f"{_SELECT} WHERE code IN", codes)
    items = [_item(row) for row in rows]
    return {item.code: item for item in items}


def find_items(snapshot: Snapshot, item_ids: Sequence[str]) -> dict[str, Item]:
    """Return the known items among `item_ids`."""
    found = read_items(snapshot, [code_of(item_id) for item_id in item_ids])
    return {item.item_id: item for item in found.values()}


def remember_texts(transaction: Transaction, texts: Collection[str]) -> None:
    """Keep the public texts behind codes, so that a code can be shown as what it means."""
    transaction.run_many(
        "INSERT INTO codes (code, text) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(public_code(text), text) for text in sorted(texts)],
    )


def texts_of(snapshot: Snapshot, codes: Collection[int]) -> dict[int, str]:
    """Return what public codes mean: item ids, categories, brands, countries, kinds; unknown ones are left out."""
    return dict(rows_in(snapshot, "SELECT code, text FROM codes WHERE code IN", codes))


def _item(row: Sequence[Any]) -> Item:
    *columns, body = row
    values = dict(zip(_COLUMNS, columns, strict=True))
    values["active"] = bool(values["active"])
    return Item(**values, attributes=msgspec.json.decode(body))
