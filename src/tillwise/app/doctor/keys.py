"""API keys: none, ended, soon to end, or able to do more than their role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tillwise.access.keys import list_keys
from tillwise.app.build import App
from tillwise.app.doctor.finding import DAY, Finding, day
from tillwise.vocabulary.clock import wall_now

SOON: Final = 30 * DAY


def keys(app: App) -> Iterator[Finding]:
    """Look at every key."""
    now = wall_now()
    found = list_keys(app.store)
    if not found:
        yield Finding("wrong", "keys", "there is no API key: nobody can call this shop", "tillwise keys create admin")
    for key in found:
        if key.beyond:
            says = f"key {key.key_id} ({key.role}) may also {', '.join(key.beyond)}, which is more than its role"
            mend = f"tillwise keys revoke {key.key_id}, then tillwise keys create {key.role}"
            yield Finding("wrong", "keys", says, mend)
        if key.expires <= now:
            says = f"key {key.key_id} ({key.role}) has ended and answers nothing any more"
            yield Finding("warning", "keys", says, f"tillwise keys revoke {key.key_id}")
        elif key.expires - now < SOON:
            says = f"key {key.key_id} ({key.role}) ends on {day(key.expires)}"
            yield Finding("warning", "keys", says, f"tillwise keys create {key.role}")
