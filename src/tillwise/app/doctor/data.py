"""What came in: live events, quarantine, imports and the basis they declare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tillwise.app.doctor.finding import DAY, Finding, day
from tillwise.events.quality import Quality, quality
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot

SHOWN: Final = 20
LATELY: Final = 30 * DAY
"""What was not refused or dropped again for so long needs no mending any more."""


def intake(snapshot: Snapshot) -> Iterator[Finding]:
    """Count what was accepted, quarantined, flagged or dropped."""
    counts = quality(snapshot)
    yield Finding("fine", "events", f"{counts.accepted} accepted live, {counts.duplicate} duplicates left out")
    yield from _lost(counts, "quarantined", "quarantine", "{}", "correct the sender; nothing of it is trained on")
    mend = "send it no more: docs/events.md lists what is stored"
    yield from _lost(counts, "undeclared", "undeclared", "property {} is not declared and was not stored", mend)
    mend = "send one that docs/events.md lists, or send it no more"
    yield from _lost(counts, "unknown event", "unknown", "event '{}' is not known and was dropped", mend)
    for name, n in sorted(counts.flagged.items()):
        yield Finding("fine", "flagged", f"{n} × {name}: kept and flagged")
    for name, n in sorted(counts.not_stored.items()):
        yield Finding("fine", "not stored", f"{n} × {name}: understood, counted and not stored")


def _lost(counts: Quality, kind: str, about: str, says: str, mend: str) -> Iterator[Finding]:
    """Warn of what was lost lately; what is over stays as a count, and needs nothing."""
    found = {"quarantined": counts.quarantined, "undeclared": counts.undeclared, "unknown event": counts.unknown}[kind]
    since = wall_now() - LATELY
    lately = {name: last for name in found if (last := counts.last.get((kind, name), 0)) >= since}
    for name, n in sorted(found.items(), key=lambda pair: (pair[0] not in lately, -pair[1]))[:SHOWN]:
        text = f"{n} × {says.format(name)}"
        if name in lately:
            yield Finding("warning", about, f"{text}; the last on {day(lately[name])}", mend)
        else:
            yield Finding("fine", about, f"{text}; none in the last 30 days")


def imports(snapshot: Snapshot) -> Iterator[Finding]:
    """Look at unfinished imports, and at imports without a basis."""
    for epoch, mapping, visible, basis in snapshot.all(
        "SELECT epoch, mapping, visible, basis FROM epochs ORDER BY epoch"
    ):
        if not visible:
            says = f"import {Path(mapping).name} (epoch {epoch}) is not finished: nothing of it is visible"
            yield Finding("wrong", "import", says, f"tillwise import {mapping}")
        declared = json.loads(basis) if basis else {}
        if not declared:
            says = f"import {Path(mapping).name} declares no basis: no personal purpose may read its rows"
            yield Finding("warning", "basis", says, "add a [basis] table to the mapping and import again")
        else:
            yield Finding(
                "fine", "basis", f"import {Path(mapping).name}: basis declared by the shop, not witnessed by us"
            )
