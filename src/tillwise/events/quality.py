"""Counts of what came in and what could not be used: for `doctor` and the console."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from tillwise.events.event import Quarantined
from tillwise.events.people import mark_of_message
from tillwise.settings import Secrets
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Snapshot, Transaction

QUARANTINE_ROWS: Final = 100_000
"""Quarantined messages kept at most, the newest; all are counted."""
COUNTER_NAMES: Final = 5_000
"""Distinct counters at most: names come from senders. What is new after that is counted under `… (others)`."""
WITHHELD: Final = "trait from a browser key"
"""The counter of traits that came with a key that may not say who somebody is."""
_PREFIXES: Final = ("undeclared: ", "unknown event: ", "flagged: ", "quarantined: ")
_LATER: Final = "CASE WHEN counted_last.wall > excluded.wall THEN counted_last.wall ELSE excluded.wall END"
_DATED: Final = ("undeclared: ", "unknown event: ", "quarantined: ")


class Quality(NamedTuple):
    """What the log took and refused so far.

    `quarantined` counts by reason, `undeclared` by "event.property", `unknown` by event name, `flagged` by flag,
    `not_stored` what is understood and not kept: group and screen calls, traits sent with a browser key. `last` says
    when one of the first three last grew (wall clock, Unix ms), by its kind and that name.
    """

    accepted: int
    duplicate: int
    quarantined: dict[str, int]
    undeclared: dict[str, int]
    unknown: dict[str, int]
    flagged: dict[str, int]
    not_stored: dict[str, int]
    last: dict[tuple[str, str], int]


class QuarantinedRow(NamedTuple):
    """One quarantined message as it was kept; `wall` in Unix milliseconds."""

    wall: int
    reason: str
    field: str
    type: str | None
    source: str | None
    line: int | None
    parsed: str


def count(transaction: Transaction, counts: Mapping[str, int]) -> None:
    """Add to the named counters; when there are too many names, new ones share one per kind."""
    if not counts:
        return
    bounded: Counter[str] = Counter()
    for name, n in counts.items():
        bounded[_bounded(transaction, name)] += n
    transaction.run_many(
        "INSERT INTO counters (name, n) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = counters.n + excluded.n",
        sorted(bounded.items()),
    )
    if dated := sorted(name for name in bounded if name.startswith(_DATED)):
        wall = wall_now()
        transaction.run_many(
            "INSERT INTO counted_last (name, wall) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET wall = excluded.wall",
            [(name, wall) for name in dated],
        )


def rename_counters(transaction: Transaction, names: Mapping[str, str]) -> None:
    """Give counters other names; what two of them counted under one name then is added up, the later day stays."""
    for table, column, joined in (("counters", "n", "counters.n + excluded.n"), ("counted_last", "wall", _LATER)):
        for name, other in names.items():
            row = transaction.one(f"SELECT {column} FROM {table} WHERE name = ?", (name,))
            if row is not None and other != name:
                transaction.run(f"DELETE FROM {table} WHERE name = ?", (name,))
                transaction.run(
                    f"INSERT INTO {table} (name, {column}) VALUES (?, ?)"
                    f" ON CONFLICT (name) DO UPDATE SET {column} = {joined}",
                    (other, row[0]),
                )


def quarantine(transaction: Transaction, secrets: Secrets, refused: Sequence[Quarantined]) -> None:
    """Keep what was refused with its reason; the message id only as a keyed mark, the newest rows only."""
    if not refused:
        return
    wall = wall_now()
    transaction.run_many(
        "INSERT INTO quarantine (wall, reason, field, type, source, line, mark, parsed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (wall, each.reason, each.field, each.type, each.source, each.line,
             None if each.message_id is None else mark_of_message(secrets, each.message_id),
             msgspec.json.encode(each.parsed).decode())
            for each in refused
        ],
    )  # fmt: skip
    transaction.run("DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (QUARANTINE_ROWS,))
    count(transaction, Counter(f"quarantined: {_reason(each)}" for each in refused))


def quality(snapshot: Snapshot) -> Quality:
    """Return all counts."""
    counts: dict[str, int] = dict(snapshot.all("SELECT name, n FROM counters ORDER BY name"))
    undeclared, unknown, flagged, quarantined = (_named(counts, prefix) for prefix in _PREFIXES)
    return Quality(
        counts.get("accepted", 0), counts.get("duplicate", 0), quarantined, undeclared, unknown, flagged,
        {name: counts[name] for name in ("group", "screen", WITHHELD) if name in counts},
        {_kind(row[0]): row[1] for row in snapshot.all("SELECT name, wall FROM counted_last")},
    )  # fmt: skip


def newest_quarantined(snapshot: Snapshot, limit: int = 20) -> list[QuarantinedRow]:
    """Return the newest quarantined messages, the newest first."""
    rows = snapshot.all(
        "SELECT wall, reason, field, type, source, line, parsed FROM quarantine ORDER BY id DESC LIMIT ?", (limit,)
    )
    return [QuarantinedRow(*row) for row in rows]


def quarantined_of(snapshot: Snapshot, file: str, limit: int) -> list[QuarantinedRow]:
    """Return the quarantined rows of an imported file (its name as the mapping has it), in the order of its lines."""
    rows = snapshot.all(
        "SELECT wall, reason, field, type, source, line, parsed FROM quarantine WHERE source = ?"
        " ORDER BY line, id LIMIT ?",
        (file, limit),
    )
    return [QuarantinedRow(*row) for row in rows]


def quarantined_rows(snapshot: Snapshot, file: str | None = None) -> int:
    """Return how many quarantined rows are kept, of all or of one imported file."""
    row = snapshot.one("SELECT count(*) FROM quarantine WHERE ? IS NULL OR source = ?", (file, file))
    return 0 if row is None else int(row[0])


def _reason(refused: Quarantined) -> str:
    where = f"{refused.type or 'message'}.{_pattern(refused.field)}" if refused.field else refused.type or "message"
    return f"{where}: {refused.reason}"[:200]


def _pattern(field: str) -> str:
    """Return `products[].price` for `products[3].price`, so that lines share a counter."""
    head, bracket, rest = field.partition("[")
    return f"{head}[]{rest.partition(']')[2]}" if bracket else field


def _named(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {name[len(prefix) :]: n for name, n in counts.items() if name.startswith(prefix)}


def _kind(name: str) -> tuple[str, str]:
    kind, _, rest = name.partition(": ")
    return kind, rest


def _bounded(transaction: Transaction, name: str) -> str:
    if ": " not in name or transaction.one("SELECT 1 FROM counters WHERE name = ?", (name,)) is not None:
        return name
    row = transaction.one("SELECT count(*) FROM counters")
    return name if row is None or row[0] < COUNTER_NAMES else f"{name.partition(': ')[0]}: (others)"


def counted(names: Iterable[str], prefix: str) -> Counter[str]:
    """Return how often each name occurs, under `prefix`."""
    return Counter(f"{prefix}: {name}"[:200] for name in names)
