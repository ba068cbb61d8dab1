"""A store with the tables of this room, and quick passwords: the costs of real ones are for real shops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tillwise.access import passwords
from tillwise.access.tables import TABLES
from tillwise.stores.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "tillwise.db")
    opened.create(TABLES)
    yield opened
    opened.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hash with the least memory Argon2 allows."""
    monkeypatch.setattr(passwords, "_KIBIBYTES", 8)
    monkeypatch.setattr(passwords, "_PASSES", 1)
    passwords._hasher.cache_clear()
    passwords._nobody.cache_clear()
    yield
    passwords._hasher.cache_clear()
    passwords._nobody.cache_clear()
