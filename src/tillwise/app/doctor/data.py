"""What came in: live events, quarantine, imports and the basis they declare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tillwise.app.doctor.finding import Finding
from tillwise.events.quality import quality
from tillwise.vocabulary.store import Snapshot


def intake(snapshot: Snapshot) -> Iterator[Finding]:
    """Count what was accepted, quarantined, flagged or dropped."""
    counts = quality(snapshot)
    yield Finding("fine", "events", f"{counts.accepted} accepted live, {counts.duplicate} duplicates left out")
    for reason, n in sorted(counts.quarantined.items(), key=lambda pair: -pair[1]):
        yield Finding("warning", "quarantine", f"{n} × {reason}", "correct the sender; nothing of it is trained on")
    for name, n in sorted(counts.undeclared.items(), key=lambda pair: -pair[1])[:10]:
        yield Finding("warning", "undeclared", f"{n} × property {name} is not declared and was not stored")
    for name, n in sorted(counts.unknown.items(), key=lambda pair: -pair[1])[:10]:
        yield Finding("warning", "unknown", f"{n} × event '{name}' is not known and was dropped", "see docs/events.md")
    for name, n in sorted(counts.flagged.items()):
        yield Finding("fine", "flagged", f"{n} × {name}: kept and flagged")
    for name, n in sorted(counts.not_stored.items()):
        yield Finding("fine", "not stored", f"{n} × {name}: understood, counted and not stored")


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
