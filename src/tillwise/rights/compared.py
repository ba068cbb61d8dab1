"""Tables whose rows carry no leaf, held against the acts about them: keys, grants, requests, releases, notices.

The acts verify by themselves (audit/verify.py). What is looked for here: a row that was edited, deleted or put in while
the acts say otherwise, and a notice whose text is not the one its id is the hash of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tillwise.access.keys import MADE, REVOKED
from tillwise.access.person import ACT as ACCESS
from tillwise.releases.releases import ACT as RELEASE
from tillwise.rights.entered import FORGOTTEN, REQUEST, STEP
from tillwise.rights.request_rows import COLUMNS, request_of, stands
from tillwise.vocabulary.canonical import Json, digest
from tillwise.vocabulary.store import Snapshot

OLDER: Final = "tables.began"
"""The act that says, once, what stood in these tables before their acts said all of it."""
NOTICE: Final = "notice"
_KINDS: Final = (ACCESS, RELEASE, REQUEST, STEP, FORGOTTEN, NOTICE, OLDER)
_ID_OF: Final = slice(7, 23)
"""Where the id of a notice lies in its hash."""


@dataclass(slots=True)
class Said:
    """What the acts say, taken together. `begun` is True once it was said what stood there before."""

    begun: bool = False
    rows: dict[str, dict[str, Json]] = field(default_factory=lambda: {what: {} for what in _ROWS})
    steps: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    notices: list[tuple[str, str, str, str]] = field(default_factory=list)
    older_notices: int = 0

    def take(self, kind: str, body: Json) -> None:
        """Take one act in; raise KeyError or TypeError for one that was edited."""
        if kind == ACCESS:
            self._access(body)
        elif kind == RELEASE:
            self.rows["release"][f"{body['use_case']} {body['number']}"] = body
        elif kind == FORGOTTEN:
            self.forgotten.update(body["requests"])
        elif kind == NOTICE:
            self.notices.append((body["notice"], body["sha256"], body["place"], body["language"]))
        elif kind == OLDER:
            self.begun, self.older_notices = True, body["notices"]
            for what, rows in body["rows"].items():
                self.rows[what] |= rows
        else:
            known = self.rows["request"].get(body["request"], {})
            self.rows["request"][body["request"]] = {**known, **body}
            if kind == STEP:
                step = (body["at"], body["what"], body["state"], body["why"])
                self.steps.setdefault(body["request"], []).append(step)

    def _access(self, body: Json) -> None:
        keys, grants = self.rows["key"], self.rows["grant"]
        if body["act"] == MADE:
            keys[body["key"]] = {**body, "revoked": False}
        elif body["act"] == REVOKED:
            keys[body["key"]] = {**keys.get(body["key"], {}), "revoked": True}
        elif "grant" in body:
            grants[body["grant"]] = {**body, "revoked": body["act"] == "grant revoked"}
        elif body["act"] == "person removed":
            ended = {
                name: {**said, "revoked": True} for name, said in grants.items() if said["person"] == body["person"]
            }
            grants |= ended


def compare(snapshot: Snapshot) -> list[str]:
    """Return what does not fit, in words; nothing when every table stands as it was entered."""
    said = _said(snapshot)
    found = {what: rows(snapshot) for what, rows in _ROWS.items()}
    wrong = [each for what, rows in found.items() for each in _differing(what, rows, said)]
    return [*wrong, *_steps(snapshot, found["request"], said), *_notices(snapshot, said)]


def older(snapshot: Snapshot) -> Json | None:
    """Return what stands in the tables that no act speaks of, to be entered once; None when it was."""
    if snapshot.one("SELECT 1 FROM audit_log WHERE kind = ? LIMIT 1", (OLDER,)) is not None:
        return None
    said = _said(snapshot)
    entered = {(name, place, language) for name, _, place, language in said.notices}
    notices = snapshot.all("SELECT number, id, place, language FROM notices_in_force")
    return {
        "rows": {
            what: {name: row for name, row in rows(snapshot).items() if name not in said.rows[what]}
            for what, rows in _ROWS.items()
        },
        "notices": max((number for number, *row in notices if tuple(row) not in entered), default=0),
    }


def _said(snapshot: Snapshot) -> Said:
    said = Said()
    marks = ", ".join("?" for _ in _KINDS)
    for kind, body in snapshot.all(f"SELECT kind, body FROM audit_log WHERE kind IN ({marks}) ORDER BY id", _KINDS):
        try:
            said.take(kind, msgspec.json.decode(body))
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            continue  # an edited act: verification names it
    return said


def _keys(snapshot: Snapshot) -> dict[str, Json]:
    rows = snapshot.all("SELECT key_id, role, scopes, expires, hash, revoked FROM keys ORDER BY key_id")
    return {
        row[0]: {"role": row[1], "scopes": sorted(row[2].split()), "expires": row[3], "hash": bytes(row[4]).hex(),
                 "revoked": row[5] is not None}
        for row in rows
    }  # fmt: skip


def _grants(snapshot: Snapshot) -> dict[str, Json]:
    rows = snapshot.all("SELECT grant_id, person_id, role, expires, revoked FROM grants ORDER BY grant_id")
    return {
        row[0]: {"person": row[1], "role": row[2], "expires": row[3], "revoked": row[4] is not None} for row in rows
    }


def _requests(snapshot: Snapshot) -> dict[str, Json]:
    rows = (request_of(row) for row in snapshot.all(f"SELECT {COLUMNS} FROM rights_requests ORDER BY id"))
    return {each.id: stands(each) for each in rows}


def _releases(snapshot: Snapshot) -> dict[str, Json]:
    columns = ("use_case", "number", "version", "kind", "name", "wall", "restores", "expires")
    found = {}
    for *row, gates in snapshot.all(f"SELECT {', '.join(columns)}, gates FROM releases ORDER BY use_case, number"):
        try:
            verdicts: Any = [[each["gate"], each["verdict"]] for each in msgspec.json.decode(gates)]
        except (msgspec.DecodeError, KeyError, TypeError):
            verdicts = None  # edited until nothing could be read any more
        found[f"{row[0]} {row[1]}"] = {**dict(zip(columns, row, strict=True)), "gates": verdicts}
    return found


_ROWS: Final[dict[str, Callable[[Snapshot], dict[str, Json]]]] = {
    "key": _keys,
    "grant": _grants,
    "request": _requests,
    "release": _releases,
}
"""What the tables hold now, by the names of the rows: what the acts about them say too."""


def _differing(what: str, found: dict[str, Json], said: Said) -> Iterator[str]:
    entered = said.rows[what]
    for name, row in found.items():
        body = entered.get(name)
        if body is None:
            if said.begun:
                yield f"{what} {name} is in no entry: it was put in"
            continue
        changed = [column for column, value in row.items() if column in body and body[column] != value]
        if changed:
            yield f"{what} {name}: {', '.join(changed)} changed after being entered"
    for name in sorted(entered.keys() - found.keys() - said.forgotten):
        yield f"{what} {name} was entered and is gone"


def _steps(snapshot: Snapshot, found: dict[str, Json], said: Said) -> Iterator[str]:
    steps: dict[str, list[tuple[Any, ...]]] = {}
    for name, *step in snapshot.all("SELECT request, wall, what, state, reason FROM rights_steps ORDER BY request, n"):
        steps.setdefault(name, []).append(tuple(step))
    for name, entered in said.steps.items():
        whole = entered[0][1] == "received"  # else its first steps are older than what is entered of them
        kept = steps.get(name, [])
        if name in found and (kept if whole else kept[-len(entered) :]) != entered:
            yield f"request {name}: its steps are not those that were entered"


def _notices(snapshot: Snapshot, said: Said) -> Iterator[str]:
    kept = {}
    for name, sha256, body in snapshot.all("SELECT id, sha256, body FROM notices ORDER BY id"):
        kept[name] = sha256
        if digest(body.encode()) != sha256 or f"n-{sha256[_ID_OF]}" != name:
            yield f"notice {name}: its text is not the one it was served with"
    served = snapshot.all("SELECT DISTINCT id, sha256 FROM notices_served")
    for name, sha256 in sorted({*served, *(each[:2] for each in said.notices)}):
        if kept.get(name) != sha256:
            yield f"notice {name} was served or in force, and its text is gone"
    rows = snapshot.all("SELECT number, id, place, language FROM notices_in_force ORDER BY number")
    entered = {(name, place, language) for name, _, place, language in said.notices}
    for number, *row in rows:
        if said.begun and number > said.older_notices and tuple(row) not in entered:
            yield f"notice {row[0]} for {row[1]} was never entered as being in force: it was put in"
    for name, place, language in sorted(entered - {tuple(row[1:]) for row in rows}):
        yield f"notice {name} for {place} ({language}) was in force and is gone from the history"
