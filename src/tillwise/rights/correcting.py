"""Correcting what is kept of a person (GDPR 16): traits are replaced, events removed and never edited, links undone.

An amount or an attribution in an event is a fact of the log, which only grows: a wrong event is removed, and a right
one may be sent. Features read the log, so they follow by themselves; running sums are subtracted exactly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tillwise.errors import InvalidInput, NotFound
from tillwise.events.people import find_pseudonym, set_traits
from tillwise.events.types_behaviour import TRAITS
from tillwise.rights.asked import Corrections
from tillwise.rights.holder import Counts, Holder
from tillwise.rights.holders_recipients import tell_recipients
from tillwise.rights.person import Person
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot, Transaction

KNOWN: Final = frozenset(declared.name for declared in TRAITS if declared.stored)
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_LONGEST: Final = 200


def check_corrections(corrections: Corrections) -> None:
    """Raise InvalidInput for a trait that is not kept, or a value that cannot be one."""
    for name, value in corrections.traits.items():
        if name not in KNOWN or name == "created_at":
            known = ", ".join(sorted(KNOWN - {"created_at", "email"}))
            raise InvalidInput(f"'{name[:40]}' is not kept of people; what can be corrected is {known}", field=name)
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
            raise InvalidInput(f"{name} is a text of 1 to {_LONGEST} characters", field=name)
        if name == "country" and not _COUNTRY.fullmatch(value):
            raise InvalidInput("country=XX: two capital letters, such as FR (ISO 3166-1)", field=name)


def correct(
    transaction: Transaction, secrets: Secrets, person: Person, corrections: Corrections, rows: Sequence[Holder]
) -> tuple[Json, dict[str, Counts]]:
    """Correct, in one transaction; return what the receipt says, and how many rows of each holder went.

    The receipt also names the recipients who have to be told (GDPR 19).

    Raises NotFound for an event or a link that is not this person's, and then nothing was changed.
    """
    check_own(transaction, secrets, person, corrections)
    said: Json = {}
    if corrections.traits:
        set_traits(transaction, person.first, dict(corrections.traits), secrets)
        said["corrected"] = sorted(corrections.traits)
    counts = _remove(transaction, person, corrections.remove_events, rows) if corrections.remove_events else {}
    if corrections.remove_events:
        said["removed_events"] = len(set(corrections.remove_events))
    for text in corrections.detach:
        _detach(transaction, secrets, person, text)
        said["detached"] = said.get("detached", 0) + 1
    if told := tell_recipients(transaction, person):
        said["to_tell"] = told
    return said, counts


def check_own(snapshot: Snapshot, secrets: Secrets, person: Person, corrections: Corrections) -> None:
    """Raise NotFound for an event or a link that is not this person's."""
    if strange := sorted(set(corrections.remove_events) - set(person.seqs)):
        raise NotFound(f"no event of this person stands at position {strange[0]}: access shows each with its position")
    for text in corrections.detach:
        visitor = find_pseudonym(snapshot, secrets, text, anonymous=True)
        sql = "SELECT 1 FROM links WHERE anonymous = ? AND subject = ?"
        if visitor is None or snapshot.one(sql, (visitor, person.first)) is None:
            raise NotFound("that anonymous id is not linked to this person: access shows those that are")


def _remove(transaction: Transaction, person: Person, seqs: Sequence[int], rows: Sequence[Holder]) -> dict[str, Counts]:
    """Remove single events: the holder of events is asked to erase a person who did nothing else."""
    only = replace(person, keys=(), ids=(), shared=(), seqs=tuple(sorted(set(seqs))), orders=(), decisions=())
    return {holder.name: holder.erase(transaction, only) for holder in rows if holder.name == "events"}


def _detach(transaction: Transaction, secrets: Secrets, person: Person, text: str) -> None:
    visitor = find_pseudonym(transaction, secrets, text, anonymous=True)
    transaction.run("DELETE FROM links WHERE anonymous = ? AND subject = ?", (visitor, person.first))
