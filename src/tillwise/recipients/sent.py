"""The outbound ledger: what went to whom, when, why and under which record; with a link for each person it was about.

It answers GDPR 15(1)(c) (who received my data), 19 (whom to tell of an erasure) and 30(1)(d). A link is written
before anything leaves, so that a crash in between names one recipient too many, never one too few. Files for the shop
itself are counted under SHOP, which is no recipient: nobody outside received them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tillwise.events.lookup import rows_in
from tillwise.recipients.vendor import Vendor
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS sent (id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, vendor TEXT NOT NULL,"
    " record TEXT NOT NULL, what TEXT NOT NULL, purpose TEXT NOT NULL, categories TEXT NOT NULL,"
    " records INTEGER NOT NULL, people INTEGER NOT NULL, country TEXT NOT NULL, region TEXT NOT NULL,"
    " mechanism TEXT NOT NULL, sha256 TEXT NOT NULL, withheld TEXT NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS sent_vendor ON sent (vendor, wall)",
    "CREATE TABLE IF NOT EXISTS sent_people (subject INTEGER NOT NULL, sent INTEGER NOT NULL,"
    " PRIMARY KEY (subject, sent)) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS sent_people_sent ON sent_people (sent)",
    "CREATE TABLE IF NOT EXISTS sent_tasks (id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, vendor TEXT NOT NULL,"
    " done INTEGER) STRICT",
)
SHOP: Final = "kept by the shop"
"""Stands in the place of a vendor where a file stays with the shop. No record can have this name."""
_COLUMNS: Final = (
    "id", "wall", "vendor", "record", "what", "purpose", "categories", "records", "people", "country", "region",
    "mechanism", "sha256", "withheld",
)  # fmt: skip
_SHOWN: Final = ("id", "wall", "vendor", "what", "purpose", "categories", "country", "region", "mechanism")


@dataclass(frozen=True, slots=True)
class Sent:
    """One hand-over. `what` is a file or a sink, `records` counts rows or messages, `sha256` names a file's bytes."""

    vendor: str
    what: str
    purpose: str
    wall: int
    categories: tuple[str, ...] = ()
    records: int = 0
    record: str = ""
    country: str = ""
    region: str = ""
    mechanism: str = ""
    sha256: str = ""
    withheld: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def to(cls, vendor: Vendor, **said: Any) -> Sent:
        """Return a hand-over to a vendor under its record as it stands."""
        mechanism = "" if vendor.transfer is None else vendor.transfer.mechanism
        return cls(
            vendor=vendor.name, record=vendor.digest, country=vendor.country, region=vendor.region,
            mechanism=mechanism, **said,
        )  # fmt: skip


def enter(transaction: Transaction, sent: Sent, people: Iterable[int]) -> int:
    """Write a hand-over and whom it was about; return its id."""
    about = sorted(set(people))
    row = transaction.one("SELECT coalesce(max(id), 0) + 1 FROM sent")
    number = int(row[0]) if row else 1
    transaction.run(
        f"INSERT INTO sent ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})",
        (number, sent.wall, sent.vendor, sent.record, sent.what, sent.purpose, " ".join(sorted(sent.categories)),
         sent.records, len(about), sent.country, sent.region, sent.mechanism, sent.sha256,
         msgspec.json.encode(dict(sent.withheld), order="sorted").decode()),
    )  # fmt: skip
    transaction.run_many("INSERT INTO sent_people (subject, sent) VALUES (?, ?)", [(key, number) for key in about])
    return number


def correct(transaction: Transaction, number: int, records: int, left: Collection[int]) -> None:
    """Note how many records of a hand-over arrived, and whom those that left were about: the others' links go."""
    linked = {row[0] for row in transaction.all("SELECT subject FROM sent_people WHERE sent = ?", (number,))}
    transaction.run_many(
        "DELETE FROM sent_people WHERE subject = ? AND sent = ?", [(key, number) for key in linked - set(left)]
    )
    transaction.run("UPDATE sent SET records = ?, people = ? WHERE id = ?", (records, len(linked & set(left)), number))


def take_back(transaction: Transaction, number: int) -> None:
    """Strike a hand-over of which surely nothing left: the vendor was not even reached."""
    transaction.run("DELETE FROM sent_people WHERE sent = ?", (number,))
    transaction.run("DELETE FROM sent WHERE id = ?", (number,))


def newest(snapshot: Snapshot, *, vendor: str | None = None, limit: int = 50) -> list[Json]:
    """Return the newest hand-overs, the newest first."""
    where, values = ("", ()) if vendor is None else ("WHERE vendor = ?", (vendor,))
    rows = snapshot.all(f"SELECT {', '.join(_COLUMNS)} FROM sent {where} ORDER BY id DESC LIMIT ?", (*values, limit))
    return [_plain(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def totals(snapshot: Snapshot) -> list[Json]:
    """Return per vendor and purpose: hand-overs, records, people (counted once each), and the newest moment."""
    rows = snapshot.all(
        "SELECT s.vendor, s.purpose, count(DISTINCT s.id), max(s.wall), count(DISTINCT p.subject)"
        " FROM sent s LEFT JOIN sent_people p ON p.sent = s.id GROUP BY s.vendor, s.purpose ORDER BY 1, 2"
    )
    records = {
        (row[0], row[1]): row[2]
        for row in snapshot.all("SELECT vendor, purpose, sum(records) FROM sent GROUP BY vendor, purpose")
    }
    return [
        {"vendor": vendor, "purpose": purpose, "sendings": n, "records": records[vendor, purpose], "people": people,
         "newest": last}
        for vendor, purpose, n, last, people in rows
    ]  # fmt: skip


def of_people(snapshot: Snapshot, keys: Sequence[int]) -> Iterator[Json]:
    """Yield every hand-over that held one of these people (GDPR 15(1)(c)), and every file kept by the shop."""
    numbers = {row[0] for row in rows_in(snapshot, "SELECT sent FROM sent_people WHERE subject IN", keys)}
    for row in rows_in(snapshot, f"SELECT {', '.join(_SHOWN)} FROM sent WHERE id IN", sorted(numbers)):
        yield _plain(dict(zip(_SHOWN, row, strict=True)))


def received(snapshot: Snapshot, keys: Sequence[int]) -> list[str]:
    """Return the vendors that received data of these people: whom to tell of an erasure or correction (GDPR 19)."""
    numbers = {row[0] for row in rows_in(snapshot, "SELECT sent FROM sent_people WHERE subject IN", keys)}
    rows = rows_in(snapshot, "SELECT vendor FROM sent WHERE id IN", sorted(numbers))
    return sorted({str(row[0]) for row in rows} - {SHOP})


def open_tasks(transaction: Transaction, vendors: Iterable[str], wall: int) -> None:
    """Note that these vendors have to be told of an erasure, correction or restriction (GDPR 19).

    Of whose is not kept: the receipt of the request of that moment names the vendors to its maker.
    """
    transaction.run_many("INSERT INTO sent_tasks (wall, vendor) VALUES (?, ?)", [(wall, each) for each in vendors])


def tasks(snapshot: Snapshot) -> list[Json]:
    """Return who has still to be told, the oldest first."""
    rows = snapshot.all("SELECT id, wall, vendor FROM sent_tasks WHERE done IS NULL ORDER BY id")
    return [dict(zip(("id", "wall", "vendor"), row, strict=True)) for row in rows]


def close_task(transaction: Transaction, number: int, wall: int) -> bool:
    """Note that a vendor was told; return False when there is no such open task."""
    return transaction.run("UPDATE sent_tasks SET done = ? WHERE id = ? AND done IS NULL", (wall, number)) == 1


def _plain(row: Json) -> Json:
    row["categories"] = str(row["categories"]).split()
    if "withheld" in row:
        row["withheld"] = msgspec.json.decode(str(row["withheld"]))
    return row
