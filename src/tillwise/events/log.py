"""The append-only log: positions are given out in the transaction that writes, and acknowledged means on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

from tillwise.events.catalog import remember_texts
from tillwise.events.event import Dropped, Event, Intake, Quarantined
from tillwise.events.facts import Fact
from tillwise.events.lookup import rows_in
from tillwise.events.people import mark_of_message
from tillwise.events.quality import WITHHELD, count, counted, quarantine
from tillwise.events.record import record
from tillwise.settings import Secrets
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.position import Head
from tillwise.vocabulary.store import Snapshot, Store, Transaction

OnAppend = Callable[[Transaction, Sequence[Fact]], None]
Admit = Callable[[Snapshot, Sequence[Event]], tuple[Sequence[Event], list[Quarantined]]]
"""Says which events may be kept here at all, and why others may not."""
_KNOWN_TEXTS: Final = 500_000


class Appended(NamedTuple):
    """What became of a batch: `accepted` events stand at `first_seq` … with the log time `at` (0 when there are none).

    `duplicate` were delivered before, `quarantined` break their declaration, `dropped` are counted and not stored.
    """

    accepted: int
    duplicate: int
    quarantined: int
    dropped: int
    first_seq: int
    at: int


def read_head(snapshot: Snapshot) -> Head:
    """Return the end of the log in this snapshot."""
    row = snapshot.one("SELECT seq, at, epoch FROM head")
    return Head(0, 0, 0) if row is None else Head(*row)


def allocate(transaction: Transaction, n: int, now: int) -> tuple[int, int]:
    """Take `n` positions: return the first `seq` and the log time `at` of all of them.

    `at` never decreases, even when `now` (Unix ms) does; the caller's rows and the new head commit together.
    """
    head = read_head(transaction)
    at = max(head.at, now)
    transaction.run("UPDATE head SET seq = ?, at = ?", (head.seq + n, at))
    return head.seq + 1, at


def deduplicate(transaction: Transaction, secrets: Secrets, events: Sequence[Event]) -> list[Event]:
    """Return the events never seen before, in order, and remember their message ids; one without an id is new."""
    marks = [None if event.message_id is None else mark_of_message(secrets, event.message_id) for event in events]
    known = {mark for mark in marks if mark is not None}
    seen = {row[0] for row in rows_in(transaction, "SELECT mark FROM dedupe WHERE mark IN", known)} if known else set()
    fresh: list[Event] = []
    new: list[tuple[bytes]] = []
    for event, mark in zip(events, marks, strict=True):
        if mark is not None:
            if mark in seen:
                continue
            seen.add(mark)
            new.append((mark,))
        fresh.append(event)
    if new:
        transaction.run_many("INSERT INTO dedupe (mark) VALUES (?)", new)
    return fresh


class EventLog:
    """Appends events durably.

    `on_append` hooks run in the same transaction with the new facts (tiles are kept there): what a hook raises undoes
    the append. What `admit` does not let in goes to quarantine, with nothing of it but the reason. Several processes
    may append to one store at the same time.
    """

    def __init__(
        self, store: Store, secrets: Secrets, clock: LogClock, on_append: Sequence[OnAppend] = (),
        admit: Admit | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self.admit = admit
        self._secrets = secrets
        self._clock = clock
        self._on_append = tuple(on_append)
        self._texts: set[str] = set()

    def append(self, read: Sequence[Intake]) -> Future[Appended]:
        """Append what was read; the future resolves once it is on disk, or to StoreUnavailable."""
        events = [each for each in read if isinstance(each, Event)]
        refused = [each for each in read if isinstance(each, Quarantined)]
        dropped = [each for each in read if isinstance(each, Dropped)]
        texts = {text for event in events for text in event.texts} - self._texts

        def work(transaction: Transaction) -> Appended:
            admitted, away = (events, []) if self.admit is None else self.admit(transaction, events)
            fresh = deduplicate(transaction, self._secrets, admitted)
            new = texts if not away else texts & {text for event in admitted for text in event.texts}
            first_seq, at = self._record(transaction, fresh, new) if fresh else (0, 0)
            duplicate = len(admitted) - len(fresh)
            quarantine(transaction, self._secrets, [*refused, *away])
            count(transaction, _counts(fresh, dropped, duplicate))
            return Appended(len(fresh), duplicate, len(refused) + len(away), len(dropped), first_seq, at)

        future = self._store.commit(work)
        if texts:
            future.add_done_callback(lambda done: self._remember(done, texts, len(refused)))
        return future

    def _record(self, transaction: Transaction, fresh: list[Event], texts: set[str]) -> tuple[int, int]:
        first_seq, at = allocate(transaction, len(fresh), self._clock.now())
        epoch = read_head(transaction).epoch
        facts = record(transaction, self._secrets, fresh, first_seq=first_seq, at=at, epoch=epoch)
        if texts:
            remember_texts(transaction, texts)
        for hook in self._on_append:
            hook(transaction, facts)
        return first_seq, at

    def _remember(self, done: Future[Appended], texts: set[str], refused: int) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        if done.result().accepted and done.result().quarantined == refused:  # else some texts were not kept
            if len(self._texts) > _KNOWN_TEXTS:
                self._texts.clear()
            self._texts |= texts


def _counts(fresh: Sequence[Event], dropped: Sequence[Dropped], duplicate: int) -> Counter[str]:
    counts = Counter(accepted=len(fresh), duplicate=duplicate)
    counts.update(each.counter for each in dropped)
    counts[WITHHELD] = sum(event.withheld for event in fresh)
    for event in fresh:
        if event.undeclared:
            counts.update(counted((f"{event.type}.{name}" for name in event.undeclared), "undeclared"))
        if event.flags:
            counts.update(counted(event.flags, "flagged"))
    return +counts
