"""A toy shop, its door, and a client that knocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from knocking import Client
from toy_shop import ToyShop, build_toy

from tillwise.api.create import create_api


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ToyShop]:
    built = build_toy(tmp_path)
    yield built
    built.close()


@pytest.fixture
def client(shop: ToyShop) -> Iterator[Client]:
    knocking = Client(create_api(shop), shop.keys)
    yield knocking
    knocking.close()
