"""Retention and erasure: did the job run, is something kept for too long, was an erasure interrupted?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Final

from tillwise.app.build import App
from tillwise.app.doctor.finding import DAY, Finding, day
from tillwise.events.log import read_head
from tillwise.events.types import event_code
from tillwise.privacy.holds import on_hold
from tillwise.rights.erasure import PENDING
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot

LATE_DAYS: Final = 2
STILL_DAYS: Final = 30
STALE_DAYS: Final = 180
_RUN: Final = "tillwise retention run"


def retention(app: App, snapshot: Snapshot) -> Iterator[Finding]:
    """Look at the job, at what it should have deleted, at holds, and at interrupted erasures."""
    yield from _job(snapshot)
    yield from _too_old(app, snapshot)
    yield from _erasures(snapshot)
    yield from _files(app, snapshot)
    holds = on_hold(snapshot)
    if holds:
        says = f"{len(holds)} people are under a legal hold, the oldest since {day(holds[0][2])}"
        yield Finding("fine", "retention", says, "tillwise retention release SUBJECT, once the claim is settled")
    for row in app.retention:
        if (wall_now() // DAY) - row.reviewed.toordinal() + 719_163 > STALE_DAYS:
            says = f"nobody has read the rule on {row.name} again since {row.reviewed}"
            yield Finding("warning", "retention", says, "read its source and renew the date in retention.toml")


def _job(snapshot: Snapshot) -> Iterator[Finding]:
    row = snapshot.one("SELECT max(wall), max(finished) FROM retention_runs")
    began, finished = row if row is not None else (None, None)
    if finished is None:
        says = "the retention job never ran to its end" if began else "the retention job never ran"
        yield Finding("warning", "retention", says, f"{_RUN}, or let `serve` or a timer with `tillwise work` do it")
    elif finished < wall_now() - LATE_DAYS * DAY:
        says = f"the retention job last ran on {day(finished)}"
        yield Finding("wrong", "retention", says, f"{_RUN}, and look at why `tillwise work` does not run")
    else:
        yield Finding("fine", "retention", f"the retention job ran on {day(finished)}")


def _too_old(app: App, snapshot: Snapshot) -> Iterator[Finding]:
    at = read_head(snapshot).at
    if at and app.clock.now() - at > STILL_DAYS * DAY:
        says = f"the log stands still since {day(at)}: what is dated by it does not grow old"
        yield Finding("warning", "retention", says, "send events, or set the clock in tillwise.toml")
    for row in app.retention:
        if not row.events:
            continue
        marks = ", ".join("?" for _ in row.events)
        moment = at - (row.days() + LATE_DAYS) * DAY
        found = snapshot.one(
            f"SELECT at FROM by_shop WHERE at <= ? AND line = 0 AND type IN ({marks}) LIMIT 1",
            (moment, *(event_code(event) for event in row.events)),
        )
        if found is not None:
            says = f"{row.name} from {day(found[0])} are still there, although they are kept for {row.days()} days"
            mend = f"{_RUN}; people under a restriction or a legal hold are left alone"
            yield Finding("warning", "retention", says, mend)


def _files(app: App, snapshot: Snapshot) -> Iterator[Finding]:
    """Name written files that are still there after the decisions in them grew old."""
    days = app.retention.days("decisions")
    moment = wall_now() - days * DAY
    for path, wall in snapshot.all("SELECT path, wall FROM written_files WHERE wall <= ? ORDER BY id", (moment,)):
        if Path(path).exists():
            says = f"{path} was written on {day(wall)}, and decisions are kept for {days} days"
            yield Finding("warning", "files", says, f"delete it: rm {quote(path)}")


def _erasures(snapshot: Snapshot) -> Iterator[Finding]:
    row = snapshot.one(
        "SELECT count(*), min(received) FROM rights_requests WHERE kind = 'erasure' AND finished IS NULL"
        " AND result LIKE ?",
        (f'%"{PENDING}"%',),
    )
    if row is not None and row[0]:
        says = f"{row[0]} erasures were interrupted after the rows were gone, the first asked for on {day(row[1])}"
        yield Finding("wrong", "erasure", says, "tillwise privacy resume")
