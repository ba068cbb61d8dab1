"""The review queue: in with the receipt, out with one verdict, never two people on one case."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tillwise.decisions.decision import Decision, Reason
from tillwise.decisions.receipt import PermitPart, Receipt
from tillwise.decisions.receipts import Kept
from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.events.tables import TABLES as EVENT_TABLES
from tillwise.outcomes import outcomes
from tillwise.review.case import TABLES, Verdict
from tillwise.review.queue import HOLD_MS, Enqueue, ReviewQueue, opened_since
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.clock import LogClock

NOW = 1_790_000_000_000


@dataclass
class Desk:
    """A queue on a real file, and a wall clock to turn."""

    store: SqliteStore
    queue: ReviewQueue
    now: int = NOW

    def add(self, name: str, *, score: float | None = 0.5, amount: int = 100, at: int = NOW, **more: object) -> None:
        use_case, action = str(more.get("use_case", "fraud")), str(more.get("action", "review"))
        receipt = Receipt(
            name, use_case, at, at, 0, 1, PermitPart("DE", "fraud_prevention", "legitimate_interest", granted=True),
            Decision(action, (Reason("rule", "a rule", 1.0),), score=score), "sha256:p", "top",
            facts={"numbers": {"order_amount": amount}}, simulated=bool(more.get("simulated", False)),
        )  # fmt: skip
        enqueue = Enqueue()
        self.store.commit(lambda t: enqueue(t, Kept(receipt, None, None, 77))).result()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = SqliteStore(tmp_path / "shop.db")
    store.create((*EVENT_TABLES, *outcomes.TABLES, *TABLES))
    desk = Desk(store, None)  # type: ignore[arg-type]
    desk.queue = ReviewQueue(store, LogClock(wall=lambda: desk.now), wall=lambda: desk.now)
    yield desk
    store.close()


def test_best_case_comes_first(desk: Desk) -> None:
    """Cases are ordered by what a review may save, then by age; a rule's case counts with its whole amount."""
    desk.add("small", score=0.9, amount=100)
    desk.add("newer", score=0.5, amount=1000, at=NOW + 5)
    desk.add("older", score=0.5, amount=1000, at=NOW)
    desk.add("rule", score=None, amount=700)
    assert [case.decision_id for case in desk.queue.waiting()] == ["rule", "older", "newer", "small"]
    assert [case.value for case in desk.queue.waiting(limit=2)] == [700, 500]


def test_only_reviews_of_the_use_case_become_cases(desk: Desk) -> None:
    """Other actions and other use cases stay out of the queue."""
    desk.add("approved", action="approve")
    desk.add("listed", use_case="recommendations")
    assert desk.queue.waiting() == []


def test_how_full_the_day_is(desk: Desk) -> None:
    """The day's load counts real and simulated cases apart, decided ones included."""
    desk.add("a", at=NOW - 10)
    desk.add("b", at=NOW)
    desk.add("s", at=NOW, simulated=True)
    desk.queue.decide("ann", "b", "approve", "known customer")
    with desk.store.snapshot() as snapshot:
        assert opened_since(snapshot, "fraud", NOW - 11) == 2
        assert opened_since(snapshot, "fraud", NOW - 10) == 1
        assert opened_since(snapshot, "fraud", NOW - 11, simulated=True) == 1


def test_taken_case_is_held_until_it_expires(desk: Desk) -> None:
    """A case is one reviewer's for 15 minutes; then it is free again."""
    desk.add("a", amount=900)
    desk.add("b", amount=100)
    first = desk.queue.take("ann")
    second = desk.queue.take("ben")
    assert first is not None
    assert second is not None
    assert (first.decision_id, second.decision_id) == ("a", "b")
    assert desk.queue.take("cat") is None
    with pytest.raises(Conflict, match="ann"):
        desk.queue.take("ben", "a")
    desk.now += HOLD_MS - 1
    assert desk.queue.take("ann", "a") is not None
    desk.now += HOLD_MS - 1
    assert desk.queue.find("a").held(desk.now)
    assert not desk.queue.find("b").held(desk.now)
    third = desk.queue.take("cat")
    assert third is not None
    assert (third.decision_id, third.reviewer) == ("b", "cat")


def test_released_case_is_free(desk: Desk) -> None:
    """Whoever lets go gives the case back; nobody else can."""
    desk.add("a")
    desk.queue.take("ann")
    with pytest.raises(Conflict):
        desk.queue.release("ben", "a")
    assert desk.queue.release("ann", "a").reviewer is None
    assert desk.queue.take("ben") is not None


def test_verdict_closes_the_case_and_teaches_the_model(desk: Desk) -> None:
    """A verdict is written once, with reason and reviewer, and becomes an outcome of decision and order."""
    desk.add("a")
    desk.queue.take("ann")
    case = desk.queue.decide("ann", "a", "decline", "  stolen card  ")
    assert (case.state, case.verdict, case.reason, case.reviewer) == ("decided", Verdict.DECLINE, "stolen card", "ann")
    assert desk.queue.waiting() == []
    with pytest.raises(Conflict, match="decided already"):
        desk.queue.decide("ann", "a", "approve", "changed my mind")
    with desk.store.snapshot() as snapshot:
        (told,) = outcomes.of_decision(snapshot, "a")
    assert (told.kind, told.value, told.order_ref) == ("fraud_confirmed", 1.0, 77)


def test_case_held_by_another_cannot_be_decided(desk: Desk) -> None:
    """While somebody looks at a case, nobody else decides it; a case nobody holds may be decided at once."""
    desk.add("a")
    desk.add("b")
    desk.queue.take("ann", "a")
    with pytest.raises(Conflict, match="ann"):
        desk.queue.decide("ben", "a", "approve", "fine")
    assert desk.queue.decide("ben", "b", "approve", "fine").reviewer == "ben"


@pytest.mark.parametrize(
    ("reviewer", "verdict", "reason", "field"),
    [
        ("ann", "maybe", "why", "verdict"),
        ("ann", "approve", "  ", "reason"),
        ("ann", "approve", "x" * 1001, "reason"),
        ("", "approve", "why", "reviewer"),
    ],
)
def test_bad_verdicts_name_the_field(desk: Desk, reviewer: str, verdict: str, reason: str, field: str) -> None:
    """A verdict without a word of the list, a reason or a name is refused, naming the field."""
    desk.add("a")
    with pytest.raises(InvalidInput) as caught:
        desk.queue.decide(reviewer, "a", verdict, reason)
    assert caught.value.field == field
    assert desk.queue.find("a").state == "open"


def test_unknown_case_is_not_found(desk: Desk) -> None:
    """A decision that was never sent to review has no case."""
    with pytest.raises(NotFound):
        desk.queue.decide("ann", "nobody", "approve", "why")
    with pytest.raises(NotFound):
        desk.queue.take("ann", "nobody")


def test_many_reviewers_never_share_a_case(desk: Desk) -> None:
    """Sixteen people take and decide at once: every case is decided exactly once."""
    for n in range(24):
        desk.add(f"c-{n}", amount=100 * n)
    seen: list[str] = []
    lock = threading.Lock()

    def work(name: str) -> None:
        while (case := desk.queue.take(name)) is not None:
            with lock:
                seen.append(case.decision_id)
            desk.queue.decide(name, case.decision_id, "approve", "looked at it")

    threads = [threading.Thread(target=work, args=(f"r-{n}",)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted(f"c-{n}" for n in range(24))
    with desk.store.snapshot() as snapshot:
        assert snapshot.all("SELECT count(*) FROM outcomes") == [(24,)]


def test_one_case_many_verdicts_one_wins(desk: Desk) -> None:
    """Eight people decide one case at once: one verdict stands, the others are told."""
    desk.add("a")
    results: list[str] = []
    meeting = threading.Barrier(8)

    def work(name: str) -> None:
        meeting.wait()
        try:
            desk.queue.decide(name, "a", "approve", "mine")
            results.append("decided")
        except Conflict:
            results.append("conflict")

    threads = [threading.Thread(target=work, args=(f"r-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["conflict"] * 7 + ["decided"]
