"""Signing in: an admin key becomes a signed cookie that no script can read and no other site can send."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

import msgspec

from tillwise.settings import Secrets
from tillwise.vocabulary.clock import Milliseconds

COOKIE: Final = "tillwise_session"
HOURS: Final = 12
_LIFE: Final = HOURS * 3_600_000


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose key opened it, and until when (wall clock, Unix ms). The key is asked again at every page."""

    key_id: str
    ends: Milliseconds


_decoder = msgspec.json.Decoder(Session)


class Sessions:
    """Seals and opens session cookies, with a key derived from the shop's secret."""

    def __init__(self, secrets: Secrets) -> None:
        self._key = hmac.digest(secrets.log, b"console session", "sha256")

    def open(self, key_id: str, now: Milliseconds) -> str:
        """Return the cookie's value for a new session."""
        body = base64.urlsafe_b64encode(msgspec.json.encode(Session(key_id, now + _LIFE)))
        return f"{body.decode()}.{self._seal(body)}"

    def read(self, value: str, now: Milliseconds) -> Session | None:
        """Return the session behind a cookie; None when it is forged, changed or over."""
        body, _, seal = value.encode("latin-1", "replace").rpartition(b".")
        if not hmac.compare_digest(self._seal(body).encode(), seal):
            return None
        try:
            session = _decoder.decode(base64.urlsafe_b64decode(body))
        except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
            return None
        return session if now < session.ends else None

    def _seal(self, body: bytes) -> str:
        return hmac.new(self._key, body, hashlib.sha256).hexdigest()


def set_cookie(value: str, *, secure: bool) -> str:
    """Return the Set-Cookie header that begins a session."""
    return f"{COOKIE}={value}; Path=/; Max-Age={_LIFE // 1000}; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"


def clear_cookie() -> str:
    """Return the Set-Cookie header that ends a session."""
    return f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"


def find_cookie(header: str) -> str:
    """Return the session cookie's value in a Cookie header, empty when there is none."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""
