"""The audit log: is it kept up, is a checkpoint kept elsewhere, was it verified lately."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from tillwise.app.doctor.finding import DAY, Finding, day
from tillwise.audit import keeping
from tillwise.audit.extend import newest_checkpoint, waiting
from tillwise.rights.entered import SOURCES
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot

BEHIND: Final = 60_000
STALE: Final = 30 * DAY
OLD_COPY: Final = 7 * DAY
_CHECKPOINT: Final = "tillwise audit checkpoint --out FILE, and keep FILE and the public key on another machine"


def audit(snapshot: Snapshot) -> Iterator[Finding]:
    """Look at the tree, the checkpoints and the last verification."""
    now, newest, missing = wall_now(), newest_checkpoint(snapshot), waiting(snapshot, SOURCES)
    if missing and (newest is None or now - newest[1] > BEHIND):
        since = "ever" if newest is None else f"since {day(newest[1])}"
        says = f"{missing} entries wait for the audit log: nothing has taken them over {since}"
        yield Finding("warning", "audit", says, "tillwise work (from a timer), or tillwise serve")
    yield from _kept(snapshot, now, empty=newest is None or not newest[0].size)
    yield from _verified(snapshot, now)


def _kept(snapshot: Snapshot, now: int, *, empty: bool) -> Iterator[Finding]:
    kept = keeping.last(snapshot, keeping.KEPT)
    if kept is None:
        says = "no checkpoint of the audit log was ever kept elsewhere: whoever can write this file can rewrite it all"
        yield Finding("fine" if empty else "warning", "audit", says, _CHECKPOINT)
    elif now - kept[0] > OLD_COPY:
        says = f"the last checkpoint left this machine on {day(kept[0])}: what came since could be rewritten"
        yield Finding("warning", "audit", says, _CHECKPOINT)


def _verified(snapshot: Snapshot, now: int) -> Iterator[Finding]:
    last = keeping.last(snapshot, keeping.VERIFIED)
    mend = "tillwise audit verify, with --checkpoint FILE where one was kept elsewhere"
    if last is None:
        yield Finding("warning", "audit", "the audit log was never verified", mend)
        return
    said = json.loads(last[1])
    if not said.get("intact"):
        says = f"the audit log did not verify on {day(last[0])}: {said.get('wrong')} things do not fit"
        yield Finding("wrong", "audit", says, mend)
    elif now - last[0] > STALE:
        yield Finding("warning", "audit", f"the audit log was last verified on {day(last[0])}", mend)
    else:
        says = f"the audit log held on {day(last[0])}: {said.get('entries')} entries"
        yield Finding("fine", "audit", says)
