"""Keeps every revision of the rules a shop ever judged by, so that an old receipt's rules can still be read."""

from __future__ import annotations

import zlib
from typing import Any, Final

import msgspec

from tillwise.audit import log as audit_log
from tillwise.audit.log import enter_act
from tillwise.errors import NotFound
from tillwise.privacy.purposes import Preset, Rule, Rulebook
from tillwise.vocabulary.canonical import canonical, digest
from tillwise.vocabulary.store import Snapshot, Transaction

TABLES: Final = (
    *audit_log.TABLES,
    "CREATE TABLE IF NOT EXISTS rule_revisions (revision TEXT PRIMARY KEY, wall INTEGER NOT NULL, packed BLOB NOT NULL)"
    " STRICT",
)


def keep_revision(transaction: Transaction, rules: Rulebook, wall: int) -> None:
    """Keep the rules in force since `wall` (Unix milliseconds); repeating it changes nothing."""
    if transaction.one("SELECT 1 FROM rule_revisions WHERE revision = ?", (rules.revision,)) is None:
        transaction.run(
            "INSERT INTO rule_revisions (revision, wall, packed) VALUES (?, ?, ?)",
            (rules.revision, wall, zlib.compress(canonical([rules.rules, rules.preset]))),
        )
        enter_act(transaction, "rules", {"revision": rules.revision})


def read_rulebook(snapshot: Snapshot, revision: str) -> Rulebook:
    """Return the rules of a revision, to judge by them again; raise NotFound when they are gone or of older form."""
    try:
        rows, preset = msgspec.convert(read_revision(snapshot, revision), tuple[tuple[Rule, ...], Preset | None])
    except msgspec.ValidationError as error:
        raise NotFound(f"the rules {revision} are of an older form: {error}") from error
    return Rulebook(rows, preset)


def read_revision(snapshot: Snapshot, revision: str) -> list[Any]:
    """Return [rows, preset] of a revision as JSON values; raise NotFound when it was never kept here."""
    row = snapshot.one("SELECT packed FROM rule_revisions WHERE revision = ?", (revision,))
    if row is None or digest(body := zlib.decompress(row[0])) != revision:
        raise NotFound(f"the rules {revision} are not kept here")
    found: list[Any] = msgspec.json.decode(body)
    return found
