"""Notices that were served: which text, to whom, when. A consent counts only after the notice it names was served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from tillwise.privacy.material import read_materials
from tillwise.privacy.notice import Notice
from tillwise.vocabulary.canonical import canonical
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS notices (id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, body TEXT NOT NULL) STRICT,"
    " WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS notices_served (subject INTEGER NOT NULL, id TEXT NOT NULL, sha256 TEXT NOT NULL,"
    " place TEXT NOT NULL, at INTEGER NOT NULL, material TEXT NOT NULL DEFAULT '', PRIMARY KEY (subject, id, at))"
    " STRICT, WITHOUT ROWID",
)
LATER_COLUMNS: Final = (("material", "TEXT NOT NULL DEFAULT ''"),)
"""Columns a shop of an earlier release lacks."""


class Shown(NamedTuple):
    """A notice a person was shown: its hash, when (log clock), for which place, and what each of its purposes used."""

    sha256: str
    at: int
    materials: dict[str, str]
    place: str
    language: str = ""

    def names(self, purpose: Purpose) -> bool:
        """Return True when the notice told of this purpose; False where that was not kept."""
        return purpose.value in self.materials

    def material(self, purpose: Purpose) -> str:
        """Return what the notice stood for, for one purpose; "" when that was not kept."""
        return self.materials.get(purpose.value, "")


def told(notice: Notice, materials: Mapping[Purpose, str]) -> dict[str, str]:
    """Return what a notice stands for: what the purposes it tells of use.

    A purpose that ended is not among them, though the shop still knows what it used.
    """
    return {purpose.value: materials.get(purpose, "") for purpose in notice.purposes}


def serve(transaction: Transaction, notice: Notice, subject: Pseudonym, at: int) -> None:
    """Record that a person is shown a notice at `at` (log clock); the text itself is kept once.

    What each purpose it tells of uses at this moment is kept with it: a yes on this notice covers that, nothing more.
    """
    transaction.run(
        "INSERT INTO notices (id, sha256, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (notice.notice_id, notice.sha256, canonical(notice.content).decode()),
    )
    transaction.run(
        "INSERT INTO notices_served (subject, id, sha256, place, at, material) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (
            subject, notice.notice_id, notice.sha256, notice.place, at,
            canonical(told(notice, read_materials(transaction))).decode(),
        ),
    )  # fmt: skip


def served(snapshot: Snapshot, subject: Pseudonym, notice_id: str) -> Shown | None:
    """Return what is on record of a notice this person was shown last; None when they never were."""
    row = snapshot.one(
        "SELECT s.sha256, s.at, s.material, s.place, n.body ->> '$.language' FROM notices_served s"
        " LEFT JOIN notices n ON n.id = s.id WHERE s.subject = ? AND s.id = ? ORDER BY s.at DESC LIMIT 1",
        (subject, notice_id),
    )
    if row is None:
        return None
    return Shown(row[0], row[1], msgspec.json.decode(row[2]) if row[2] else {}, row[3], row[4] or "")


def text_of(snapshot: Snapshot, notice_id: str) -> str | None:
    """Return the kept text of a notice as canonical JSON, None when it was never served."""
    row = snapshot.one("SELECT body FROM notices WHERE id = ?", (notice_id,))
    return None if row is None else str(row[0])
