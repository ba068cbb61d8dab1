"""A small shop whose past is written straight into the log, at the times it happened: what an import does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tillwise.app.build import App, build_app
from tillwise.cli.init import create_shop
from tillwise.events.build import Header, build_event
from tillwise.events.event import Event
from tillwise.events.record import record
from tillwise.jobs.learning import Material
from tillwise.privacy import ledger
from tillwise.privacy.ledger import DeclaredBasis, PurposeBasis
from tillwise.simulator.payments import Stream
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

Past = tuple[int, str, str, Mapping[str, Any]]
"""When (Unix ms), event type, user id, properties."""


def shop(folder: Path, end: int) -> App:
    """Return a built shop whose log clock stands at `end`."""
    create_shop(folder)
    from tillwise.vocabulary.clock import wall_now  # noqa: PLC0415

    settings = folder / "tillwise.toml"
    settings.write_text(settings.read_text() + f"\n[clock]\noffset_ms = {end - wall_now()}\n")
    return build_app(folder)


def happened(app: App, past: Iterable[Past], purposes: Sequence[Purpose], *, simulated: bool = False) -> None:
    """Write events in the order of their time, declare a basis for everybody, and make them visible."""
    rows = sorted(past, key=lambda row: row[0])
    events = [event_of(row, simulated=simulated) for row in rows]

    def work(transaction: Transaction) -> None:
        head = transaction.one("SELECT seq, at, epoch FROM head")
        assert head is not None
        first, epoch = head[0] + 1, head[2] + 1
        facts = record(transaction, app.secrets, events, first_seq=first, at=[row[0] for row in rows], epoch=epoch)
        transaction.run("UPDATE head SET seq = ?, at = ?, epoch = ?", (head[0] + len(events), rows[-1][0], epoch))
        app.tiles(transaction, facts)
        people = {Pseudonym(fact.subject) for fact in facts if fact.subject is not None}
        declared = DeclaredBasis(
            "US", {purpose: PurposeBasis("legitimate_interest", "terms", "") for purpose in purposes}
        )
        ledger.declare(transaction, sorted(people), declared, source="past", now=rows[-1][0])

    app.store.commit(work).result()


def event_of(row: Past, *, simulated: bool) -> Event:
    """Return one valid event."""
    at, name, user, properties = row
    event = build_event(name, properties, Header(ts=at, user_id=user, simulated=simulated))
    assert isinstance(event, Event), event
    return event


def from_stream(stream: Stream) -> list[Past]:
    """Return an invented stream as a past."""
    names = ("Signed Up", "Payment Attempted", "Chargeback Received")
    past: list[Past] = []
    for name, (_, rows) in zip(names, stream.files(), strict=True):
        for row in rows:
            left = {k: v for k, v in row.items() if k not in ("timestamp", "user_id", "message_id")}
            past.append((moment(row["timestamp"]), name, row["user_id"], left))
    return past


def moment(text: str) -> int:
    """Return Unix milliseconds of an RFC 3339 time."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def material(app: App, end: int) -> Material:
    """Return what a learner may use of a shop."""
    return Material(app.store, app.segments, app.gate, app.clock, app.folder.path, until=end)
