"""The tables of an evidence bundle: one query each, over tables that name no customer or counted until they do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot

DAY: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Period:
    """[start, end) in Unix ms of the wall clock; `offset` is what the log clock adds to it."""

    start: int
    end: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Table:
    """A query with two parameters, start and end; `needs` is the table it reads, on the log clock when `logged`."""

    name: str
    needs: str
    columns: tuple[str, ...]
    sql: str
    logged: bool = False
    parsed: tuple[str, ...] = ()


_TABLES: Final = (
    _Table(
        "acts", "audit_log", ("ref", "kind", "wall", "body"),
        "SELECT ref, kind, wall, body FROM audit_log WHERE wall >= ? AND wall < ? ORDER BY id", parsed=("body",),
    ),
    _Table(
        "erasures", "audit_log", ("ref", "wall", "body"),
        "SELECT ref, wall, body FROM audit_log WHERE kind = 'erasure' AND wall >= ? AND wall < ? ORDER BY id",
        parsed=("body",),
    ),
    _Table(
        "retention", "audit_log", ("ref", "wall", "body"),
        "SELECT ref, wall, body FROM audit_log WHERE kind LIKE 'retention%' AND wall >= ? AND wall < ? ORDER BY id",
        parsed=("body",),
    ),
    _Table(
        "releases", "releases",
        ("use_case", "number", "version", "kind", "name", "wall", "why", "gates", "expires", "restores"),
        "SELECT use_case, number, version, kind, name, wall, why, gates, expires, restores FROM releases r"
        " WHERE wall < ?2 AND (wall >= ?1 OR number = (SELECT max(number) FROM releases b WHERE b.use_case = r.use_case"
        " AND b.wall < ?1)) ORDER BY wall, use_case, number", parsed=("gates",),
    ),
    _Table(
        "policies", "policies", ("revision", "use_case", "policy"),
        "SELECT p.revision, p.use_case, CAST(p.body AS TEXT) FROM policies p WHERE NOT EXISTS (SELECT 1 FROM audit_log"
        " a WHERE a.kind = 'policy' AND a.wall >= ?2 AND a.body LIKE '%' || p.revision || '%') AND ?1 IS NOT NULL"
        " ORDER BY p.use_case, p.revision", parsed=("policy",),
    ),
    _Table(
        "rules", "rule_revisions", ("revision", "since"),
        "SELECT revision, wall FROM rule_revisions WHERE wall < ?2 AND ?1 IS NOT NULL ORDER BY wall",
    ),
    _Table(
        "notices", "notices_in_force", ("number", "wall", "place", "language", "id", "told"),
        "SELECT number, wall, place, language, id, told FROM notices_in_force n WHERE wall < ?2 AND (wall >= ?1 OR"
        " number = (SELECT max(number) FROM notices_in_force b WHERE b.place = n.place AND b.language = n.language"
        " AND b.wall < ?1)) ORDER BY number", parsed=("told",),
    ),
    _Table(
        "requests", "rights_requests",
        ("id", "kind", "place", "law", "received", "deadline", "extended", "state", "finished", "refusal", "kept"),
        "SELECT id, kind, place, law, received, deadline, extended, state, finished, refusal, CASE WHEN finished IS"
        " NULL THEN 'open' WHEN finished <= deadline THEN 'kept' ELSE 'missed' END FROM rights_requests"
        " WHERE received < ?2 AND (finished IS NULL OR finished >= ?1) ORDER BY received, id",
    ),
    _Table(
        "consents", "consents", ("day", "purpose", "state", "basis", "place", "n"),
        "SELECT date(at / 1000, 'unixepoch'), purpose, state, basis, place, count(*) FROM consents"
        " WHERE at >= ? AND at < ? GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5", logged=True,
    ),
    _Table(
        "decisions", "receipts", ("day", "use_case", "action", "degraded", "n"),
        "SELECT date(wall / 1000, 'unixepoch'), use_case, action, degraded, count(*) FROM receipts"
        " WHERE wall >= ? AND wall < ? GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    ),
    _Table(
        "access", "access_reads", ("day", "who", "what", "purpose", "reads", "people"),
        "SELECT date(wall / 1000, 'unixepoch'), who, what, purpose, count(*), sum(people) FROM access_reads"
        " WHERE wall >= ? AND wall < ? GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    ),
    _Table(
        "sent", "sent",
        ("wall", "vendor", "what", "purpose", "categories", "records", "people", "country", "mechanism", "sha256"),
        "SELECT wall, vendor, what, purpose, categories, records, people, country, mechanism, sha256 FROM sent"
        " WHERE wall >= ? AND wall < ? ORDER BY id",
    ),
)  # fmt: skip


def tables(snapshot: Snapshot, period: Period) -> Iterator[tuple[str, list[Json]]]:
    """Yield name and rows of every table this shop has."""
    known = {row[0] for row in snapshot.all("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in _TABLES:
        if table.needs in known:
            shift = period.offset if table.logged else 0
            rows = snapshot.all(table.sql, (period.start + shift, period.end + shift))
            yield table.name, [_readable(table, row) for row in rows]


def _readable(table: _Table, row: tuple[Any, ...]) -> Json:
    found = dict(zip(table.columns, row, strict=True))
    for name in table.parsed:
        try:
            found[name] = msgspec.json.decode(found[name])
        except (msgspec.DecodeError, TypeError):
            continue  # an edited row stays the text it is; verification.json names it
    return found
