"""A small shop for the door's tests: real store, log and road; one model, three use cases written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tillwise.access.keys import create_keys
from tillwise.decisions import receipts
from tillwise.decisions.decision import Decision, Degraded, Explain, ListedItem, Reason, Request
from tillwise.decisions.replay import Replayer
from tillwise.decisions.road import Road
from tillwise.decisions.use_case import UseCase
from tillwise.documents.described import Described
from tillwise.documents.notices import NoticeDesk
from tillwise.events.log import EventLog
from tillwise.events.tables import TABLES as EVENT_TABLES
from tillwise.features.feature import FeatureSet
from tillwise.features.row import FeatureRow
from tillwise.features.tiles import TABLES as TILE_TABLES
from tillwise.features.tiles import TileWriter
from tillwise.models.score import Score
from tillwise.outcomes import outcomes
from tillwise.privacy import holds, ledger
from tillwise.privacy.gate import Gate
from tillwise.privacy.permit import Permit
from tillwise.releases.releases import Releases
from tillwise.review.case import TABLES as REVIEW_TABLES
from tillwise.review.queue import Enqueue, ReviewQueue
from tillwise.rights.holders import row_holders
from tillwise.rights.lineage import Lineage
from tillwise.rights.rights import Rights
from tillwise.settings import Secrets, ServeSettings, Settings
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

SECRETS = Secrets(b"k" * 32)
ORIGIN = "https://shop.example"


@dataclass(frozen=True)
class Caps:
    """A policy."""

    review_above: int = 10_000


@dataclass(frozen=True)
class ToySteps:
    """Large amounts are reviewed; lists are always the same two items."""

    name: str
    features: FeatureSet
    policy: Caps = Caps()

    def know(self, permit: Permit, request: Request, snapshot: Snapshot) -> FeatureRow:
        amount = request.body.get("order", {}).get("amount", 0)
        return FeatureRow(permit, self.features.hash, self.features.columns, (float(amount),), {"amount": amount})

    def think(self, row: FeatureRow, model: Any, explain: Explain) -> Score:
        return Score(row, "sha256:" + "0" * 64, value=0.25)

    def act(self, score: Score, seed: int, explain: Explain) -> Decision:
        if self.name == "recommendations":
            why = (Reason("popular", "Many people buy this", 1.0),)
            items = tuple(ListedItem(f"sku-{n}", 1.0 / n, n, 1.0, why) for n in (1, 2))
            return Decision("items", (), items=items)
        if self.name == "churn":
            return Decision("none", (Reason("recent", "Bought a few days ago", 1.0),), score=0.25)
        high = score.row.facts["amount"] > self.policy.review_above
        reason = Reason("amount", "The amount is high" if high else "The amount is usual", 1.0)
        return Decision("review" if high else "approve", (reason,), score=0.25, rules=("amount_cap",) if high else ())

    def fallback(self, row: FeatureRow | None, request: Request, why: Degraded) -> Decision:
        reason = (Reason("fallback", "Decided without a model", 1.0),)
        action = {"recommendations": "items", "churn": "none", "fraud": "review"}[self.name]
        return Decision(action, reason, items=() if action == "items" else None, degraded=why)


def use_case(name: str, purpose: Purpose) -> UseCase:
    features = FeatureSet(name, (), request=("amount",))
    unrecorded = "review" if name == "fraud" else None
    steps = ToySteps(name, features)
    return UseCase(name, purpose, features, steps, Caps(), unrecorded=unrecorded, adverse=frozenset({"review"}))


@dataclass
class ToyModel:
    """In force since the day before yesterday."""

    version: str = "sha256:" + "0" * 64
    features: str = ""
    released: int = 1_700_000_000_000
    model: Any = "toy"


@dataclass
class ToyModels:
    """The same model for everyone, unless `missing`."""

    missing: bool = False

    def current(self, snapshot: Snapshot, use_case: str) -> ToyModel | None:
        return None if self.missing else ToyModel()

    def load(self, version: str) -> Any:
        return "toy"


@dataclass
class ToyShop:
    """Satisfies tillwise.api.shop.Shop."""

    store: SqliteStore
    log: EventLog
    road: Road
    use_cases: Mapping[str, UseCase]
    keys: dict[str, str]
    replayer: Replayer
    releases: Releases
    reviews: ReviewQueue
    secrets: Secrets = SECRETS
    clock: LogClock = field(default_factory=LogClock)
    settings: Settings = field(default_factory=lambda: Settings(serve=ServeSettings(origins=(ORIGIN,))))
    models: ToyModels = field(default_factory=ToyModels)
    wrong: list[str] = field(default_factory=list)
    gate: Gate = field(default_factory=Gate)
    rights: Any = None
    described: Any = None
    notices: Any = None
    on_outcome: tuple[Any, ...] = ()

    def problems(self) -> Sequence[str]:
        return self.wrong

    def close(self) -> None:
        self.road.close()
        self.store.close()


def build_toy(folder: Path) -> ToyShop:
    """Build the shop in a folder."""
    store = SqliteStore(folder / "tillwise.db")
    store.create((*EVENT_TABLES, *receipts.TABLES, *ledger.TABLES, *outcomes.TABLES, *REVIEW_TABLES))
    clock = LogClock()
    models = ToyModels()
    cases = {
        "recommendations": use_case("recommendations", Purpose.RECOMMEND),
        "fraud": use_case("fraud", Purpose.FRAUD_PREVENTION),
        "churn": use_case("churn", Purpose.MARKETING),
    }
    gate = Gate(default_place="US")
    road = Road(store, gate, models, SECRETS, clock, on_receipt=(Enqueue(),))
    releases = Releases(store, clock=clock)
    described = Described(Settings(), store, cases, releases, gate, frozenset(cases))
    return ToyShop(
        store,
        EventLog(store, SECRETS, clock),
        road,
        cases,
        create_keys(store),
        Replayer(store, gate, models, cases),
        releases,
        ReviewQueue(store, clock),
        models=models,
        gate=gate,
        rights=_rights(store, clock, gate, models, cases),
        described=described,
        notices=NoticeDesk(described),
    )


def _rights(store: SqliteStore, clock: LogClock, gate: Gate, models: ToyModels, cases: Mapping[str, UseCase]) -> Rights:
    """Return people's rights over this store."""
    store.create((*holds.TABLES, *TILE_TABLES))
    lineage = Lineage(gate, Releases(store, clock=clock), cases)
    replayer = Replayer(store, gate, models, cases)
    return Rights(store, SECRETS, clock, replayer, lineage=lineage, rows=row_holders(TileWriter(()), SECRETS))
