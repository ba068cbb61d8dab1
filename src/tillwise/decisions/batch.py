"""A batch is the same road: one snapshot for the whole run, one receipt per row, many receipts per transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from tillwise.decisions.answer import Answer
from tillwise.decisions.decision import Degraded, Request
from tillwise.decisions.fallback import log
from tillwise.decisions.question import MAX_DEADLINE_MS, question
from tillwise.decisions.receipts import Kept
from tillwise.decisions.recording import Recorder
from tillwise.decisions.unkept import enter_dry_runs, unseen
from tillwise.decisions.use_case import UseCase
from tillwise.decisions.walk import Draft, Walker
from tillwise.errors import Conflict, StoreUnavailable
from tillwise.events.log import read_head
from tillwise.settings import Secrets
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.position import Head, Point
from tillwise.vocabulary.store import Snapshot, Store

CHUNK: Final = 200
"""Receipts per transaction."""
_ANCHORINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Runs of many questions. `again` takes one question afresh, in a snapshot of its own."""

    store: Store
    walker: Walker
    recorder: Recorder
    secrets: Secrets
    clock: LogClock
    again: Callable[[UseCase, Request, str], Answer]

    def run(self, use_case: UseCase, requests: Iterable[Request], key_id: str) -> Iterator[Answer]:
        """Yield one answer per request, in order, each after its receipt is durable.

        All see the same point of the log. A person whose consent moves while the run goes on is decided afresh. Rows
        have no deadline. Raises StoreUnavailable when the run cannot start.
        """
        waiting = iter(requests)
        for _ in range(_ANCHORINGS):
            with self.store.snapshot() as snapshot:
                head = read_head(snapshot)
                point = Point.after(head, self.clock.now())
                if not self.recorder.anchor(head, point).result():
                    continue
                while chunk := list(islice(waiting, CHUNK)):
                    drafts = [self._draft(use_case, request, key_id, snapshot, (head, point)) for request in chunk]
                    yield from self._recorded(drafts, key_id)
                return
        raise StoreUnavailable("events kept landing before the start of the run; try again")

    def _draft(
        self, use_case: UseCase, request: Request, key_id: str, snapshot: Snapshot, at: tuple[Head, Point]
    ) -> Draft:
        patient = replace(request, deadline_ms=MAX_DEADLINE_MS)
        return self.walker.walk_at(question(use_case, patient, key_id, self.secrets), snapshot, *at)

    def _recorded(self, drafts: list[Draft], key_id: str) -> Iterator[Answer]:
        fresh = [draft for draft in drafts if not (draft.repeat or draft.question.request.dry_run)]
        written: dict[str, Kept | None] = {}
        failure: Degraded | None = None
        try:
            kept = self.recorder.record_all(fresh).result() if fresh else []
            written = {draft.question.decision_id: each for draft, each in zip(fresh, kept, strict=True)}
        except Conflict:
            written = {draft.question.decision_id: None for draft in fresh}  # each on its own: one of them clashes
        except Exception as error:  # the rows of this chunk are answered without a record, and say so
            log.error("%d receipts of a batch were not written", len(fresh), exc_info=error)
            failure = Degraded.STORE_UNAVAILABLE if isinstance(error, StoreUnavailable) else Degraded.INTERNAL
        unentered = self._unentered(drafts)
        for draft in drafts:
            asked = draft.question
            if asked.request.dry_run and unentered is not None:
                yield Answer(self.walker.unrecorded(unseen(draft), unentered).kept.receipt, recorded=False)
            elif draft.repeat or asked.request.dry_run:
                yield Answer(draft.kept.receipt, recorded=draft.repeat)
            elif failure is not None:
                yield Answer(self.walker.unrecorded(draft, failure).kept.receipt, recorded=False)
            else:
                mine = written[asked.decision_id]
                yield (
                    self.again(asked.use_case, asked.request, key_id)
                    if mine is None
                    else Answer(mine.receipt, recorded=True)
                )

    def _unentered(self, drafts: list[Draft]) -> Degraded | None:
        """Write down whom the dry runs looked at; return why that failed, None when it did not."""
        dry = [draft for draft in drafts if draft.question.request.dry_run]
        try:
            if (entered := enter_dry_runs(self.store, dry)) is not None:
                entered.result()
        except Exception as error:
            log.error("%d dry runs of a batch were not written down", len(dry), exc_info=error)
            return Degraded.STORE_UNAVAILABLE if isinstance(error, StoreUnavailable) else Degraded.INTERNAL
        return None
