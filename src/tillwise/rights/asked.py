"""What somebody asks, and how it is kept sealed until it is answered."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tillwise.audit.tombstones import tombstone
from tillwise.errors import InvalidInput
from tillwise.rights.request import Kind
from tillwise.settings import Secrets
from tillwise.vocabulary.purpose import Purpose

_NONCE: Final = 12
OBJECTED: Final = (Purpose.RECOMMEND, Purpose.SEARCH, Purpose.PRICE, Purpose.MARKETING, Purpose.TRAIN)
"""What an objection ends when it names no purpose. Fraud prevention goes on, and a person looks at it."""


class Corrections(msgspec.Struct, frozen=True):
    """What is to be corrected.

    `traits` replace what is kept of the person. Events are never edited: a wrong one is removed by its `position` (a
    right one may then be sent), and an anonymous id that was linked wrongly is detached. Features follow by themselves.
    """

    traits: dict[str, Any] = {}
    remove_events: tuple[int, ...] = ()
    detach: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.traits or self.remove_events or self.detach)


NOTHING: Final = Corrections()


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks. `subject` is the shop's user id; `identity` says that the caller checked who is asking.

    `purposes` narrow an objection, `decision_id` an explanation or a review, `informed` says that the person was told
    before their restriction is lifted (GDPR 18(3)).
    """

    subject: str
    kind: Kind
    place: str = ""
    anonymous: bool = False
    identity: bool = False
    corrections: Corrections = NOTHING
    purposes: tuple[Purpose, ...] = ()
    decision_id: str = ""
    informed: bool = False

    def __post_init__(self) -> None:
        if not self.subject:
            raise InvalidInput("a request names whose data it is about", field="subject")
        if Purpose.OPERATIONS in self.purposes:
            raise InvalidInput("operations use no personal data: there is nothing to object to", field="purposes")

    @property
    def ends(self) -> tuple[Purpose, ...]:
        """Return the purposes an objection ends."""
        return self.purposes or OBJECTED

    def same(self, other: Asked) -> bool:
        """Return True when the same is asked again, whoever checked it, wherever it was asked."""
        return _content(self) == _content(other)


def _content(asked: Asked) -> tuple[object, ...]:
    return (
        asked.subject, asked.kind, asked.anonymous, asked.corrections, frozenset(asked.ends), asked.decision_id
    )  # fmt: skip


def person_mark(secrets: Secrets, subject: str, *, anonymous: bool = False) -> bytes:
    """Return the keyed mark that stands for a person in requests; it outlives an erasure and names nobody."""
    return tombstone(secrets, "anonymous" if anonymous else "subject", subject)


def seal(secrets: Secrets, request_id: str, asked: Asked) -> bytes:
    """Seal what was asked for one request."""
    nonce = os.urandom(_NONCE)
    return nonce + _key(secrets).encrypt(nonce, msgspec.json.encode(asked), request_id.encode())


def unseal(secrets: Secrets, request_id: str, sealed: bytes) -> Asked | None:
    """Return what was asked, None when it was sealed for another request or with another secret."""
    try:
        plain = _key(secrets).decrypt(sealed[:_NONCE], sealed[_NONCE:], request_id.encode())
    except InvalidTag:
        return None
    return msgspec.json.decode(plain, type=Asked)


@lru_cache(maxsize=4)
def _key(secrets: Secrets) -> AESGCM:
    return AESGCM(hashlib.blake2b(key=secrets.log[:64], person=b"seal request", digest_size=32).digest())
