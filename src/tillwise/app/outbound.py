"""Wires what leaves the shop: vendor records, borders, the outbound gate, webhook sinks, and who may come in at all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tillwise.connectors.outbound_sinks import Sinks
from tillwise.decisions.receipts import Kept
from tillwise.decisions.recording import OnReceipt
from tillwise.decisions.use_case import UseCase
from tillwise.errors import TillwiseError
from tillwise.outcomes.outcomes import OnOutcome
from tillwise.privacy.gate import Gate
from tillwise.recipients import book, outbox, sent, signals, transfers
from tillwise.recipients.book import VendorBook, note_records
from tillwise.recipients.borders import load_borders
from tillwise.recipients.gate import OutboundGate
from tillwise.recipients.intake import HomeGuard
from tillwise.settings import Secrets, Settings
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.store import Store, Transaction

EVERY_SECONDS: Final = 2.0
_log = logging.getLogger("tillwise.outbound")
TABLES: Final = (*book.TABLES, *outbox.TABLES, *sent.TABLES, *signals.TABLES, *transfers.TABLES)


@dataclass(frozen=True, slots=True)
class Outbound:
    """Everything at the shop's border. Where there is no sink, nothing is queued."""

    book: VendorBook
    gate: OutboundGate
    sinks: Sinks
    guard: HomeGuard
    on_receipt: tuple[OnReceipt, ...]
    on_outcome: tuple[OnOutcome, ...]


def make_outbound(
    folder: Path, settings: Settings, secrets: Secrets, clock: LogClock, store: Store, gate: Gate,
    use_cases: Mapping[str, UseCase],
) -> Outbound:  # fmt: skip
    """Build it, and enter a change of the vendor records in the audit log; odd settings raise ConfigurationError."""
    store.create(TABLES)
    records = VendorBook(folder)
    borders = load_borders(settings.borders.designated, settings.borders.exempt)
    outward = OutboundGate(records, gate, borders, secrets, clock, place=settings.shop.place)
    sinks = Sinks(store, secrets, clock, outward, settings.sinks, use_cases)
    store.commit(lambda transaction: note_records(transaction, records, clock.wall())).result()
    hooks = ((remember_signals, sinks.on_receipt), (sinks.on_outcome,)) if settings.sinks else ((remember_signals,), ())
    guard = HomeGuard(borders, secrets, settings.shop.region)
    return Outbound(records, outward, sinks, guard, *hooks)


def remember_signals(transaction: Transaction, kept: Kept) -> None:
    """Keep the privacy signals a decision's request carried; nothing is written for one without."""
    if kept.receipt.permit.signals:
        for key in (kept.subject, kept.anonymous):
            if key is not None:
                signals.remember(transaction, key, kept.receipt.permit.signals, kept.receipt.wall)


class Deliverer:
    """A thread of a serving process that tells the sinks what waits for them; without sinks it never starts.

    `first` runs before each round: a vendor that was just added must receive nothing on a yes that did not know it.
    """

    def __init__(self, sinks: Sinks, *, first: Callable[[], object], every: float = EVERY_SECONDS) -> None:
        self._sinks = sinks
        self._first = first
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tillwise-outbound", daemon=True)

    def start(self) -> Deliverer:
        """Begin at once, then go on at intervals."""
        if self._sinks.settings:
            self._thread.start()
        return self

    def stop(self) -> None:
        """End the thread if it ever began; what it has in hand is finished."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._first()
                self._sinks.deliver(stop=self._stop.is_set)
            except TillwiseError as error:
                _log.warning("outbound: %s", error)  # what waits goes on waiting
            except Exception:
                _log.exception("nothing was delivered")
            if self._stop.wait(self._every):
                return
