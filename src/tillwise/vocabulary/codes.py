"""Integers for text, so that SQL only ever compares and counts integers.

A code is a 64-bit hash of the text, the same in every process and engine, with no dictionary to keep in step.
Two texts collide with probability n²/2⁶⁵: below 10⁻⁶ for six million texts. Personal text is hashed with the log's
secret key, so that nobody without it can test a guess (a keyed hash is pseudonymous, never anonymous).
"""

from __future__ import annotations

import hashlib


def _signed(raw: bytes) -> int:
    return int.from_bytes(raw, "big", signed=True)


def code_of(text: str) -> int:
    """Return the code of a public text such as an item id or a country."""
    return _signed(hashlib.blake2b(text.encode(), digest_size=8).digest())


def keyed_code(secret: bytes, domain: str, text: str) -> int:
    """Return the code of a personal text such as a device id; `domain` keeps equal texts of two kinds apart."""
    keyed = hashlib.blake2b(text.encode(), digest_size=8, key=secret[:64], person=domain.encode()[:16])
    return _signed(keyed.digest())
