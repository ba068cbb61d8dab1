"""Passwords: Argon2id (RFC 9106), at least 12 characters, none that everybody tries; set through a one-time link."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tillwise.access.person import ACT, Person, by_id
from tillwise.audit.log import enter_act
from tillwise.errors import InvalidInput, NotFound
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Snapshot, Transaction

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST: Final = 12
LONGEST: Final = 200
LINK_MINUTES: Final = (15, 24 * 60)
"""How short and how long a link may live."""
_LEFT_OVER: Final = 8
"""How much of a password must stay when the words that are known about its owner are taken away."""
_PASSES, _KIBIBYTES, _LANES = 3, 65_536, 1
_OBVIOUS: Final = """
password passwort motdepasse contrasena senha letmein welcome willkommen qwertyuiop qwertzuiop azertyuiop asdfghjkl
administrator changeme iloveyou football baseball superman batman dragon monkey sunshine princess starwars secret geheim
shop tillwise master login abcdefghijkl correcthorsebatterystaple
"""
"""What everybody tries, without the digits and signs around it."""


def check_password(password: str, *about: str) -> str:
    """Return the password in the form that is hashed (NFKC); raise InvalidInput when anybody could guess it.

    `about` are words it must not be made of: login, name, shop.
    """
    text = unicodedata.normalize("NFKC", password)
    if not SHORTEST <= len(text) <= LONGEST:
        raise InvalidInput(f"a password has at least {SHORTEST} characters and at most {LONGEST}", field="password")
    letters = "".join(sign for sign in text.casefold() if sign.isalpha())
    near = [word for each in about for word in each.casefold().replace("@", " ").split() if len(word) >= 4]
    plain = text.casefold()
    for word in near:
        plain = plain.replace(word, "")
    if letters in _OBVIOUS.split() or len(set(text)) < 5 or len(plain) < _LEFT_OVER or _is_a_row(text):
        raise InvalidInput(
            "this password is among the first anybody would try: take four or more words that do not belong together",
            field="password",
        )
    return text


def _is_a_row(text: str) -> bool:
    """Return True for 123456789012, abcdefghijkl and the like, and for one piece repeated."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return (len(steps) <= 2 and not steps - {1, -1, -9, 9, 0}) or any(
        text == (text[:n] * len(text))[: len(text)] for n in range(1, 5)
    )


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # noqa: PLC0415 - only who signs in needs it

    return PasswordHasher(time_cost=_PASSES, memory_cost=_KIBIBYTES, parallelism=_LANES)


@cache
def _nobody() -> str:
    """Return the hash that is tried when there is no such person, so that both answers cost the same."""
    return _hasher().hash(secrets.token_hex(16))


def matches(hashed: str | None, password: str) -> bool:
    """Return True when the password belongs to the hash. Without a hash it is False after the same work."""
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415

    text, nobody = unicodedata.normalize("NFKC", password)[: LONGEST + 1], _nobody()
    try:
        return _hasher().verify(hashed or nobody, text) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a checked password, with its salt and costs."""
    return _hasher().hash(password)


def set_password(transaction: Transaction, person: Person, hashed: str) -> None:
    """Keep a new password; open sessions and links of this person end with it."""
    transaction.run(
        "UPDATE people SET password = ?, generation = generation + 1 WHERE person_id = ?", (hashed, person.person_id)
    )
    transaction.run("DELETE FROM password_links WHERE person_id = ?", (person.person_id,))
    enter_act(transaction, ACT, {"act": "password set", "person": person.person_id})


def new_link(transaction: Transaction, person: Person, now: Milliseconds, *, minutes: int = 60) -> str:
    """Return a one-time code that sets this person's password; earlier ones stop. Only its hash is kept.

    Raises InvalidInput for a life outside LINK_MINUTES.
    """
    low, high = LINK_MINUTES
    if not low <= minutes <= high:
        raise InvalidInput(f"a link lives between {low} and {high} minutes", field="minutes")
    code = secrets.token_urlsafe(32)
    transaction.run("DELETE FROM password_links WHERE person_id = ? OR expires <= ?", (person.person_id, now))
    transaction.run(
        "INSERT INTO password_links (hash, person_id, expires) VALUES (?, ?, ?)",
        (_code_hash(code), person.person_id, now + minutes * 60_000),
    )
    return code


def person_of_link(snapshot: Snapshot, code: str, now: Milliseconds) -> Person:
    """Return whose password a code sets. Raises NotFound when it was used, is over, or never was."""
    row = snapshot.one("SELECT person_id FROM password_links WHERE hash = ? AND expires > ?", (_code_hash(code), now))
    person = None if row is None else by_id(snapshot, row[0])
    if person is None or person.disabled is not None:
        raise NotFound("this link was used already, or it is too old: ask for another one")
    return person


def _code_hash(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()
