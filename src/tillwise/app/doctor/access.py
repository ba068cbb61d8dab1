"""People, grants and duties: who answers for personal data, what has ended, what nobody uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tillwise.access.duties import holders
from tillwise.access.keys import list_keys
from tillwise.access.roles import load_roles
from tillwise.access.staff import Member, read_staff
from tillwise.app.build import App
from tillwise.app.doctor.finding import DAY, Finding, day
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot

SOON: Final = 14 * DAY
IDLE: Final = 30 * DAY


def access(app: App, snapshot: Snapshot) -> Iterator[Finding]:
    """Look at duties, people, their grants, and keys nobody uses."""
    now = wall_now()
    members = read_staff(snapshot)
    yield from _duties(app, snapshot, known=bool(members))
    if not members:
        says = "nobody has a name of their own: the console knows only the shared admin key, and cannot tell who looked"
        yield Finding("warning", "people", says, "tillwise people add NAME --role admin")
    for member in members:
        yield from _member(member, now)
    for key in list_keys(app.store):
        if key.expires > now and now - (key.last_used or key.created) >= IDLE:
            says = f"key {key.key_id} ({key.role}) was not used for 30 days"
            yield Finding("warning", "keys", says, f"tillwise keys revoke {key.key_id}")


def _duties(app: App, snapshot: Snapshot, *, known: bool) -> Iterator[Finding]:
    """Ask for somebody who answers; `known` says that there are people who could be named."""
    held = holders(snapshot)
    needed = [duty for duty, said in load_roles().duties.items() if said.needed]
    for duty, person in held.items():
        yield Finding("fine", "duty", f"{duty}: {person.name}")
    if not held.keys() & set(needed):
        named = app.settings.controller.dpo
        says = (
            f"{named} is named in tillwise.toml, but nobody who can sign in holds the duty"
            if named
            else "nobody is named who answers for personal data: not every shop needs a data protection officer"
            " (GDPR 37), every shop needs a responsible person"
        )
        yield Finding("warning", "duty", says, _naming("dpo", known=known) + " (or duty head_of_firm NAME)")
    if "security_contact" not in held:
        says = "nobody is named who is called when something leaks: the law gives 72 hours (GDPR 33)"
        yield Finding("warning", "duty", says, _naming("security_contact", known=known))


def _naming(duty: str, *, known: bool) -> str:
    """Return the commands that name somebody for a duty, in order: whoever holds one has to be added first."""
    name = f"tillwise people duty {duty} NAME"
    return name if known else f"tillwise people add NAME --role {'dpo' if duty == 'dpo' else 'admin'}, then {name}"


def _member(member: Member, now: int) -> Iterator[Finding]:
    login, state = member.person.login, member.state(now)
    if state == "no password yet":
        yield Finding("warning", "people", f"{login} never set a password", f"tillwise people password {login}")
    if state == "disabled" and any(grant.in_force(now) for grant in member.grants):
        says = f"{login} is disabled and still holds roles"
        yield Finding("warning", "people", says, f"tillwise people remove {login}")
    for grant in member.grants:
        if not grant.in_force(now):
            says = f"{login} is no longer {grant.role}: it ended on {day(grant.expires)}"
            mend = f"tillwise grants renew {grant.grant_id}, or tillwise grants revoke {grant.grant_id}"
            yield Finding("warning", "grant", says, mend)
        elif grant.unused(now):
            says = f"{login} has not used the role {grant.role} for 30 days"
            yield Finding("warning", "grant", says, f"tillwise grants revoke {grant.grant_id}")
        elif grant.expires - now < SOON:
            says = f"{login} is {grant.role} until {day(grant.expires)}"
            yield Finding("warning", "grant", says, f"tillwise grants renew {grant.grant_id}")
