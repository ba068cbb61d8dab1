"""Wires what leaves the shop: vendor records, borders, the outbound gate, webhook sinks, and who may come in at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tillwise.connectors.outbound_sinks import Sinks
from tillwise.decisions.recording import OnReceipt
from tillwise.decisions.use_case import UseCase
from tillwise.privacy.gate import Gate
from tillwise.recipients import book, outbox, sent, transfers
from tillwise.recipients.book import VendorBook, note_records
from tillwise.recipients.borders import load_borders
from tillwise.recipients.gate import OutboundGate
from tillwise.recipients.intake import HomeGuard
from tillwise.settings import Secrets, Settings
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.store import Store

TABLES: Final = (*book.TABLES, *outbox.TABLES, *sent.TABLES, *transfers.TABLES)


@dataclass(frozen=True, slots=True)
class Outbound:
    """Everything at the shop's border. `on_receipt` is empty where no sink wants decisions: they then cost nothing."""

    book: VendorBook
    gate: OutboundGate
    sinks: Sinks
    guard: HomeGuard
    on_receipt: tuple[OnReceipt, ...]


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
    if not records.problem:
        store.commit(lambda transaction: note_records(transaction, records, clock.wall())).result()
    guard = HomeGuard(borders, secrets, settings.shop.region)
    return Outbound(records, outward, sinks, guard, (sinks.on_receipt,) if settings.sinks else ())
