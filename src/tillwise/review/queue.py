"""The review queue: decisions that wait for a person, best first; one person at a time, one verdict each.

A case enters in the transaction of its receipt, so that neither exists without the other. Taking and deciding are one
transaction each: two people can never hold, or decide, the same case.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from tillwise.decisions.receipts import Kept
from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.outcomes import outcomes
from tillwise.outcomes.outcomes import OnOutcome, Outcome
from tillwise.review.case import COLUMNS, Case, Verdict, case_of
from tillwise.vocabulary.clock import LogClock, Milliseconds, wall_now
from tillwise.vocabulary.store import Snapshot, Store, Transaction

REVIEW: Final = "review"
HOLD_MS: Final = 15 * 60_000
"""How long a taken case is kept for its reviewer."""
LONGEST_REASON: Final = 1_000
_OUTCOMES: Final = {Verdict.DECLINE: "fraud_confirmed", Verdict.APPROVE: "fraud_cleared"}
_ORDER: Final = "ORDER BY value DESC, opened, decision_id"


class Enqueue:
    """The hook on receipts: every recorded decision of these use cases with the action `review` becomes a case."""

    def __init__(self, use_cases: Collection[str] = ("fraud",)) -> None:
        self._use_cases = frozenset(use_cases)

    def __call__(self, transaction: Transaction, kept: Kept) -> None:
        """Open a case in the receipt's own transaction."""
        receipt = kept.receipt
        if receipt.use_case not in self._use_cases or receipt.decision.action != REVIEW:
            return
        open_case(transaction, kept)


def open_case(transaction: Transaction, kept: Kept) -> None:
    """Let a decision wait for a person, as when somebody contests it; one that waits or was decided stays as it is."""
    receipt = kept.receipt
    transaction.run(
        "INSERT INTO reviews (decision_id, use_case, order_ref, subject, opened, value, simulated, state,"
        " held_until) VALUES (?, ?, ?, ?, ?, ?, ?, 'open', 0) ON CONFLICT DO NOTHING",
        (receipt.decision_id, receipt.use_case, kept.order_ref, kept.subject, receipt.at, expected_value(kept),
         int(receipt.simulated)),
    )  # fmt: skip


def expected_value(kept: Kept) -> int:
    """Return what a review may save, in minor units, from the amount among the receipt's request numbers."""
    numbers = kept.receipt.facts.get("numbers") or {}
    amount = numbers.get("order_amount") or 0
    score = kept.receipt.decision.score
    return round(amount * (1.0 if score is None else score))


def opened_since(snapshot: Snapshot, use_case: str, at: Milliseconds, *, simulated: bool = False) -> int:
    """Return how many cases were opened after `at` (log clock): how full the day's queue is."""
    row = snapshot.one(
        "SELECT count(*) FROM reviews WHERE use_case = ? AND simulated = ? AND opened > ?",
        (use_case, int(simulated), at),
    )
    return 0 if row is None else int(row[0])


class ReviewQueue:
    """What reviewers do. `reviewer` is whoever the caller says is looking: a key's name, a login.

    `on_outcome` hears of the outcome of every verdict, in its transaction.
    """

    def __init__(
        self, store: Store, clock: LogClock, wall: Callable[[], Milliseconds] = wall_now,
        on_outcome: Sequence[OnOutcome] = (),
    ) -> None:  # fmt: skip
        self._store = store
        self._on_outcome = tuple(on_outcome)
        self._clock = clock
        self._wall = wall

    def waiting(self, *, limit: int = 100) -> list[Case]:
        """Return the open cases, those worth most first, then the oldest; held ones are among them."""
        with self._store.snapshot() as snapshot:
            rows = snapshot.all(f"SELECT {COLUMNS} FROM reviews WHERE state = 'open' {_ORDER} LIMIT ?", (limit,))
        return [case_of(row) for row in rows]

    def find(self, decision_id: str) -> Case:
        """Return a case, open or decided; raise NotFound."""
        with self._store.snapshot() as snapshot:
            return _find(snapshot, decision_id)

    def take(self, reviewer: str, decision_id: str | None = None) -> Case | None:
        """Hold a case for a reviewer for 15 minutes: the one named, else the best that nobody holds.

        Taking one's own case again holds it for longer. Returns None when nothing waits; raises NotFound for an unknown
        case, Conflict when it is decided or somebody else holds it.
        """
        _check_reviewer(reviewer)
        wall = self._wall()

        def work(transaction: Transaction) -> Case | None:
            case = _best(transaction, wall) if decision_id is None else _find(transaction, decision_id)
            if case is None:
                return None
            _check_open(case, reviewer, wall)
            transaction.run(
                "UPDATE reviews SET reviewer = ?, held_until = ? WHERE decision_id = ?",
                (reviewer, wall + HOLD_MS, case.decision_id),
            )
            return _find(transaction, case.decision_id)

        return self._store.commit(work).result()

    def release(self, reviewer: str, decision_id: str) -> Case:
        """Let go of a case without a verdict; raise NotFound, or Conflict when it is decided or held by another."""
        wall = self._wall()

        def work(transaction: Transaction) -> Case:
            _check_open(_find(transaction, decision_id), reviewer, wall)
            transaction.run("UPDATE reviews SET reviewer = NULL, held_until = 0 WHERE decision_id = ?", (decision_id,))
            return _find(transaction, decision_id)

        return self._store.commit(work).result()

    def decide(self, reviewer: str, decision_id: str, verdict: str, reason: str) -> Case:
        """Write a verdict with its reason, and the outcome that the model will learn from; once and for all.

        Raises InvalidInput for an unknown verdict or an empty or overlong reason, NotFound for an unknown case,
        Conflict when it is decided already or somebody else holds it. A case nobody holds may be decided at once.
        """
        _check_reviewer(reviewer)
        found = _verdict(verdict)
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise InvalidInput(f"a verdict has a reason of 1 to {LONGEST_REASON} characters", field="reason")
        wall, now = self._wall(), self._clock.now()

        def work(transaction: Transaction) -> Case:
            case = _find(transaction, decision_id)
            _check_open(case, reviewer, wall)
            transaction.run(
                "UPDATE reviews SET state = 'decided', reviewer = ?, held_until = 0, verdict = ?, reason = ?,"
                " decided = ? WHERE decision_id = ?",
                (reviewer, found.value, reason.strip(), wall, decision_id),
            )
            outcome = Outcome(_OUTCOMES[found], 1.0, now, decision_id, case.order_ref)
            outcomes.append(transaction, outcome)
            for hook in self._on_outcome:
                hook(transaction, outcome)
            return _find(transaction, decision_id)

        return self._store.commit(work).result()


def _find(snapshot: Snapshot, decision_id: str) -> Case:
    row = snapshot.one(f"SELECT {COLUMNS} FROM reviews WHERE decision_id = ?", (decision_id,))
    if row is None:
        raise NotFound(f"no review of decision '{decision_id[:80]}' was ever opened")
    return case_of(row)


def _best(snapshot: Snapshot, wall: Milliseconds) -> Case | None:
    row = snapshot.one(
        f"SELECT {COLUMNS} FROM reviews WHERE state = 'open' AND held_until <= ? {_ORDER} LIMIT 1", (wall,)
    )
    return None if row is None else case_of(row)


def _check_open(case: Case, reviewer: str, wall: Milliseconds) -> None:
    if case.state != "open":
        raise Conflict(f"the review of '{case.decision_id}' is decided already: {case.verdict} by {case.reviewer}")
    if case.held(wall) and case.reviewer != reviewer:
        raise Conflict(f"{case.reviewer} is looking at '{case.decision_id}'; it is free again in 15 minutes at most")


def _check_reviewer(reviewer: str) -> None:
    if not reviewer.strip() or len(reviewer) > 200:
        raise InvalidInput("a reviewer has a name of 1 to 200 characters", field="reviewer")


def _verdict(text: str) -> Verdict:
    try:
        return Verdict(text)
    except ValueError:
        raise InvalidInput(f"'{text[:40]}' is no verdict: approve or decline", field="verdict") from None
