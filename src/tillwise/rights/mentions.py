"""Free text that names a person: reasons somebody gave for looking, holding or deciding, and counters named by senders.

Such a line belongs to somebody else, or to nobody: it stays, without the person's ids. An id counts as named where it
stands by itself (`canary-7` is not in `canary-77`), in any case, or as the hexadecimal, base64 or hash of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from tillwise.events.quality import rename_counters
from tillwise.rights.holder import Counts
from tillwise.rights.person import Person
from tillwise.rights.scan import forms
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot, Transaction

ERASED: Final = "(erased)"
"""Stands where an id stood."""
REASONS: Final = ("access_reads", "reviews", "legal_holds")
"""Tables whose column `reason` is text a person wrote or a caller sent."""
_AS_TEXT: Final = frozenset({"hex", "base64", "md5", "sha1", "sha256"})
_LEAST: Final = 8
"""A coded form that is shorter could be part of any word."""
_TAIL: Final = "[A-Za-z0-9+/_-]{0,4}={0,2}"
"""The last letters of a base64 text also depend on what follows: `forms` leaves them out."""
_ALONE: Final = r"(?<![^\W_])(?:{})(?![^\W_])"


class Named:
    """Finds ids in text, and takes them out."""

    def __init__(self, ids: Iterable[str]) -> None:
        plain = sorted({each for each in ids if each.strip()}, key=len, reverse=True)
        coded = {pattern for each in plain for pattern in _coded(each)}
        parts = [_ALONE.format("|".join(map(re.escape, plain)))] if plain else []
        parts += sorted(coded, key=len, reverse=True)
        self._pattern = re.compile("|".join(parts), re.IGNORECASE) if parts else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def within(self, text: str) -> bool:
        """Return True when one of the ids stands in the text."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def without(self, text: str) -> str:
        """Return the text without the ids."""
        return text if self._pattern is None else self._pattern.sub(ERASED, text)


class Mentions:
    """What others wrote that names the person, as a holder."""

    name = "mentions"
    tables = frozenset({"counters"})

    def find(self, snapshot: Snapshot, person: Person) -> Counts:
        """Count the texts that name the person."""
        named = Named(person.ids)
        counts = {table: sum(n for _, n in _reasons(snapshot, table, named)) for table in REASONS}
        counts["counters"] = len(_counters(snapshot, named))
        return {table: n for table, n in counts.items() if n}

    def export(self, snapshot: Snapshot, person: Person) -> Iterator[Json]:
        """Yield how often others' texts name the person: what else they say is about somebody else (GDPR 15(4))."""
        yield from ({"table": table, "texts_that_name_you": n} for table, n in self.find(snapshot, person).items())

    def erase(self, transaction: Transaction, person: Person) -> Counts:
        """Take the ids out of every text; the lines and the counts stay."""
        named = Named(person.ids)
        counts: Counts = {}
        for table in REASONS:
            for text, n in _reasons(transaction, table, named):
                transaction.run(f"UPDATE {table} SET reason = ? WHERE reason = ?", (named.without(text), text))
                counts[table] = counts.get(table, 0) + n
        if counters := _counters(transaction, named):
            rename_counters(transaction, {name: _renamed(name, named) for name in counters})
            counts["counters"] = len(counters)
        return counts


def _coded(text: str) -> Iterator[str]:
    """Yield patterns of the forms in which an id is copied without being readable, as text."""
    for name, form in forms(text):
        if name in _AS_TEXT and len(form) >= _LEAST and form.isascii() and form.decode().isprintable():
            yield re.escape(form.decode()) + (_TAIL if name == "base64" else "")


def _reasons(snapshot: Snapshot, table: str, named: Named) -> list[tuple[str, int]]:
    if not named:
        return []
    rows = snapshot.all(f"SELECT reason, count(*) FROM {table} WHERE reason IS NOT NULL GROUP BY reason")
    return [(text, n) for text, n in rows if named.within(text)]


def _counters(snapshot: Snapshot, named: Named) -> list[str]:
    """Return the counters whose name, behind what kind they are, names the person."""
    if not named:
        return []
    rows = snapshot.all("SELECT name FROM counters WHERE name LIKE '%: %' ORDER BY name")
    return [name for (name,) in rows if named.within(name.partition(": ")[2])]


def _renamed(name: str, named: Named) -> str:
    kind, _, rest = name.partition(": ")
    return f"{kind}: {named.without(rest)}"
