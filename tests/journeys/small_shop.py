"""A small shop of its own: two years of orders of invented customers as CSV, and a mapping that loads them."""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tillwise.app import App
from tillwise.cli.init import create_shop
from tillwise.events.people import find_pseudonym
from tillwise.jobs.learning import Material
from tillwise.privacy import ledger
from tillwise.privacy.ledger import Consent, State
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

END = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""Just after the last order: the shop's log clock starts here."""
DAYS = 700
PEOPLE = 160
ITEMS = 40
REFUSING = ("c-3", "c-8", "c-21")
"""Customers who said no to training before anything was trained."""
MAPPING = """\
[basis]
place = "US"
recommend = { basis = "notice", notice = "terms-1", evidence = "account page" }
marketing = { basis = "consent", notice = "terms-1", evidence = "account page" }
train = { basis = "legitimate_interest", notice = "terms-1", evidence = "account page" }

[[source]]
file = "items.csv"
catalog = true
[source.columns]
item_id = "item"
title = "title"
category = "category"
brand = "brand"

[[source]]
file = "orders.csv"
event = "Order Completed"
one_event_per = ["order_id"]
timezone = "UTC"
[source.columns]
subject = "customer"
order_id = "order"
timestamp = "bought_at"
"products.item_id" = "item"
"products.quantity" = "quantity"
"products.line_total" = { column = "total", unit = "major", currency = "USD" }
"""


def write_files(folder: Path) -> Path:
    """Write items, orders and the mapping; return the mapping. Customers 0, 2, 4, … stay; the others leave one day."""
    rng = random.Random(11)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "items.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("item", "title", "category", "brand"))
        table.writerows((f"i-{n}", f"Thing {n}", f"kind {n % 5}", f"brand {n % 4}") for n in range(ITEMS))
    with (folder / "orders.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("customer", "order", "bought_at", "item", "quantity", "total"))
        for person in range(PEOPLE):
            table.writerows(_orders(person, rng))
    mapping = folder / "mapping.toml"
    mapping.write_text(MAPPING)
    return mapping


def _orders(person: int, rng: random.Random) -> list[tuple[str, str, str, str, int, str]]:
    day = rng.uniform(1, 60)
    until = DAYS if person % 2 == 0 else rng.uniform(60, DAYS)
    gap = rng.uniform(12, 40)
    rows = []
    while day < until:
        at = END - timedelta(days=DAYS - day)
        for _ in range(rng.randint(1, 3)):
            item = (person % 5) + 5 * min(int(rng.expovariate(0.5)), ITEMS // 5 - 1)
            rows.append(
                (f"c-{person}", f"o-{person}-{day:.0f}", at.isoformat(), f"i-{item}", 1, f"{rng.uniform(3, 30):.2f}")
            )
        day += rng.uniform(0.5, 1.6) * gap
    return rows


def make_shop(folder: Path) -> dict[str, str]:
    """Make an empty shop whose log clock stands at END; return its keys."""
    keys = create_shop(folder)
    settings = folder / "tillwise.toml"
    offset = int(END.timestamp() * 1000) - wall_now()
    settings.write_text(settings.read_text() + f"\n[clock]\noffset_ms = {offset}\n")
    return keys


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
