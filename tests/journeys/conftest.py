"""One small shop, imported and trained once; every test gets a copy of its folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_shop import make_shop, write_files

from tillwise.app import App, build_app
from tillwise.connectors.importing import import_mapping
from tillwise.events.people import find_pseudonym
from tillwise.jobs.learning import Material
from tillwise.jobs.train import train
from tillwise.privacy import ledger
from tillwise.privacy.ledger import Consent, State
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

REFUSING = ("c-3", "c-8", "c-21")
"""Customers who said no to training before anything was trained."""


@dataclass(frozen=True)
class Trained:
    """A shop's folder at rest: churn and recommendations are released, fraud answers by its rules."""

    folder: Path
    files: Path
    keys: dict[str, str]


def material(app: App) -> Material:
    return Material(store=app.store, segments=app.segments, gate=app.gate, clock=app.clock, folder=app.folder.path)


def person(app: App, user_id: str) -> Pseudonym:
    with app.store.snapshot() as snapshot:
        found = find_pseudonym(snapshot, app.secrets, user_id)
    assert found is not None
    return found


def say(app: App, user_id: str, purpose: Purpose, state: State) -> None:
    """Let a customer say something about a purpose."""
    who = person(app, user_id)

    def work(transaction: Transaction) -> None:
        ledger.record(transaction, Consent(who, purpose, state, place="US"), app.clock.now())

    app.store.commit(work).result()


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
