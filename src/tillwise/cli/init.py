"""`tillwise init DIR`: a new shop folder with settings, a commented shop.py, secrets, and keys that are shown once."""

from __future__ import annotations

from pathlib import Path

import click

from tillwise.access.keys import create_keys
from tillwise.cli.main import json_option, shop_option
from tillwise.cli.show import Show
from tillwise.errors import ConfigurationError
from tillwise.settings import SETTINGS_FILE, SHOP_FILE, ShopFolder, create_secrets
from tillwise.stores.sqlite import SqliteStore

SETTINGS = """\
# The settings of one shop. What is not here has one value; docs/settings.md explains every line.

[shop]
name = "{name}"
currency = "EUR"
# The country whose rules apply to people of whom no place is known. Empty: the strictest rules there are.
place = ""

# Who answers for the data: stands in the privacy notice and in the record of processing (`tillwise ropa`).
# [controller]
# name = "Example Ltd"
# address = "1 Example Street, Exampletown"
# contact = "privacy@example.com"
# dpo = "none"

[serve]
host = "127.0.0.1"
port = 8420
workers = 1
# Web origins whose pages may post behaviour with the browser key.
origins = []

# Values that replace the defaults of a policy, for example what a chargeback costs beside the goods, in minor units:
# [policy.fraud.costs]
# chargeback_fee = 2500
"""

SHOP = '''\
"""The shop's own features and use cases, in the same words as tillwise's own. Everything here is optional.

from tillwise.features.feature import DAY, Agg, Aggregate
from tillwise.vocabulary.purpose import Purpose

refunds_30d = Aggregate(
    name="refunds_30d", key="subject", events=("Order Refunded",), agg=Agg.COUNT, window=30 * DAY,
    meaning="Refunds of this person in 30 days", purposes=frozenset({Purpose.FRAUD_PREVENTION, Purpose.TRAIN}),
)

# Features a use case gets besides its own; train it again afterwards.
EXTRA_FEATURES = {"fraud": (refunds_30d,)}

# Further use cases: pairs (UseCase, learner). docs/own.md builds one from files to an answer.
USE_CASES = ()
"""

EXTRA_FEATURES = {}
USE_CASES = ()
'''


def create_shop(folder: Path) -> dict[str, str]:
    """Write a new shop folder and return its keys by role; raise ConfigurationError when one is already there."""
    if (folder / SETTINGS_FILE).exists():
        raise ConfigurationError(f"{folder / SETTINGS_FILE} exists already: this folder is a shop")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    create_secrets(folder)
    _write_private(folder / SETTINGS_FILE, SETTINGS.format(name=folder.resolve().name.replace('"', "")))
    _write_private(folder / SHOP_FILE, SHOP)
    store = SqliteStore(ShopFolder(folder).database)
    try:
        return create_keys(store)
    finally:
        store.close()


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), required=False)
@shop_option
@json_option
def init_command(directory: Path | None, shop: Path, *, as_json: bool) -> None:
    """Write settings, a commented shop.py and random keys into DIRECTORY; print the keys once."""
    show = Show(as_json)
    folder = directory or shop
    keys = create_shop(folder)
    show.document({"shop": str(folder), "keys": keys})
    show.line(f"{folder} is ready. These keys are shown once; keep them where secrets are kept:")
    show.table("keys", ("role", "key"), list(keys.items()))
    show.line(f"Next: tillwise import MAPPING.toml --shop {folder}")
