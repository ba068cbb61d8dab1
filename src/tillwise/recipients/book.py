"""The shop's vendor records as they stand now: read again when the file changes, so that a struck record acts at once.

A file that cannot be read stops nobody's shop: nobody is on record then, so nothing leaves, and `problem` says why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from tillwise.audit.log import enter_act
from tillwise.errors import ConfigurationError
from tillwise.recipients.vendor import Vendor
from tillwise.recipients.vendors import VENDORS_FILE, read_vendors
from tillwise.vocabulary.canonical import digest_of
from tillwise.vocabulary.store import Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS vendor_records (id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, revision TEXT NOT NULL,"
    " body TEXT NOT NULL) STRICT",
)
_Stamp = tuple[int, int, int]


class VendorBook:
    """Vendors by name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: _Stamp | None = None
        self._vendors: dict[str, Vendor] = {}
        self._problem = ""
        self._read = False

    @property
    def vendors(self) -> dict[str, Vendor]:
        """Return the records in force."""
        self._refresh()
        return self._vendors

    @property
    def problem(self) -> str:
        """Return why the file cannot be read; "" when it can."""
        self._refresh()
        return self._problem

    @property
    def revision(self) -> str:
        """Return the content name of all records."""
        return digest_of([msgspec.to_builtins(each) for each in self.vendors.values()])

    def _refresh(self) -> None:
        try:
            seen = (self._folder / VENDORS_FILE).stat()
            stamp: _Stamp | None = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
        except OSError:
            stamp = None
        if self._read and stamp == self._stamp:
            return
        try:
            self._vendors, self._problem = {each.name: each for each in read_vendors(self._folder)}, ""
        except ConfigurationError as error:
            self._vendors, self._problem = {}, str(error)
        self._stamp, self._read = stamp, True


def note_records(transaction: Transaction, book: VendorBook, wall: int) -> bool:
    """Keep the records and enter an act in the audit log when they differ from those noted last; return whether.

    A file that cannot be read is no change: what was noted last goes on standing there.
    """
    if book.problem:
        return False
    revision = book.revision
    row = transaction.one("SELECT revision, body FROM vendor_records ORDER BY id DESC LIMIT 1")
    before = {} if row is None else {each["name"]: each for each in msgspec.json.decode(row[1])}
    if (row is None and not book.vendors) or (row is not None and row[0] == revision):
        return False
    now = {name: msgspec.to_builtins(vendor) for name, vendor in book.vendors.items()}
    body = msgspec.json.encode(list(now.values())).decode()
    plain = {each["name"]: each for each in msgspec.json.decode(body)}
    transaction.run("INSERT INTO vendor_records (wall, revision, body) VALUES (?, ?, ?)", (wall, revision, body))
    enter_act(
        transaction,
        "vendors",
        {
            "revision": revision,
            "added": sorted(plain.keys() - before.keys()),
            "changed": sorted(name for name in plain.keys() & before.keys() if plain[name] != before[name]),
            "removed": sorted(before.keys() - plain.keys()),
        },
    )
    return True
