"""The page of people and keys: what it prints, computed here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from tillwise.access.grants import DAY, Grant
from tillwise.access.key import Key
from tillwise.access.roles import load_roles
from tillwise.access.staff import Member
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import Milliseconds

SOON: Final = 14 * DAY


def staff_table(members: Sequence[Member], keys: Sequence[Key], now: Milliseconds) -> Json:
    """Return what the template of the page needs."""
    return {
        "people": [
            {
                "name": member.person.name,
                "login": member.person.login,
                "state": member.state(now),
                "grants": [_grant(grant, now) for grant in member.grants],
                "duties": list(member.duties),
                "seen": member.person.last_seen,
            }
            for member in members
        ],
        "keys": [_key(key, now) for key in keys],
        "roles": load_roles().roles,
        "warnings": list(_warnings(members)),
    }


def _grant(grant: Grant, now: Milliseconds) -> Json:
    if not grant.in_force(now):
        kind, says = "bad", "ended"
    elif grant.unused(now):
        kind, says = "warn", f"unused, until {day(grant.expires)}"
    else:
        kind, says = ("warn" if grant.expires - now < SOON else "good"), f"until {day(grant.expires)}"
    return {"id": grant.grant_id, "role": grant.role, "kind": kind, "says": says}


def _key(key: Key, now: Milliseconds) -> Json:
    ended = key.expires <= now
    return {
        "id": key.key_id,
        "role": key.role,
        "scopes": ", ".join(sorted(key.scopes)),
        "kind": "bad" if ended else "warn" if key.expires - now < SOON else "good",
        "says": "ended" if ended else f"until {day(key.expires)}",
        "used": key.last_used,
    }


def _warnings(members: Sequence[Member]) -> list[str]:
    held = {duty for member in members for duty in member.duties}
    needed = [duty for duty, said in load_roles().duties.items() if said.needed]
    if held.intersection(needed):
        return []
    return ["Nobody is named who answers for personal data: tillwise people duty dpo NAME, or head_of_firm."]


def day(at: Milliseconds) -> str:
    """Write Unix milliseconds as a day."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")
