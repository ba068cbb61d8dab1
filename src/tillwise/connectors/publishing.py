"""An import's place in the log: an epoch taken at the start, seen by everybody in one transaction at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from tillwise.audit.log import enter_act
from tillwise.connectors.cataloguing import Upserts
from tillwise.connectors.mapping import Mapping, Source
from tillwise.errors import Conflict, InvalidMapping
from tillwise.events.log import read_head
from tillwise.privacy.ledger import DeclaredBasis, PurposeBasis, declare
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Transaction

Counts = tuple[int, int, int, int]
"""accepted, duplicate, flagged, quarantined."""
_PEOPLE: Final = (
    "SELECT DISTINCT coalesce(subject, anonymous) FROM events WHERE epoch = ?"
    " AND coalesce(subject, anonymous) IS NOT NULL"
)


def take_epoch(transaction: Transaction, mapping: Mapping) -> int:
    """Return the epoch of this import: its own from an interrupted run, else the next one.

    Raises Conflict while another mapping's import is unfinished.
    """
    row = transaction.one("SELECT epoch, mapping FROM epochs WHERE visible = 0")
    if row is not None:
        if row[1] != mapping.file:
            raise Conflict(f"the import of {row[1]} is not finished: run it again first, then {mapping.file}")
        return int(row[0])
    known = transaction.one("SELECT epoch FROM epochs WHERE mapping = ? ORDER BY epoch DESC LIMIT 1", (mapping.file,))
    if known is not None:
        return int(known[0])
    newest = transaction.one("SELECT coalesce(max(epoch), 0) FROM epochs")
    epoch = max(read_head(transaction).epoch, int(newest[0]) if newest else 0) + 1
    basis = "{}" if mapping.basis is None else msgspec.json.encode(mapping.basis.as_json()).decode()
    transaction.run(
        "INSERT INTO epochs (epoch, mapping, visible, basis) VALUES (?, ?, 0, ?)", (epoch, mapping.file, basis)
    )
    return epoch


def is_visible(snapshot: Snapshot, epoch: int) -> bool:
    """Return True when the import of this epoch is finished and seen by everybody."""
    return snapshot.one("SELECT 1 FROM epochs WHERE epoch = ? AND visible = 1", (epoch,)) is not None


def finished(snapshot: Snapshot, mapping: Mapping, source: Source, digest: str) -> Counts | None:
    """Return the counts of a source that is in already, else None; raise InvalidMapping when it has changed since."""
    row = snapshot.one(
        "SELECT file, accepted, duplicate, flagged, quarantined FROM imports WHERE mapping = ? AND source = ?",
        (mapping.file, source.label),
    )
    if row is None:
        visible = snapshot.one("SELECT 1 FROM epochs WHERE mapping = ? AND visible = 1", (mapping.file,))
        if visible is not None:
            raise InvalidMapping(
                f"{source.place}: {mapping.file} was imported before and is closed; put new sources into a mapping"
                " file with another name",
                field="source",
            )
        return None
    if row[0] != digest:
        raise InvalidMapping(
            f"{source.place}: this file, or what the mapping says of it, has changed since it was imported; put new"
            " rows into a file of their own, with a mapping of another name",
            field="file",
        )
    return int(row[1]), int(row[2]), int(row[3]), int(row[4])


def begin(transaction: Transaction, mapping: Mapping, source: Source) -> None:
    """Make sure nobody else has loaded this source meanwhile; raise Conflict otherwise."""
    if transaction.one("SELECT 1 FROM imports WHERE mapping = ? AND source = ?", (mapping.file, source.label)):
        raise Conflict(
            f"another import of {mapping.file} is running and has loaded {source.label}: let it finish, or stop it and"
            " run this one again"
        )


def announce(
    transaction: Transaction, mapping: Mapping, source: Source, digest: str, epoch: int, counts: Counts
) -> None:
    """Write down that a source is in."""
    transaction.run(
        "INSERT INTO imports (mapping, source, file, epoch, accepted, duplicate, flagged, quarantined)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (mapping.file, source.label, digest, epoch, *counts),
    )


def publish(
    transaction: Transaction, secrets: Secrets, clock: LogClock, mapping: Mapping, epoch: int, upserts: Upserts
) -> int:
    """Let everybody see the import: catalogue, traits, declared basis and rows together; return the epoch.

    The log clock moves up to the newest imported row that is not in the future, so that windows never run backwards.
    """
    if is_visible(transaction, epoch):
        return epoch
    newest = transaction.one("SELECT max(at) FROM events WHERE epoch = ? AND at <= ?", (epoch, clock.now()))
    head = read_head(transaction)
    at = max(head.at, int(newest[0]) if newest is not None and newest[0] is not None else 0)
    upserts.write(transaction, secrets, head.seq)
    if mapping.basis is not None:
        people = [Pseudonym(person) for (person,) in transaction.all(_PEOPLE, (epoch,))]
        said = {
            Purpose(each.purpose): PurposeBasis(each.basis, each.notice, each.evidence)
            for each in mapping.basis.purposes
        }
        declare(transaction, people, DeclaredBasis(mapping.basis.place, said), source=mapping.file, now=at)
    transaction.run("UPDATE epochs SET visible = 1 WHERE epoch = ?", (epoch,))
    transaction.run("UPDATE head SET at = ?, epoch = ?", (at, max(head.epoch, epoch)))
    enter_act(transaction, "import", _said(transaction, mapping, epoch))
    return epoch


def _said(snapshot: Snapshot, mapping: Mapping, epoch: int) -> Json:
    """Return what the audit log says of an import: how much came in, from which file bytes, on which declared basis."""
    rows = snapshot.all(
        "SELECT source, file, accepted, duplicate, quarantined FROM imports WHERE epoch = ? ORDER BY source", (epoch,)
    )
    basis = None if mapping.basis is None else [[each.purpose, each.basis] for each in mapping.basis.purposes]
    return {"mapping": Path(mapping.file).name, "epoch": epoch, "basis": basis, "sources": [list(row) for row in rows]}
