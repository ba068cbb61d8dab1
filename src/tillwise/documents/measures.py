"""Security measures that are really on (GDPR 30(1)(g), 32): looked up in the running shop, never typed by hand."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from tillwise.documents.described import Described
from tillwise.settings import SECRETS_FILE, SETTINGS_FILE
from tillwise.vocabulary.store import Snapshot


class Measure(msgspec.Struct, frozen=True):
    """One measure: what it is, whether it was found on, and what was seen."""

    name: str
    on: bool
    says: str


def measures(shop: Described, snapshot: Snapshot) -> tuple[Measure, ...]:
    """Return what protects this shop's data, and what this program does not do for it."""
    return (
        *_files(shop),
        _deleting(snapshot),
        _sealed(snapshot),
        *_access(shop, snapshot),
        *_audit(shop, snapshot),
        Measure("transport", on=False, says="this program speaks HTTP: the TLS in front of it is the shop's own"),
        Measure("disk", on=False, says="the row store is not encrypted as a whole: use the disk's own encryption"),
        Measure("backups", on=False, says="backups are the shop's own; erase in them too, or let them run out"),
    )


def _files(shop: Described) -> Iterator[Measure]:
    if shop.folder is None:
        return
    open_to_others = [
        name
        for name in ("tillwise.db", SECRETS_FILE, SETTINGS_FILE)
        if (path := shop.folder / name).exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    says = f"others may read {', '.join(open_to_others)}" if open_to_others else "row store, secrets and settings: 0600"
    yield Measure("file modes", not open_to_others, says)


def _deleting(snapshot: Snapshot) -> Measure:
    row = snapshot.one("PRAGMA secure_delete")
    on = bool(row and row[0])
    return Measure("deleting", on, "deleted rows are overwritten" if on else "deleted rows stay in free pages")


def _sealed(snapshot: Snapshot) -> Measure:
    n, keyed = _count(snapshot, "subjects"), _count(snapshot, "subject_keys")
    says = f"{n} user ids kept only encrypted, {keyed} under a key of their own; everything else runs on random numbers"
    return Measure("pseudonyms", keyed >= n, says)


def _access(shop: Described, snapshot: Snapshot) -> Iterator[Measure]:
    now = shop.wall()
    row = snapshot.one("SELECT count(*), max(expires), sum(expires <= ?) FROM keys WHERE revoked IS NULL", (now,))
    n, last, ended = row if row and row[0] else (0, 0, 0)
    says = f"{n} keys, kept as hashes, each with an end; the last ends on {_day(last)}; {ended} have ended"
    yield Measure("keys", bool(n), says if n else "there is no key")
    people, grants = _count(snapshot, "people"), _count(snapshot, "grants")
    yield Measure("roles", bool(people), f"{people} people with sign-ins, {grants} grants with an end")
    yield Measure(
        "reads", on=True, says=f"reads of people's data, each with its reason: {_count(snapshot, 'access_reads')}"
    )


def _audit(shop: Described, snapshot: Snapshot) -> Iterator[Measure]:
    row = snapshot.one("SELECT size, wall FROM audit_signed ORDER BY size DESC LIMIT 1")
    says = "no checkpoint was signed yet" if row is None else f"{row[0]} entries, signed on {_day(row[1])}"
    yield Measure("audit log", row is not None, says)
    copied = bool(shop.settings.audit.copy_to)
    says = (
        "checkpoints are copied elsewhere"
        if copied
        else "no copy of checkpoints is kept elsewhere: set copy_to under audit in tillwise.toml"
    )
    yield Measure("checkpoints elsewhere", copied, says)


def _count(snapshot: Snapshot, table: str) -> int:
    row: Any = snapshot.one(f"SELECT count(*) FROM {table}")
    return int(row[0])


def _day(wall: int) -> str:
    return datetime.fromtimestamp(wall / 1000, UTC).strftime("%Y-%m-%d")
