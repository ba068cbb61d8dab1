"""What a yes agreed to, in a line a machine can compare: the kinds of data used for a purpose, and who receives them.

A yes covers a use as long as the use needs nothing that the notice of that day did not name. Something new (a kind of
data, a recipient) asks for a renewed yes; using less never does. A yes of which nobody knows what it was told covers
nothing. Wording and language of the notice do not matter here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS consent_materials (purpose TEXT NOT NULL, wall INTEGER NOT NULL,"
    " material TEXT NOT NULL, PRIMARY KEY (purpose, wall)) STRICT, WITHOUT ROWID",
)
"""Per purpose what its data and recipients were, and since when (Unix ms, wall clock). Holds nothing personal."""
ANYTHING: Final = "*"
"""What a declared yes agreed to: its notice was served elsewhere, and the shop answers for what it named."""
_NEWEST: Final = (
    "SELECT m.purpose, m.material FROM consent_materials m WHERE m.wall ="
    " (SELECT max(n.wall) FROM consent_materials n WHERE n.purpose = m.purpose AND n.wall <= ?)"
)


def material(categories: Iterable[str], recipients: Iterable[str] = ()) -> str:
    """Return one line that names kinds of data (fideslang keys) and recipients; equal sets give equal lines."""
    to = " ".join(sorted({name.replace(" ", "_") for name in recipients}))
    return " ".join(sorted(set(categories))) + (f" > {to}" if to else "")


@lru_cache(maxsize=1024)
def covers(agreed: str, now: str) -> bool:
    """Return True when a yes to `agreed` covers a use of `now`: nothing agreed covers no use, and no use needs nothing.

    A kind of data covers the kinds below it: `user.behavior` covers `user.behavior.browsing_history`.
    """
    if agreed in (now, ANYTHING) or not now:
        return True
    if not agreed:
        return False
    had, has = _parts(agreed), _parts(now)
    known = all(any(kind == each or kind.startswith(each + ".") for each in had[0]) for kind in has[0])
    return known and has[1] <= had[1]


def kinds(agreed: str) -> tuple[str, ...]:
    """Return the kinds of data a material names, in order; none for ANYTHING."""
    return () if agreed == ANYTHING else tuple(sorted(_parts(agreed)[0]))


def added(agreed: str, now: str) -> tuple[str, ...]:
    """Return what a use of `now` needs that `agreed` does not name, for notices and diffs."""
    if covers(agreed, now):
        return ()
    had, has = _parts(agreed), _parts(now)
    more = (kind for kind in has[0] if not any(kind == known or kind.startswith(known + ".") for known in had[0]))
    return (*sorted(more), *sorted(has[1] - had[1]))


def _parts(text: str) -> tuple[frozenset[str], frozenset[str]]:
    of, _, to = text.partition(" > ")
    return frozenset(of.split()), frozenset(to.split())


def keep_materials(transaction: Transaction, materials: Mapping[Purpose, str], wall: Milliseconds) -> None:
    """Keep what each purpose uses since `wall`; repeating it changes nothing."""
    before = read_materials(transaction)
    for purpose, text in materials.items():
        if before.get(purpose) != text:
            transaction.run(
                "INSERT INTO consent_materials (purpose, wall, material) VALUES (?, ?, ?)"
                " ON CONFLICT (purpose, wall) DO UPDATE SET material = excluded.material",
                (purpose.value, wall, text),
            )


def read_materials(snapshot: Snapshot, wall: Milliseconds = 2**62) -> dict[Purpose, str]:
    """Return what each purpose uses now, as the shop last declared it; or used at a moment (Unix ms)."""
    return {Purpose(row[0]): row[1] for row in snapshot.all(_NEWEST, (wall,))}
