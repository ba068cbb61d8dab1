"""People: the shop's user id becomes a random pseudonym, found by a keyed mark.

The id itself and the person's traits are sealed under a random key of their own (events/seal.py), which an erasure
destroys. `identify` and `alias` append a link from an anonymous id to a subject; earlier anonymous events stay where
they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any, Final

import msgspec

from tillwise.errors import InvalidInput
from tillwise.events import seal
from tillwise.events.lookup import rows_in
from tillwise.settings import Secrets
from tillwise.vocabulary.identity import Pseudonym, new_pseudonym
from tillwise.vocabulary.store import Snapshot, Transaction

Person = tuple[str, bool]
"""An id as the shop sends it, and whether it is an anonymous id."""
_COLUMNS_OF_TRAITS: Final = ("created_at", "country")
_SEALED_IDS: Final = (
    "SELECT s.pseudonym, s.sealed, k.wrapped FROM subjects s LEFT JOIN subject_keys k ON k.pseudonym = s.pseudonym"
    " WHERE s.pseudonym IN"
)


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
    fresh, keys = [], []
    for mark, person in marks.items():
        if person not in found:
            pseudonym = found[person] = new_pseudonym()
            key = seal.new_key()
            fresh.append((mark, pseudonym, int(person[1]), seal.close(key, person[0].encode())))
            keys.append((pseudonym, seal.wrap(secrets, pseudonym, key)))
    if fresh:
        transaction.run_many("INSERT INTO subjects (mark, pseudonym, anonymous, sealed) VALUES (?, ?, ?, ?)", fresh)
        transaction.run_many(_KEEP_KEY, keys)
    return found


def user_ids(snapshot: Snapshot, secrets: Secrets, pseudonyms: Collection[int]) -> dict[int, str]:
    """Return the shop's own id of each pseudonym, for files handed back to the shop; unknown ones are left out."""
    opened = (
        (pseudonym, _open_id(secrets, pseudonym, sealed, wrapped))
        for pseudonym, sealed, wrapped in rows_in(snapshot, _SEALED_IDS, pseudonyms)
    )
    return {pseudonym: text for pseudonym, text in opened if text is not None}


def give_keys(transaction: Transaction, secrets: Secrets, limit: int = 1_000) -> int:
    """Give people kept by an older version a key of their own, some at a time; return how many got one."""
    rows = transaction.all(
        "SELECT s.pseudonym, s.sealed FROM subjects s LEFT JOIN subject_keys k ON k.pseudonym = s.pseudonym"
        " WHERE k.pseudonym IS NULL LIMIT ?",
        (limit,),
    )
    given = 0
    for pseudonym, sealed in rows:
        text = seal.open_shared(secrets, sealed)
        if text is None:
            continue
        key = seal.new_key()
        transaction.run(_KEEP_KEY, (pseudonym, seal.wrap(secrets, pseudonym, key)))
        transaction.run("UPDATE subjects SET sealed = ? WHERE pseudonym = ?", (seal.close(key, text), pseudonym))
        row = transaction.one("SELECT body FROM traits WHERE subject = ?", (pseudonym,))
        if row is not None and row[0] != NO_TRAITS:
            body = seal.close_text(key, row[0])
            transaction.run("UPDATE traits SET body = ? WHERE subject = ?", (body, pseudonym))
        given += 1
    return given


_KEEP_KEY: Final = "INSERT INTO subject_keys (pseudonym, wrapped) VALUES (?, ?) ON CONFLICT DO NOTHING"


def _open_id(secrets: Secrets, pseudonym: int, sealed: bytes, wrapped: bytes | None) -> str | None:
    if wrapped is None:
        text = seal.open_shared(secrets, sealed)
    else:
        key = seal.unwrap(secrets, pseudonym, wrapped)
        text = None if key is None else seal.open_sealed(key, sealed)
    return None if text is None else text.decode()


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


def set_traits(
    transaction: Transaction, subject: Pseudonym, traits: dict[str, Any], secrets: Secrets | None = None
) -> None:
    """Merge traits into what is known of a person.

    `created_at` and `country` have columns of their own, which the gate and the features read; every other trait is
    sealed under the person's key, for which `secrets` are needed.
    """
    row = transaction.one("SELECT created, country, body FROM traits WHERE subject = ?", (subject,))
    created, country, body = row if row is not None else (None, None, NO_TRAITS)
    rest = {name: value for name, value in traits.items() if name not in _COLUMNS_OF_TRAITS}
    if rest:
        if secrets is None:
            raise InvalidInput(f"{', '.join(sorted(rest))}: without the shop's secret only the country can be set")
        key = _key_of(transaction, secrets, subject)
        known = {**_opened_traits(key, body), **rest}
        body = seal.close_text(key, msgspec.json.encode(known).decode())
    transaction.run(
        "INSERT INTO traits (subject, created, country, body) VALUES (?, ?, ?, ?) ON CONFLICT (subject) DO UPDATE"
        " SET created = excluded.created, country = excluded.country, body = excluded.body",
        (subject, traits.get("created_at", created), traits.get("country", country), body),
    )


def traits_of(snapshot: Snapshot, secrets: Secrets, subject: int) -> dict[str, Any]:
    """Return what is known of a person: `created_at` (Unix ms), `country`, and the other declared traits."""
    row = snapshot.one(
        "SELECT t.created, t.country, t.body, k.wrapped FROM traits t LEFT JOIN subject_keys k"
        " ON k.pseudonym = t.subject WHERE t.subject = ?",
        (subject,),
    )
    if row is None:
        return {}
    columns = zip(_COLUMNS_OF_TRAITS, row[:2], strict=True)
    key = None if row[3] is None else seal.unwrap(secrets, subject, row[3])
    return {**{name: value for name, value in columns if value is not None}, **_opened_traits(key, row[2])}


NO_TRAITS: Final = "{}"


def _key_of(transaction: Transaction, secrets: Secrets, subject: int) -> bytes:
    """Return the person's key; somebody kept by an older version gets one."""
    row = transaction.one("SELECT wrapped FROM subject_keys WHERE pseudonym = ?", (subject,))
    key = None if row is None else seal.unwrap(secrets, subject, row[0])
    if key is None:
        key = seal.new_key()
        old = transaction.one("SELECT sealed FROM subjects WHERE pseudonym = ?", (subject,))
        text = None if old is None else seal.open_shared(secrets, old[0])
        if text is not None:
            transaction.run("UPDATE subjects SET sealed = ? WHERE pseudonym = ?", (seal.close(key, text), subject))
        transaction.run(_KEEP_KEY, (subject, seal.wrap(secrets, subject, key)))
    return key


def _opened_traits(key: bytes | None, body: str) -> dict[str, Any]:
    """Open sealed traits; those an older version kept are read as they are."""
    if body.startswith("{"):
        text: str | None = body
    else:
        text = None if key is None else seal.open_text(key, body)
    known: dict[str, Any] = {} if text is None else msgspec.json.decode(text)
    return known


def mark_of_message(secrets: Secrets, message_id: str) -> bytes:
    """Return the mark that recognises a message delivered twice; it outlives erasure and tells nothing."""
    return _mark(secrets, b"message", message_id)


def _mark(secrets: Secrets, domain: bytes, text: str) -> bytes:
    # BLAKE2 with a key is a MAC by itself (RFC 7693) and five times as fast as HMAC-SHA-256.
    return hashlib.blake2b(text.encode(), digest_size=16, key=secrets.log[:64], person=domain).digest()
