"""Canonical JSON and content hashes: the same value always has the same bytes, and bytes name what they are."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

Json = dict[str, Any]

_encoder = msgspec.json.Encoder(order="sorted")


def canonical(value: Any) -> bytes:
    """Encode `value` as JSON with sorted keys and no white space.

    Floats keep their shortest round-trip form; NaN and infinities become null.
    """
    return _encoder.encode(value)


def digest(data: bytes) -> str:
    """Return the content name of `data`: `sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """Return the content name of a JSON value."""
    return digest(canonical(value))
