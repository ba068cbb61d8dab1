"""A built shop with a few events, and the toy shop of tests/api for its pages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tillwise.app import App, build_app
from tillwise.cli.init import create_shop

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An initialised shop in Germany."""
    made = tmp_path / "shop"
    create_shop(made)
    settings = made / "tillwise.toml"
    settings.write_text(settings.read_text().replace('place = ""', 'place = "DE"'))
    return made


@pytest.fixture
def app(folder: Path) -> Iterator[App]:
    """The shop, built."""
    built = build_app(folder)
    yield built
    built.close()
