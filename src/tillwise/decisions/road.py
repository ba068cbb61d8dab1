"""The one road: every answer of every use case travels it, and leaves once its receipt is durable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter_ns
from typing import Final

from tillwise.decisions.answer import Answer
from tillwise.decisions.batch import Batch
from tillwise.decisions.decision import Degraded, Request
from tillwise.decisions.fallback import log
from tillwise.decisions.models import Models
from tillwise.decisions.pending import Pending
from tillwise.decisions.question import Question, question
from tillwise.decisions.receipts import Kept
from tillwise.decisions.recording import OnReceipt, Recorder
from tillwise.decisions.unkept import enter_dry_runs, enter_unrecorded, unseen
from tillwise.decisions.use_case import UseCase
from tillwise.decisions.walk import Draft, Walker
from tillwise.errors import Conflict, InvalidInput, StoreUnavailable
from tillwise.privacy.gate import Gate
from tillwise.settings import Secrets
from tillwise.vocabulary.clock import LogClock, wall_now
from tillwise.vocabulary.store import Store

PATIENCE_NS: Final = 50_000_000
"""A store that has not written a receipt after 50 ms counts as unavailable; before that, the deadline was short."""


class Road:
    """Answers questions, one at a time. Thread-safe.

    `on_receipt` hooks run in the transaction of each receipt (the review queue is kept there).
    """

    def __init__(
        self,
        store: Store,
        gate: Gate,
        models: Models,
        secrets: Secrets,
        clock: LogClock,
        *,
        on_receipt: Sequence[OnReceipt] = (),
        wall: Callable[[], int] = wall_now,
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._walker = Walker(store, gate, models, secrets, clock, wall)
        self._recorder = Recorder(store, secrets, on_receipt)
        self._batch = Batch(store, self._walker, self._recorder, secrets, clock, self.decide)
        self._again = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tillwise-again")

    def decide(self, use_case: UseCase, request: Request, key_id: str) -> Answer:
        """Answer within the request's deadline.

        Raises InvalidInput and Conflict, which only the caller can mend; whatever else fails on the way gives the use
        case's fallback, with the reason in `degraded`.
        """
        pending = self.begin(use_case, request, key_id)
        try:
            return pending.future.result(timeout=pending.remaining())
        except TimeoutError:
            pending.expire()
            return pending.future.result()

    def begin(self, use_case: UseCase, request: Request, key_id: str) -> Pending:
        """Decide now, and return at once what resolves when the receipt is durable (see Pending)."""
        trip = _Trip(self, question(use_case, request, key_id, self._secrets))
        trip.start()
        return trip.pending

    def batch(self, use_case: UseCase, requests: Iterable[Request], key_id: str) -> Iterator[Answer]:
        """Yield one answer per request, in order: one snapshot for the run, one receipt per row (see Batch.run)."""
        return self._batch.run(use_case, requests, key_id)

    def close(self) -> None:
        """Finish what is being decided again."""
        self._again.shutdown(wait=True)


class _Trip:
    """One question on the road, until its answer is settled."""

    def __init__(self, road: Road, asked: Question) -> None:
        self._road = road
        self._question = asked
        self._draft: Draft | None = None
        self._commit: Future[Kept | None] | None = None
        self._handed_over = 0
        self.pending = Pending(asked.remaining, self._expire)

    def start(self) -> None:
        """Walk the road once and hand the receipt to the store."""
        self._draft = draft = self._road._walker.walk(self._question)
        if draft.repeat:
            self.pending.settle(Answer(draft.kept.receipt, recorded=True))
        elif self._question.request.dry_run:
            self._enter(draft)
        elif draft.head is None:
            self._settle_unrecorded(Degraded.STORE_UNAVAILABLE)
        else:
            self._handed_over = perf_counter_ns()
            self._commit = self._road._recorder.record(draft)
            self._commit.add_done_callback(self._written)

    def _enter(self, draft: Draft) -> None:
        """Answer a dry run, once it is written down that somebody was looked at."""
        self._handed_over = perf_counter_ns()
        entered = enter_dry_runs(self._road._store, (draft,))
        if entered is None:
            self.pending.settle(Answer(draft.kept.receipt, recorded=False))
        else:
            entered.add_done_callback(self._entered)

    def _entered(self, done: Future[None]) -> None:
        assert self._draft is not None  # noqa: S101 `start` has run
        error = done.exception()
        if error is None:
            self.pending.settle(Answer(self._draft.kept.receipt, recorded=False))
        else:
            log.error("a dry run was not written down", exc_info=error)
            self._settle_unrecorded(_why(error))

    def _written(self, done: Future[Kept | None]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, (Conflict, InvalidInput)):
            self.pending.fail(error)
        elif error is not None:
            log.error("a receipt was not written", exc_info=error)
            self._settle_unrecorded(_why(error))
        else:
            self._durable(done.result())

    def _durable(self, kept: Kept | None) -> None:
        if kept is None:
            # This runs in the committing thread, which must not wait for a second decision.
            self._road._again.submit(self._start_again)
        elif not self.pending.settle(Answer(kept.receipt, recorded=True)) and self._draft is not None:
            self._road._recorder.withdraw(self._draft)

    def _start_again(self) -> None:
        if self.pending.future.done():
            return
        if self._question.spent():
            self._settle_unrecorded(Degraded.DEADLINE)
            return
        try:
            self.start()
        except (Conflict, InvalidInput) as error:
            self.pending.fail(error)
        except Exception:
            log.exception("a decision could not be taken again")
            self._settle_unrecorded(Degraded.INTERNAL)

    def _settle_unrecorded(self, why: Degraded) -> None:
        if not self.pending.future.done() and self.pending.settle(self._unrecorded(why)):
            self._follow()

    def _expire(self) -> Answer:
        if self._commit is None or self._commit.cancel() or self._commit.done():  # no receipt will tell of this one
            self._follow()
        waited = perf_counter_ns() - self._handed_over if self._handed_over else 0
        return self._unrecorded(Degraded.STORE_UNAVAILABLE if waited > PATIENCE_NS else Degraded.DEADLINE)

    def _unrecorded(self, why: Degraded) -> Answer:
        assert self._draft is not None  # noqa: S101 `start` has run
        draft = unseen(self._draft) if self._question.request.dry_run else self._draft
        return Answer(self._road._walker.unrecorded(draft, why).kept.receipt, recorded=False)

    def _follow(self) -> None:
        """Enter what is answered without a receipt; the line of a dry run is on its way already."""
        if self._draft is not None and not self._question.request.dry_run:
            enter_unrecorded(self._road._store, self._draft)


def _why(error: BaseException) -> Degraded:
    return Degraded.STORE_UNAVAILABLE if isinstance(error, StoreUnavailable) else Degraded.INTERNAL
