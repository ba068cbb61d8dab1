"""One person of the toy shop of tests/api, who looked, bought, searched and paid, and the door in front of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))

from knocking import Client
from people import ANNA, live
from toy_shop import ToyShop, build_toy

from tillwise.api.create import create_api


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ToyShop]:
    built = build_toy(tmp_path)
    live(built, ANNA)
    yield built
    built.close()


@pytest.fixture
def client(shop: ToyShop) -> Iterator[Client]:
    knocking = Client(create_api(shop), shop.keys)
    yield knocking
    knocking.close()
