"""A toy shop on a real store: one use case whose steps can be told to fail, to wait, or to let something happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tillwise.access.tables import TABLES as ACCESS_TABLES
from tillwise.decisions import receipts
from tillwise.decisions.decision import Decision, Degraded, Explain, Place, Reason, Request
from tillwise.decisions.recording import OnReceipt
from tillwise.decisions.replay import Replayer
from tillwise.decisions.road import Road
from tillwise.decisions.use_case import UseCase
from tillwise.events.people import find_pseudonym, pseudonym_for
from tillwise.events.tables import TABLES as EVENT_TABLES
from tillwise.features.feature import FeatureSet
from tillwise.features.row import FeatureRow
from tillwise.models.score import Contribution, Score
from tillwise.privacy import ledger
from tillwise.privacy.gate import Gate
from tillwise.privacy.ledger import Consent, State
from tillwise.privacy.permit import Permit
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Store

SECRETS = Secrets(log=b"0123456789abcdef0123456789abcdef")
START = 1_790_000_000_000
FEATURES = FeatureSet("toy", aggregates=(), request=("amount", "visits"))


@dataclass(frozen=True)
class ToyPolicy:
    threshold: float = 0.5


@dataclass(frozen=True)
class ToySteps:
    """`before` runs at the start of the step it names: to raise, to change the log, or to burn time."""

    policy: ToyPolicy = ToyPolicy()
    before: dict[str, Callable[[], None]] = field(default_factory=dict)

    def know(self, permit: Permit, request: Request, snapshot: Snapshot) -> FeatureRow:
        self._hook("know")
        visits = None
        if permit.granted and permit.subject is not None:
            visits = float(snapshot.all("SELECT count(*) FROM by_subject WHERE subject = ?", (permit.subject,))[0][0])
        amount = request.body.get("amount")
        facts = {"amount": amount, "keys": {"subject": permit.subject}, "numbers": {"amount": amount}}
        return FeatureRow(permit, FEATURES.hash, FEATURES.columns, (amount, visits), facts)

    def think(self, row: FeatureRow, model: Any, explain: Explain) -> Score:
        self._hook("think")
        value = model["weight"] * (row.values[0] or 0.0)
        parts = () if explain is Explain.NONE else (Contribution("amount", row.values[0], value),)
        return Score(row, model["version"], value=value, contributions=parts)

    def act(self, score: Score, seed: int, explain: Explain) -> Decision:
        self._hook("act")
        value = score.value or 0.0
        action = "no" if value > self.policy.threshold else "yes"
        rule = Reason("threshold", f"The score is compared with {self.policy.threshold}", 1.0)
        parts = tuple(Reason(c.column, f"The {c.column} moved it", c.weight) for c in score.contributions)
        return Decision(action, (rule, *parts), score=value, result={"lucky": seed % 2 == 0}, rules=("threshold",))

    def fallback(self, row: FeatureRow | None, request: Request, why: Degraded) -> Decision:
        self._hook("fallback")
        amount = request.body.get("amount")
        return Decision("perhaps", (Reason(why.value, f"Answered by rule for {amount}", 1.0),), degraded=why)

    def _hook(self, step: str) -> None:
        if step in self.before:
            self.before[step]()


@dataclass(frozen=True)
class ToyInForce:
    version: str = "sha256:toy"
    features: str = FEATURES.hash
    released: int = 1_780_000_000_000
    model: Any = field(default_factory=lambda: {"version": "sha256:toy", "weight": 0.01})


@dataclass
class ToyModels:
    """Stands for the releases: one model, or none, or an error."""

    in_force: ToyInForce | None = field(default_factory=ToyInForce)
    error: Exception | None = None

    def current(self, snapshot: Snapshot, use_case: str) -> ToyInForce | None:
        if self.error is not None:
            raise self.error
        return self.in_force

    def load(self, version: str) -> Any:
        if self.error is not None:
            raise self.error
        return ToyInForce().model


@dataclass
class Wall:
    now: int = START

    def __call__(self) -> int:
        return self.now


@dataclass
class Shop:
    """Everything a test needs, on one real file."""

    store: SqliteStore
    road: Road
    replayer: Replayer
    models: ToyModels
    wall: Wall
    gate: Gate
    path: Path

    def consent(
        self, user_id: str, state: State = State.GIVEN, purpose: Purpose = Purpose.RECOMMEND, **more: Any
    ) -> int:
        anonymous = more.pop("anonymous", False)

        def work(transaction: Any) -> int:
            person = pseudonym_for(transaction, SECRETS, user_id, anonymous=anonymous)
            return ledger.record(transaction, Consent(person, purpose, state, **more), self.wall())[0]

        return self.store.commit(work).result()

    def pseudonym(self, user_id: str) -> Pseudonym:
        with self.store.snapshot() as snapshot:
            found = find_pseudonym(snapshot, SECRETS, user_id)
        assert found is not None
        return found

    def count(self, table: str) -> int:
        with self.store.snapshot() as snapshot:
            return snapshot.all(f"SELECT count(*) FROM {table}")[0][0]

    def receipt(self, decision_id: str) -> receipts.Kept:
        with self.store.snapshot() as snapshot:
            return receipts.find(snapshot, decision_id)


def toy(**before: Callable[[], None]) -> UseCase:
    """Return the use case, with something happening at the start of some steps."""
    return UseCase("toy", Purpose.RECOMMEND, FEATURES, ToySteps(before=before), ToyPolicy(), unrecorded="careful")


def fraud_like(**before: Callable[[], None]) -> UseCase:
    """Return the same under a purpose that consent does not switch off."""
    return replace(toy(**before), name="checked", purpose=Purpose.FRAUD_PREVENTION, unrecorded="review")


def ask(amount: float = 10.0, *, subject: str | None = "u-1", country: str | None = "DE", **more: Any) -> Request:
    more.setdefault("deadline_ms", 20_000)
    body = {"amount": amount, "ip": "192.0.2.9", **more.pop("body", {})}
    return Request(more.pop("request_id", None), body, subject=subject, place=Place(country), **more)


def create_tables(store: Store) -> None:
    store.create((*EVENT_TABLES, *ledger.TABLES, *receipts.TABLES, *ACCESS_TABLES))


@contextmanager
def open_shop(
    path: Path,
    *,
    busy_seconds: float = 5.0,
    on_receipt: tuple[OnReceipt, ...] = (),
    use_cases: tuple[UseCase, ...] = (),
) -> Iterator[Shop]:
    store = SqliteStore(path, busy_seconds=busy_seconds)
    try:
        create_tables(store)
        wall, models = Wall(), ToyModels()
        gate = Gate(wall=wall)
        road = Road(store, gate, models, SECRETS, LogClock(wall=wall), on_receipt=on_receipt, wall=wall)
        replayer = Replayer(store, gate, models, {use_case.name: use_case for use_case in use_cases})
        yield Shop(store, road, replayer, models, wall, gate, path)
        road.close()
    finally:
        store.close()
