"""What the commands on keys, people and grants share: the shop's store, opened and closed, and how days are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from tillwise.access.tables import TABLES
from tillwise.errors import InvalidInput
from tillwise.settings import Settings, ShopFolder
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.store import Snapshot, Transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Accounts:
    """An open shop, as far as accounts go: nothing is trained, built or served."""

    store: SqliteStore
    settings: Settings

    def do(self, work: Callable[[Transaction], T]) -> T:
        """Run one act in a transaction and wait until it is on disk."""
        return self.store.commit(work).result()

    def read(self, work: Callable[[Snapshot], T]) -> T:
        """Read in one snapshot."""
        with self.store.snapshot() as snapshot:
            return work(snapshot)


@contextmanager
def open_accounts(shop: Path) -> Iterator[Accounts]:
    """Open a shop's accounts. Raises ConfigurationError when the folder is no shop."""
    folder = ShopFolder(shop)
    settings = folder.settings()
    store = SqliteStore(folder.database)
    try:
        store.create(TABLES)
        yield Accounts(store, settings)
    finally:
        store.close()


def day(at: int | None) -> str:
    """Write Unix milliseconds as a day, or never."""
    return "never" if at is None else datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")


def minute(at: int) -> str:
    """Write Unix milliseconds as a day and a minute in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def moment_of(text: str, field: str) -> int:
    """Read a day or an RFC 3339 time as Unix milliseconds; a time without a zone is UTC. Raises InvalidInput."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"--{field} is a day or a time such as 2026-11-21T14:00:00Z", field=field) from None
    aware = read if read.tzinfo is not None else read.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)
