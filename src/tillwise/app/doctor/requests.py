"""People's requests: overdue, soon due, unverified, interrupted; and models that are to be learnt anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tillwise.app.build import App
from tillwise.app.doctor.finding import Finding, day
from tillwise.rights.request import Refusal, State
from tillwise.vocabulary.clock import wall_now

UNPROVEN: Final = Refusal.IDENTITY_NOT_PROVEN.value


def requests(app: App) -> Iterator[Finding]:
    """Look at every open request and every renewal."""
    now = wall_now()
    interrupted = {each.id for each in app.rights.interrupted()}
    waiting = app.rights.requests.open()
    for each in waiting:
        what = f"{each.kind.value} request {each.id}"
        if each.id in interrupted:
            says = f"{what}: its rows are gone, files still wait"
            yield Finding("wrong", "requests", says, "tillwise privacy resume")
        elif each.overdue(now):
            says = f"{what} was to be answered by {day(each.deadline)} ({each.law})"
            yield Finding("wrong", "requests", says, f"tillwise privacy requests show {each.id}")
        elif each.soon(now):
            says = f"{what} is to be answered by {day(each.deadline)} ({each.law})"
            yield Finding("warning", "requests", says, f"tillwise privacy requests show {each.id}")
        if each.state is State.VERIFYING:
            says = f"{what} waits until somebody has checked who asks; its deadline of {day(each.deadline)} runs"
            command = "tillwise privacy requests"
            mend = f"check it, then {command} verify {each.id}, or {command} refuse {each.id} {UNPROVEN}"
            yield Finding("warning", "requests", says, mend)
    if not waiting:
        yield Finding("fine", "requests", "nobody waits for an answer about their data")
    for renewal in app.rights.renewals():
        people = "person" if renewal.requests == 1 else "people"
        late = renewal.overdue(now)
        says = (
            f"{renewal.use_case} answers with a model that learnt from {renewal.requests} {people} who left: it"
            f" {'should have been' if late else 'is to be'} learnt anew by {day(renewal.due)}"
        )
        yield Finding("wrong" if late else "warning", "renewal", says, f"tillwise train {renewal.use_case}")
