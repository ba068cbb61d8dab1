"""Makes receipts durable. The transaction that writes one first checks that nothing it rested on has moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from msgspec.structs import replace as alter

from tillwise.decisions import receipts
from tillwise.decisions.receipts import Kept
from tillwise.decisions.walk import Draft, check_same
from tillwise.events.log import read_head
from tillwise.events.people import pseudonym_for
from tillwise.privacy.recheck import still_stands
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import canonical
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Head, Point
from tillwise.vocabulary.store import Store, Transaction

OnReceipt = Callable[[Transaction, Kept], None]
"""Runs in the receipt's own transaction; what it raises undoes the receipt."""


def log_moved(transaction: Transaction, before: Head, point: Point) -> bool:
    """Return True when an event now lies where the decision already looked.

    The log clock never runs back, so the first event after the snapshot tells of all of them. An import that wrote in
    the meantime hides live events behind its rows: then a new look is cheaper than a search.
    """
    row = transaction.one("SELECT at, epoch FROM events WHERE seq > ? ORDER BY seq LIMIT 1", (before.seq,))
    return row is not None and (row[1] > point.epoch or row[0] < point.at)


def raise_clock(transaction: Transaction, at: int) -> None:
    """Raise the log clock to the time of a decision, so that every later event is dated at or after it."""
    transaction.run("UPDATE head SET at = ? WHERE at < ?", (at, at))


class Recorder:
    """Writes receipts, with the request ids they answer and the policies they followed."""

    def __init__(self, store: Store, secrets: Secrets, on_receipt: Sequence[OnReceipt] = ()) -> None:
        self._store = store
        self._secrets = secrets
        self._on_receipt: Final = tuple(on_receipt)
        self._policies: set[str] = set()

    def record(self, draft: Draft) -> Future[Kept | None]:
        """Make a receipt durable.

        The future resolves to the receipt that now answers the question: the draft's own, or the one of a twin with
        the same request id that came first. It resolves to None, and nothing was written, when what the draft rested
        on has moved: decide again. It fails with Conflict when the twin asked something else, with StoreUnavailable
        when the disk did not take it.
        """
        future = self._store.commit(lambda transaction: self._write(transaction, draft))
        revision = draft.question.use_case.revision
        if revision not in self._policies:
            future.add_done_callback(lambda done: self._know_policy(done, revision))
        return future

    def record_all(self, drafts: Sequence[Draft]) -> Future[list[Kept | None]]:
        """Make several receipts durable in one transaction; each is checked as `record` does it."""
        return self._store.commit(lambda transaction: [self._write(transaction, draft) for draft in drafts])

    def anchor(self, head: Head, point: Point) -> Future[bool]:
        """Hold a point of the log for a whole run: from now on every event is dated at or after it.

        The future resolves to False when an event came in between: take a new snapshot.
        """

        def work(transaction: Transaction) -> bool:
            if log_moved(transaction, head, point):
                return False
            raise_clock(transaction, point.at)
            return True

        return self._store.commit(work)

    def withdraw(self, draft: Draft) -> Future[None]:
        """Note that the answer of this draft left without it, although it became durable afterwards."""
        decision_id = draft.question.decision_id
        return self._store.commit(lambda transaction: receipts.mark_undelivered(transaction, decision_id))

    def _write(self, transaction: Transaction, draft: Draft) -> Kept | None:
        head, permit, kept = draft.head, draft.permit, draft.kept
        if head is None or permit is None:
            return None
        now = read_head(transaction)
        kept = self._enrolled(transaction, draft)
        if now.seq != head.seq and (
            not still_stands(transaction, permit.consent_seq, kept.subject, kept.anonymous)
            or (not draft.anchored and log_moved(transaction, head, permit.point))
        ):
            return None
        twin = self._twin(transaction, draft)
        if twin is not None:
            return twin
        if now.at < permit.point.at:
            raise_clock(transaction, permit.point.at)
        self._keep_policy(transaction, draft)
        receipts.insert(transaction, kept)
        for hook in self._on_receipt:
            hook(transaction, kept)
        return kept

    def _enrolled(self, transaction: Transaction, draft: Draft) -> Kept:
        """Give people the log has never seen their pseudonym, so that they can find, contest and erase this."""
        request, kept, (new_subject, new_visitor) = draft.question.request, draft.kept, draft.strangers
        if new_subject and request.subject is not None:
            kept = alter(kept, subject=pseudonym_for(transaction, self._secrets, request.subject))
        if new_visitor and request.anonymous_id is not None:
            visitor: Pseudonym = pseudonym_for(transaction, self._secrets, request.anonymous_id, anonymous=True)
            kept = alter(kept, anonymous=visitor)
        return kept

    def _twin(self, transaction: Transaction, draft: Draft) -> Kept | None:
        """Take the request id; return the receipt of a twin that took it first. Failures do not take it."""
        question, receipt = draft.question, draft.kept.receipt
        degraded = receipt.decision.degraded
        if question.asked is None or (degraded is not None and degraded.alarms):
            return None
        before = receipts.asked_before(transaction, question.asked, receipt.wall)
        if before is not None and before.decision_id != receipt.supersedes:
            check_same(before.question, question)
            twin = receipts.look_up(transaction, before.decision_id)
            if twin is not None:
                return twin
        receipts.take_request_id(transaction, question.asked, receipt.decision_id, receipt.wall)
        return None

    def _keep_policy(self, transaction: Transaction, draft: Draft) -> None:
        use_case = draft.question.use_case
        if use_case.revision not in self._policies:
            receipts.keep_policy(transaction, use_case.revision, use_case.name, canonical(use_case.policy))

    def _know_policy(self, done: Future[Kept | None], revision: str) -> None:
        if not done.cancelled() and done.exception() is None and done.result() is not None:
            self._policies.add(revision)
