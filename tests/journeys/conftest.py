"""One small shop, imported and trained once; every test gets a copy of its folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_shop import REFUSING, make_shop, material, say, write_files

from tillwise.app import App, build_app
from tillwise.connectors.importing import import_mapping
from tillwise.jobs.train import train
from tillwise.privacy.ledger import State
from tillwise.vocabulary.purpose import Purpose


@dataclass(frozen=True)
class Trained:
    """A shop's folder at rest: churn and recommendations are released, fraud answers by its rules."""

    folder: Path
    files: Path
    keys: dict[str, str]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Import the shop's files, let some customers refuse, train."""
    root = tmp_path_factory.mktemp("small")
    keys, mapping = make_shop(root / "shop"), write_files(root / "files")
    app = build_app(root / "shop")
    try:
        import_mapping(app.store, app.secrets, app.clock, mapping, on_append=(app.tiles,))
        for user_id in REFUSING:
            say(app, user_id, Purpose.TRAIN, State.REFUSED)
        for name in ("churn", "recommendations"):
            train(app.use_case(name), app.learners[name], material(app), app.releases)
    finally:
        app.close()
    return Trained(root / "shop", root / "files", keys)


@pytest.fixture
def folder(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the trained shop."""
    target = tmp_path / "shop"
    shutil.copytree(trained.folder, target)
    return target


@pytest.fixture
def opened(folder: Path) -> Iterator[Callable[[], App]]:
    """Open the copy, as a starting process does; everything opened is closed at the end."""
    apps: list[App] = []

    def build() -> App:
        apps.append(build_app(folder))
        return apps[-1]

    yield build
    for app in apps:
        app.close()


@pytest.fixture
def app(opened: Callable[[], App]) -> App:
    return opened()
