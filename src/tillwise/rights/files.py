"""Copies outside the tables: the exported log, and the files tillwise wrote for the shop.

They are cleaned after the rows are gone. Repeating it does no harm, so that an interrupted erasure just goes on.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from tillwise.jobs.written import WrittenFiles
from tillwise.rights.holder import Counts, FileHolder
from tillwise.rights.person import Person
from tillwise.rights.texts import Texts
from tillwise.vocabulary.store import Store


class Rewritable(Protocol):
    """What erasure asks of the exported log (engines.duckdb.Segments)."""

    def rewrite(self, seqs: Collection[int]) -> int:
        """Write every file anew that holds a row at one of these positions; return how many."""
        ...


class SegmentFiles:
    """The exported log as a holder."""

    name = "segments"
    tables: frozenset[str] = frozenset()

    def __init__(self, segments: Rewritable) -> None:
        self._segments = segments

    def erase_files(self, store: Store, person: Person) -> Counts:
        """Take the person's rows out of the files that hold them; return how many files."""
        n = self._segments.rewrite(person.seqs)
        return {"segments": n} if n else {}


class ShopFiles:
    """Files with people's rows that were written for the shop (`score --out`, `privacy export --out`)."""

    name = "files"
    tables = frozenset({"written_files"})

    def __init__(self, written: WrittenFiles) -> None:
        self._written = written

    def erase_files(self, store: Store, person: Person) -> Counts:
        """Clean the files inside the shop's folder; count those outside, which are the shop's to delete."""
        cleaned = self._written.without(person.marks)
        counts = {"rows": cleaned.rows, "files": cleaned.files, "handed_over_outside": cleaned.outside}
        return {name: n for name, n in counts.items() if n}


def file_holders(segments: Rewritable, written: WrittenFiles) -> tuple[FileHolder, ...]:
    """Return every holder that is cleaned after the rows."""
    return (SegmentFiles(segments), Texts(), ShopFiles(written))
