"""One empty shop per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from imported_shop import ImportedShop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ImportedShop]:
    shop = ImportedShop(tmp_path)
    yield shop
    shop.store.close()
