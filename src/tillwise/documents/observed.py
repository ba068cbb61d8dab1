"""What really ran: which events and properties arrived and from where, what was decided, what people said, what left.

Counts of people are typed: fewer than ten of them are not told (vocabulary/anonymous.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from tillwise.documents.described import Described
from tillwise.events.facts import PERSON_KEYS
from tillwise.events.types import EVENT_TYPES, name_of
from tillwise.privacy.purposes import UNKNOWN
from tillwise.recipients import sent
from tillwise.vocabulary.anonymous import Published, published
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot

NEWEST: Final = 200_000
"""Bodies read to see which properties arrived: the newest ones. A process that serves reads fewer."""
DAYS: Final = 30
_DAY: Final = 86_400_000
_PAGE: Final = 20_000


@dataclass(frozen=True, slots=True)
class Arrived:
    """Events of one type on record: how many, live or by which imports, the first and the last (log clock, ms)."""

    event: str
    events: Published
    live: bool
    imports: tuple[str, ...]
    first: int
    last: int
    simulated: bool


@dataclass(frozen=True, slots=True)
class Import:
    """An import and what it declared: declared by the shop, not witnessed by us."""

    name: str
    epoch: int
    finished: bool
    place: str
    purposes: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions of one use case in the last 30 days (wall clock) by action."""

    use_case: str
    decisions: Published
    actions: Mapping[str, Published]


@dataclass(frozen=True, slots=True)
class SaidSo:
    """How many people stand where on a purpose: given, refused, withdrawn, declared on a basis, …"""

    purpose: str
    state: str
    basis: str
    people: Published


@dataclass(frozen=True, slots=True)
class Left:
    """What went to one recipient ("" = a file that stays with the shop) for one purpose; `last` is Unix ms."""

    vendor: str
    purpose: str
    times: int
    people: Published
    last: int


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything seen. `properties` counts, by event and property, the newest events that carried it; of `read`."""

    arrived: Mapping[str, Arrived]
    properties: Mapping[tuple[str, str], int]
    read: int
    imports: tuple[Import, ...]
    decided: Mapping[str, Decided]
    said: tuple[SaidSo, ...]
    left: tuple[Left, ...]
    people: Published
    visitors: Published


def observe(shop: Described, snapshot: Snapshot, *, newest: int = NEWEST) -> Observed:
    """Look at what ran in this shop; bodies of the `newest` events are read to see which properties they carry."""
    imports = _imports(snapshot)
    properties, read = _properties(snapshot, newest)
    known = {row[0]: row[1] for row in snapshot.all("SELECT anonymous, count(*) FROM subjects GROUP BY anonymous")}
    return Observed(
        arrived=_arrived(snapshot, {each.epoch: each.name for each in imports}),
        properties=properties,
        read=read,
        imports=imports,
        decided=_decided(snapshot, shop.wall() - DAYS * _DAY),
        said=_said(snapshot),
        left=_left(snapshot),
        people=_people(known.get(0, 0)),
        visitors=_people(known.get(1, 0)),
    )


def unread_events(observed: Observed, read: set[str]) -> tuple[str, ...]:
    """Return the types about people that arrived and that no use case reads: data kept for nothing yet."""
    return tuple(
        name for name, declared in EVENT_TYPES.items()
        if name in observed.arrived and declared.person and declared.facts and name not in read
    )  # fmt: skip


def _people(n: int) -> Published:
    return published(n, n)


def _arrived(snapshot: Snapshot, imports: Mapping[int, str]) -> dict[str, Arrived]:
    sql = "SELECT type, count(DISTINCT coalesce(subject, anonymous)) FROM events GROUP BY type"
    people = {row[0]: row[1] for row in snapshot.all(sql)}
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for row in snapshot.all(
        "SELECT type, epoch, count(*), min(at), max(at), max(simulated) FROM events GROUP BY type, epoch ORDER BY type"
    ):
        rows.setdefault(row[0], []).append(row)
    return {
        name: Arrived(
            name, published(sum(row[2] for row in found), people[name]), any(row[1] not in imports for row in found),
            tuple(imports[row[1]] for row in found if row[1] in imports), min(row[3] for row in found),
            max(row[4] for row in found), any(row[5] for row in found),
        )
        for name, found in rows.items()
    }  # fmt: skip


def _imports(snapshot: Snapshot) -> tuple[Import, ...]:
    found = []
    for epoch, mapping, visible, basis in snapshot.all(
        "SELECT epoch, mapping, visible, basis FROM epochs ORDER BY epoch"
    ):
        said: Json = msgspec.json.decode(basis) if basis else {}
        found.append(
            Import(Path(mapping).name, epoch, bool(visible), said.get("place", UNKNOWN), said.get("purposes", {}))
        )
    return tuple(found)


def _properties(snapshot: Snapshot, newest: int) -> tuple[Counter[tuple[str, str]], int]:
    """Count which properties events carry; person-like keys are never in a body, their own tables tell."""
    head = snapshot.one("SELECT seq FROM head")
    end = 0 if head is None else int(head[0])
    begin = snapshot.one("SELECT min(seq) FROM (SELECT seq FROM events ORDER BY seq DESC LIMIT ?)", (newest,))
    start = 0 if begin is None or begin[0] is None else int(begin[0]) - 1
    counts: Counter[tuple[str, str]] = Counter()
    read = 0
    for low in range(start, end, _PAGE):
        rows = snapshot.all("SELECT type, body FROM events WHERE seq > ? AND seq <= ?", (low, min(low + _PAGE, end)))
        read += len(rows)
        for name, body in rows:
            counts.update((name, each) for each in _names(msgspec.json.decode(body)))
    for key in PERSON_KEYS[1:]:
        sql = f"SELECT type, count(*) FROM by_{key} WHERE seq > ? AND line = 0 GROUP BY type"
        counts.update({(name_of(code), f"#{key}"): n for code, n in snapshot.all(sql, (start,))})
    return counts, read


def _names(body: Json) -> set[str]:
    lines = body.get("products")
    inner = {each for line in lines for each in line} if isinstance(lines, list) else set()
    return inner | body.keys()


def _decided(snapshot: Snapshot, since: int) -> dict[str, Decided]:
    about = "count(DISTINCT coalesce(subject, anonymous, decision_id))"
    rows = snapshot.all(
        f"SELECT use_case, action, count(*), {about} FROM receipts WHERE wall >= ? GROUP BY use_case, action", (since,)
    )
    whole = {
        name: published(n, people)
        for name, n, people in snapshot.all(
            f"SELECT use_case, count(*), {about} FROM receipts WHERE wall >= ? GROUP BY use_case", (since,)
        )
    }
    return {
        name: Decided(name, n, {row[1]: published(row[2], row[3]) for row in rows if row[0] == name})
        for name, n in whole.items()
    }


def _said(snapshot: Snapshot) -> tuple[SaidSo, ...]:
    rows = snapshot.all(
        "SELECT c.purpose, c.state, c.basis, count(*) FROM consents c WHERE c.purpose <> 'age' AND c.seq ="
        " (SELECT max(n.seq) FROM consents n WHERE n.subject = c.subject AND n.purpose = c.purpose)"
        " GROUP BY c.purpose, c.state, c.basis ORDER BY c.purpose, c.state, c.basis"
    )
    return tuple(SaidSo(purpose, state, basis, _people(n)) for purpose, state, basis, n in rows)


def _left(snapshot: Snapshot) -> tuple[Left, ...]:
    return tuple(
        Left(each["vendor"], each["purpose"], each["sendings"], _people(each["people"]), each["newest"])
        for each in sent.totals(snapshot)
    )
