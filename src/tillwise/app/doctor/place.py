"""Where the shop is kept, and what its place and its laws ask."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from typing import Final

from tillwise.app.build import App
from tillwise.app.doctor.finding import Finding
from tillwise.vocabulary.clock import wall_now

LOW_DISK: Final = 1_000_000_000


def files(app: App) -> Iterator[Finding]:
    """Look at who may read the files, the free disk and the shop's place."""
    for path in (app.folder.database, app.folder.path / "secrets.toml", app.folder.path / "tillwise.toml"):
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding("wrong", "files", f"{path.name} can be read by others", f"chmod 600 {path}")
    free = shutil.disk_usage(app.folder.path).free
    if free < LOW_DISK:
        yield Finding(
            "wrong", "disk", f"only {free // 1_000_000} MB are left where the shop is kept", "free some space"
        )
    if not app.settings.shop.place:
        says = "no place is set: requests that name none follow the strictest rules, so most profiles stay off"
        yield Finding("warning", "place", says, 'set place = "…" under [shop] in tillwise.toml')


def law(app: App) -> Iterator[Finding]:
    """Name the rules that nobody reviewed for 180 days."""
    stale = app.gate.rules.unreviewed(wall_now())
    for rule in stale[:10]:
        says = (
            f"the rule of {rule.place} for {rule.purpose} was last reviewed on {rule.reviewed}: more than 180 days ago"
        )
        yield Finding("warning", "law", says, "update tillwise, or have the rule reviewed")
