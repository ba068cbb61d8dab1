"""A small shop whose files are imported: writes files and mappings, imports, and looks at what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tillwise.connectors.importing import ImportResult, import_mapping
from tillwise.events.catalog import texts_of
from tillwise.events.people import user_ids
from tillwise.events.tables import TABLES
from tillwise.privacy import ledger
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.clock import LogClock

SECRETS = Secrets(b"a log secret that is long enough")
NOW = 1_795_253_400_000
CLOCK = LogClock(wall=lambda: NOW)

ORDERS = """order,when,customer,sku,pieces,price
1001,2026-03-01 09:15,ann,tea-01,2,4.50
1001,2026-03-01 09:15,ann,cup-07,1,12.00
1002,2026-03-02 18:40,bob,tea-01,1,4.50
"""
MAPPING = """
[[source]]
file = "orders.csv"
event = "Order Completed"
one_event_per = ["order_id"]
timezone = "Europe/Berlin"
[source.columns]
subject = "customer"
order_id = "order"
timestamp = "when"
"products.item_id" = "sku"
"products.quantity" = "pieces"
"products.unit_price" = { column = "price", unit = "major", currency = "EUR" }
"""
BASIS = """
[basis]
place = "DE"
recommend = { basis = "consent", notice = "n-1", evidence = "sign-up" }
train = { basis = "notice", notice = "n-1" }
"""


def payments(columns: str = "", *, file: str = "pay.csv", source: str = "") -> str:
    """Return a mapping of one payment per row: columns when and who, and what is added; else all for one order."""
    if not any(name in columns for name in ("order_id", "amount", "card_hash")):
        columns += '\norder_id = { const = "o-1" }'
    return f"""
[[source]]
file = "{file}"
event = "Payment Attempted"
timezone = "UTC"
{source}
[source.columns]
subject = "who"
timestamp = "when"
{columns}
"""


class ImportedShop:
    """A shop's folder with its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = SqliteStore(folder / "log.db")
        self.store.create((*TABLES, *ledger.TABLES))

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def load(self, mapping: str, *, name: str = "shop.toml", **rest: Any) -> ImportResult:
        return import_mapping(self.store, SECRETS, CLOCK, self.write(name, mapping), **rest)

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        with self.store.snapshot() as snapshot:
            return [tuple(row) for row in snapshot.all(sql)]

    def one(self, sql: str) -> Any:
        return self.all(sql)[0][0]

    def facts(self, columns: str) -> list[tuple[Any, ...]]:
        return self.all(f"SELECT {columns} FROM facts ORDER BY seq, line")

    def amounts(self) -> list[int]:
        """Return the amount of each event in order."""
        return [amount for (amount,) in self.all("SELECT amount FROM facts WHERE line = 0 ORDER BY seq")]

    def people(self) -> list[str | None]:
        """Return the shop's own id behind each event in order."""
        with self.store.snapshot() as snapshot:
            rows = snapshot.all("SELECT coalesce(subject, anonymous) FROM events ORDER BY seq")
            known = user_ids(snapshot, SECRETS, [row[0] for row in rows if row[0] is not None])
        return [known.get(row[0]) for row in rows]

    def items(self) -> list[str]:
        """Return the item of each product line in order."""
        rows = self.all("SELECT item FROM facts WHERE line > 0 ORDER BY seq, line")
        with self.store.snapshot() as snapshot:
            known = texts_of(snapshot, [code for (code,) in rows])
        return [known[code] for (code,) in rows]

    def quarantined(self) -> list[tuple[str, int, str, str]]:
        """Return file, line, field and reason of what was refused."""
        return self.all("SELECT source, line, field, reason FROM quarantine ORDER BY source, line")
