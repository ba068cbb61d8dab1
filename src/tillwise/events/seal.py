"""Sealing what names a person: AES-256-GCM under a random key per person, itself wrapped by the shop's secret.

Destroying a person's wrapped key makes every sealed text of theirs unreadable for everybody, in every copy of it
(NIST SP 800-88, cryptographic erase); erasing destroys the texts as well. Each sealed value carries its own random
nonce of 96 bits (NIST SP 800-38D, 8.2.2).
"""

from __future__ import annotations

import base64
import hashlib
import os
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tillwise.settings import Secrets

KEY_BYTES: Final = 32
_NONCE: Final = 12


def new_key() -> bytes:
    """Return a random key for one person."""
    return os.urandom(KEY_BYTES)


def wrap(secrets: Secrets, pseudonym: int, key: bytes) -> bytes:
    """Return a person's key as it is stored: sealed by the shop's secret, and bound to the pseudonym."""
    nonce = os.urandom(_NONCE)
    return nonce + _cipher(secrets, b"wrap person key").encrypt(nonce, key, _bound(pseudonym))


def unwrap(secrets: Secrets, pseudonym: int, wrapped: bytes) -> bytes | None:
    """Return a person's key; None when it was wrapped by another secret, for somebody else, or changed."""
    try:
        cipher = _cipher(secrets, b"wrap person key")
        return cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _bound(pseudonym))
    except InvalidTag:
        return None


def close(key: bytes, raw: bytes) -> bytes:
    """Seal bytes under a person's key."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, raw, None)


def open_sealed(key: bytes, sealed: bytes) -> bytes | None:
    """Open what `close` sealed; None under another key, or when it was changed."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
    except InvalidTag:
        return None


def close_text(key: bytes, text: str) -> str:
    """Seal a text into a text column, as base64."""
    return base64.b64encode(close(key, text.encode())).decode()


def open_text(key: bytes, sealed: str) -> str | None:
    """Open what `close_text` sealed; None when it cannot be opened."""
    raw = open_sealed(key, base64.b64decode(sealed))
    return None if raw is None else raw.decode()


def open_shared(secrets: Secrets, sealed: bytes) -> bytes | None:
    """Open an id that an older version sealed under the shop's one key."""
    try:
        return _cipher(secrets, b"seal user id").decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
    except InvalidTag:
        return None


@lru_cache(maxsize=8)
def _cipher(secrets: Secrets, domain: bytes) -> AESGCM:
    return AESGCM(hashlib.blake2b(key=secrets.log[:64], person=domain, digest_size=KEY_BYTES).digest())


def _bound(pseudonym: int) -> bytes:
    return pseudonym.to_bytes(8, "big", signed=True)
