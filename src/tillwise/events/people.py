"""People: the shop's user id becomes a random pseudonym, found by a keyed mark.

`identify` and `alias` append a link from an anonymous id to a subject; earlier anonymous events stay where they are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from functools import lru_cache
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tillwise.events.lookup import rows_in
from tillwise.settings import Secrets
from tillwise.vocabulary.identity import Pseudonym, new_pseudonym
from tillwise.vocabulary.store import Snapshot, Transaction

Person = tuple[str, bool]
"""An id as the shop sends it, and whether it is an anonymous id."""
_NONCE = 12


def mark_of(secrets: Secrets, user_id: str, *, anonymous: bool = False) -> bytes:
    """Return the mark under which a person is found: a keyed hash, useless without the log's secret."""
    return _mark(secrets, b"anonymous" if anonymous else b"subject", user_id)


def find_pseudonym(snapshot: Snapshot, secrets: Secrets, user_id: str, *, anonymous: bool = False) -> Pseudonym | None:
    """Return the person's pseudonym, or None when nobody by this id has been seen."""
    row = snapshot.one(
        "SELECT pseudonym FROM subjects WHERE mark = ?", (mark_of(secrets, user_id, anonymous=anonymous),)
    )
    return None if row is None else Pseudonym(row[0])


def pseudonym_for(transaction: Transaction, secrets: Secrets, user_id: str, *, anonymous: bool = False) -> Pseudonym:
    """Return the person's pseudonym, drawing a new one for a person never seen."""
    return pseudonyms_for(transaction, secrets, ((user_id, anonymous),))[user_id, anonymous]


def pseudonyms_for(transaction: Transaction, secrets: Secrets, people: Collection[Person]) -> dict[Person, Pseudonym]:
    """Return a pseudonym for each person, drawing new ones for people never seen; one read for all of them."""
    marks = {mark_of(secrets, text, anonymous=anonymous): (text, anonymous) for text, anonymous in people}
    found: dict[Person, Pseudonym] = {}
    for mark, pseudonym in rows_in(transaction, "SELECT mark, pseudonym FROM subjects WHERE mark IN", marks):
        found[marks[mark]] = Pseudonym(pseudonym)
    fresh = []
    for mark, person in marks.items():
        if person not in found:
            found[person] = new_pseudonym()
            fresh.append((mark, found[person], int(person[1]), _seal(secrets, person[0])))
    if fresh:
        transaction.run_many("INSERT INTO subjects (mark, pseudonym, anonymous, sealed) VALUES (?, ?, ?, ?)", fresh)
    return found


def user_ids(snapshot: Snapshot, secrets: Secrets, pseudonyms: Collection[int]) -> dict[int, str]:
    """Return the shop's own id of each pseudonym, for files handed back to the shop; unknown ones are left out."""
    rows = rows_in(snapshot, "SELECT pseudonym, sealed FROM subjects WHERE pseudonym IN", pseudonyms)
    opened = ((pseudonym, _unseal(secrets, sealed)) for pseudonym, sealed in rows)
    return {pseudonym: text for pseudonym, text in opened if text is not None}


def link(transaction: Transaction, anonymous: Pseudonym, subject: Pseudonym, seq: int) -> None:
    """Record that an anonymous id belongs to a subject from position `seq` on; repeating it changes nothing."""
    newest = linked_subject(transaction, anonymous)
    if newest != subject:
        transaction.run(
            "INSERT INTO links (anonymous, subject, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (anonymous, subject, seq),
        )


def linked_subject(snapshot: Snapshot, anonymous: Pseudonym) -> Pseudonym | None:
    """Return the subject an anonymous id belongs to now, or None."""
    row = snapshot.one("SELECT subject FROM links WHERE anonymous = ? ORDER BY seq DESC LIMIT 1", (anonymous,))
    return None if row is None else Pseudonym(row[0])


def set_traits(transaction: Transaction, subject: Pseudonym, traits: dict[str, Any]) -> None:
    """Merge traits into what is known of a person; `created_at` and `country` have columns of their own."""
    row = transaction.one("SELECT created, country, body FROM traits WHERE subject = ?", (subject,))
    created, country, body = row if row is not None else (None, None, "{}")
    known = {**msgspec.json.decode(body), **traits}
    created = known.pop("created_at", created)
    country = known.pop("country", country)
    transaction.run(
        "INSERT INTO traits (subject, created, country, body) VALUES (?, ?, ?, ?) ON CONFLICT (subject) DO UPDATE"
        " SET created = excluded.created, country = excluded.country, body = excluded.body",
        (subject, created, country, msgspec.json.encode(known).decode()),
    )


def traits_of(snapshot: Snapshot, subject: Pseudonym) -> dict[str, Any]:
    """Return what is known of a person: `created_at` (Unix ms), `country`, and the other declared traits."""
    row = snapshot.one("SELECT created, country, body FROM traits WHERE subject = ?", (subject,))
    if row is None:
        return {}
    columns = {"created_at": row[0], "country": row[1]}
    return {**{name: value for name, value in columns.items() if value is not None}, **msgspec.json.decode(row[2])}


@lru_cache(maxsize=4)
def _seal_key(secrets: Secrets) -> AESGCM:
    return AESGCM(hashlib.blake2b(key=secrets.log[:64], person=b"seal user id", digest_size=32).digest())


def _seal(secrets: Secrets, text: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + _seal_key(secrets).encrypt(nonce, text.encode(), None)


def _unseal(secrets: Secrets, sealed: bytes) -> str | None:
    try:
        return _seal_key(secrets).decrypt(sealed[:_NONCE], sealed[_NONCE:], None).decode()
    except InvalidTag:
        return None


def mark_of_message(secrets: Secrets, message_id: str) -> bytes:
    """Return the mark that recognises a message delivered twice; it outlives erasure and tells nothing."""
    return _mark(secrets, b"message", message_id)


def _mark(secrets: Secrets, domain: bytes, text: str) -> bytes:
    # BLAKE2 with a key is a MAC by itself (RFC 7693) and five times as fast as HMAC-SHA-256.
    return hashlib.blake2b(text.encode(), digest_size=16, key=secrets.log[:64], person=domain).digest()
