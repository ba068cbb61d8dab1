"""Copies in files: the exported log. A segment that held an erased row is written anew from the row store."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from tillwise.rights.holder import Counts
from tillwise.rights.person import Person
from tillwise.vocabulary.store import Store


class Rewritable(Protocol):
    """What erasure asks of the exported log (engines.duckdb.Segments)."""

    def rewrite(self, store: Store, seqs: Collection[int]) -> int:
        """Write every segment anew that holds one of these positions; return how many."""
        ...


class SegmentFiles:
    """The exported log as a holder."""

    name = "segments"

    def __init__(self, segments: Rewritable) -> None:
        self._segments = segments

    def erase_files(self, store: Store, person: Person) -> Counts:
        n = self._segments.rewrite(store, person.seqs)
        return {"segments": n} if n else {}
