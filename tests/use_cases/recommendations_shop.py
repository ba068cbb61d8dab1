"""A small shop on a real store: 60 items in six categories, people who each like two of them, half a year of orders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tillwise.decisions import receipts
from tillwise.decisions.decision import Explain, Place, Request
from tillwise.decisions.road import Road
from tillwise.events.catalog import Item, upsert_items
from tillwise.events.event import Event
from tillwise.events.ingest import read_message
from tillwise.events.people import find_pseudonym
from tillwise.events.record import record
from tillwise.events.tables import TABLES as LOG_TABLES
from tillwise.features.feature import DAY, HOUR
from tillwise.features.shelf import SnapshotShelf
from tillwise.features.tiles import TABLES as TILE_TABLES
from tillwise.jobs.learning import Material
from tillwise.models.artifact import Artifact
from tillwise.models.ranking.als import AlsSettings
from tillwise.models.ranking.blend import BlendModel
from tillwise.models.ranking.ease import EaseSettings
from tillwise.models.ranking.fit import BlendSettings
from tillwise.models.ranking.history import Decay
from tillwise.models.ranking.knn import KnnSettings
from tillwise.models.ranking.rp3 import Rp3Settings
from tillwise.privacy import ledger
from tillwise.privacy.gate import Gate
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.use_cases.recommendations import FEATURES, RecommendationPolicy, recommendations
from tillwise.use_cases.recommendations.learner import RecommendationLearner
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.identity import Pseudonym

SECRETS = Secrets(log=b"0123456789abcdef0123456789abcdef")
END = 1_790_002_800_000 - 1_790_002_800_000 % HOUR + 10 * 60_000
ITEMS, PEOPLE, DAYS = 60, 80, 180
LEARNER = RecommendationLearner(
    settings=BlendSettings(
        knn=KnnSettings(keep=20),
        rp3=Rp3Settings(keep=20),
        ease=EaseSettings(penalty=10.0, side=1.0, head=40, keep=20),
        als=AlsSettings(factors=8, iterations=4),
        decays=(Decay(), Decay(step=0.8)),
    )
)


def catalogue() -> list[Item]:
    """Item i-0 … i-59: ten per category; i-59 is new and never sold, i-10 is sold out, i-20 is not active."""
    return [
        Item(
            item_id=f"i-{n}", title=f"Thing {n}", category=f"kind {n % 6}", brand=f"brand {n % 5}", price=1000 + n,
            cost=500 if n % 7 else 995 + n, in_stock=0 if n == 10 else 5, active=n != 20,
            created=END - (5 if n == 59 else 400) * DAY,
        )
        for n in range(ITEMS)
    ]  # fmt: skip


def events(seed: int = 3) -> tuple[list[Event], list[int]]:
    """Orders and views; a person looks at and buys things of two kinds, the lower numbers more often, staples again."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[int, dict[str, Any]]] = []
    for person in range(PEOPLE):
        kinds = rng.choice(6, 2, replace=False)
        staples = [int(kinds[0]) + 6 * int(rng.integers(3))]
        for day in np.sort(rng.choice(DAYS, 14, replace=False)).tolist():
            at = END - (DAYS - day) * DAY - int(rng.integers(HOUR, 20 * HOUR))
            picked = [int(rng.choice(kinds)) + 6 * int(rng.beta(1, 3) * 9) for _ in range(3)]
            if rng.random() < 0.6:
                picked += staples
            rows.append((at, _view(person, picked[0])))
            rows.append((at + 60_000, _order(person, day, sorted(set(picked)))))
    rows.sort(key=lambda row: row[0])
    read = [read_message(message, received=at) for at, message in rows]
    assert all(isinstance(event, Event) for event in read), read
    return read, [at for at, _ in rows]  # type: ignore[return-value]


def _view(person: int, item: int) -> dict[str, Any]:
    return {"type": "track", "event": "Product Viewed", "userId": f"u-{person}",
            "properties": {"product_id": f"i-{item}"}}  # fmt: skip


def _order(person: int, day: int, items: list[int]) -> dict[str, Any]:
    products = [{"product_id": f"i-{n}", "quantity": 1, "price": 10} for n in items]
    return {"type": "track", "event": "Order Completed", "userId": f"u-{person}",
            "properties": {"order_id": f"o-{person}-{day}", "currency": "EUR", "products": products}}  # fmt: skip


@dataclass
class Now:
    now: int = END

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True)
class InForce:
    version: str
    model: BlendModel
    features: str = FEATURES.hash
    released: int = END


@dataclass
class Models:
    artifact: Artifact | None = None

    def current(self, snapshot: Any, use_case: str) -> InForce | None:
        return None if self.artifact is None else InForce(self.artifact.version, self.load(self.artifact.version))

    def load(self, version: str) -> BlendModel:
        assert self.artifact is not None
        return BlendModel.load(self.artifact)


@dataclass
class Shop:
    store: SqliteStore
    gate: Gate
    models: Models
    road: Road
    shelf: SnapshotShelf
    folder: Path

    def material(self, **more: Any) -> Material:
        return Material(self.store, None, self.gate, LogClock(wall=Now()), self.folder, **more)  # type: ignore[arg-type]

    def ask(self, policy: RecommendationPolicy | None = None, *, subject: str | None = "u-1", **body: Any) -> Any:
        country = body.pop("country", "US")
        explain = body.pop("explain", Explain.TOP)
        request = Request(
            None, {"placement": "home", **body}, subject=subject, place=Place(country), deadline_ms=20_000,
            explain=explain,
        )  # fmt: skip
        return self.road.decide(recommendations(self.shelf, policy), request, "key")

    def pseudonym(self, user_id: str) -> Pseudonym:
        with self.store.snapshot() as snapshot:
            found = find_pseudonym(snapshot, SECRETS, user_id)
        assert found is not None
        return found


@contextmanager
def open_shop(folder: Path, *, filled: bool = True) -> Iterator[Shop]:
    store = SqliteStore(folder / "shop.db")
    try:
        store.create((*LOG_TABLES, *TILE_TABLES, *ledger.TABLES, *receipts.TABLES))
        if filled:
            fill(store)
        wall = Now()
        gate, models = Gate(wall=wall, default_place="US"), Models()
        road = Road(store, gate, models, SECRETS, LogClock(wall=wall), wall=wall)
        yield Shop(store, gate, models, road, SnapshotShelf(folder / "snapshots"), folder)
        road.close()
    finally:
        store.close()


def fill(store: SqliteStore) -> None:
    read, at = events()

    def work(transaction: Any) -> None:
        upsert_items(transaction, catalogue(), 0)
        record(transaction, SECRETS, read, first_seq=1, at=at, epoch=0)
        transaction.run("UPDATE head SET seq = ?, at = ?", (len(read), at[-1]))

    store.commit(work).result()
