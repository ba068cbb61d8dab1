"""The doctor: says in plain words what is missing, unsafe or stale, with the command that mends it."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from tillwise.access.keys import list_keys
from tillwise.app.build import App
from tillwise.app.readiness import model_problems
from tillwise.events.quality import quality
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot

Level = Literal["wrong", "warning", "fine"]
DAY: Final = 86_400_000
LOW_DISK: Final = 1_000_000_000
SOON: Final = 30 * DAY


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the doctor looked at. `mend` is the command or step that would put it right."""

    level: Level
    about: str
    says: str
    mend: str = ""


def examine(app: App) -> list[Finding]:
    """Look at files, keys, data, imports, people's permissions and releases; what is wrong comes first."""
    findings = [*_files(app), *_law(app), *_keys(app)]
    with app.store.snapshot() as snapshot:
        findings += [*_intake(snapshot), *_imports(snapshot), *_releases(app, snapshot)]
    order = {"wrong": 0, "warning": 1, "fine": 2}
    return sorted(findings, key=lambda finding: order[finding.level])


def _files(app: App) -> Iterator[Finding]:
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


def _law(app: App) -> Iterator[Finding]:
    stale = app.gate.rules.unreviewed(wall_now())
    for rule in stale[:10]:
        says = (
            f"the rule of {rule.place} for {rule.purpose} was last reviewed on {rule.reviewed}: more than 180 days ago"
        )
        yield Finding("warning", "law", says, "update tillwise, or have the rule reviewed")


def _keys(app: App) -> Iterator[Finding]:
    now = wall_now()
    keys = list_keys(app.store)
    if not keys:
        yield Finding("wrong", "keys", "there is no API key: nobody can call this shop", "tillwise keys create admin")
    for key in keys:
        if key.expires <= now:
            says = f"key {key.key_id} ({key.role}) has ended and answers nothing any more"
            yield Finding("warning", "keys", says, f"tillwise keys revoke {key.key_id}")
        elif key.expires - now < SOON:
            says = f"key {key.key_id} ({key.role}) ends on {_day(key.expires)}"
            yield Finding("warning", "keys", says, f"tillwise keys create {key.role}")


def _intake(snapshot: Snapshot) -> Iterator[Finding]:
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


def _imports(snapshot: Snapshot) -> Iterator[Finding]:
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


def _releases(app: App, snapshot: Snapshot) -> Iterator[Finding]:
    for use_case, problem in model_problems(app.models, app.use_cases, snapshot).items():
        yield Finding("wrong", "release", problem, f"tillwise rollback {use_case}, or tillwise train {use_case}")
    released = {release.use_case: release for release in app.releases.in_force(snapshot)}
    for name in app.use_cases:
        release = released.get(name)
        if release is None:
            says = f"nothing is released for {name}: it answers by its declared rules"
            yield Finding("warning", "release", says, f"tillwise train {name}")
            continue
        yield Finding("fine", "release", f"{name}: {release.name} answers since {_day(release.wall)}")
        for gate in release.gates:
            if gate.verdict.value in ("not_assessed", "insufficient"):
                says = f"{name}: gate '{gate.gate}' is {gate.verdict.value}: {gate.text}"
                yield Finding("warning", "gate", says)


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d")
