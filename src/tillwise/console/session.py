"""Sessions: who signed in becomes a sealed cookie that no script can read and no other site can send.

Its id is new at every sign-in, and what the browser sent before is never taken over; signing out ends the id for good.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as random
from typing import Final

import msgspec

from tillwise.settings import Secrets
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Snapshot, Transaction

COOKIE: Final = "tillwise_session"
HOURS: Final = 12
_LIFE: Final = HOURS * 3_600_000
REASON_MS: Final = 30 * 60_000
"""How long one reason for looking counts."""


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who opened it, and until when (wall clock, Unix ms). Key or person are asked again at every page.

    `generation` is the person's at sign-in: a new password or a lock-out makes it another. `reason` is the purpose a
    person gave for looking, `asked` when.
    """

    session_id: str
    ends: Milliseconds
    key_id: str = ""
    person_id: str = ""
    generation: int = 0
    reason: str = ""
    asked: Milliseconds = 0

    def reason_at(self, now: Milliseconds) -> str:
        """Return the reason given within the last half hour, empty when it is older."""
        return self.reason if now - self.asked < REASON_MS else ""


_decoder = msgspec.json.Decoder(Session)


class Sessions:
    """Seals and opens session cookies, with a key derived from the shop's secret."""

    def __init__(self, secrets: Secrets) -> None:
        self._key = hmac.digest(secrets.log, b"console session", "sha256")

    def open(self, key_id: str, now: Milliseconds, *, person_id: str = "", generation: int = 0) -> str:
        """Return the cookie's value for a new session."""
        return self.seal(Session(random.token_hex(16), now + _LIFE, key_id, person_id, generation))

    def seal(self, session: Session) -> str:
        """Return the cookie's value of a session."""
        body = base64.urlsafe_b64encode(msgspec.json.encode(session))
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


def end_session(transaction: Transaction, session: Session, now: Milliseconds) -> None:
    """End a session for good, wherever its cookie was copied to; forget those that are over by themselves."""
    transaction.run("DELETE FROM ended_sessions WHERE ends <= ?", (now,))
    transaction.run(
        "INSERT INTO ended_sessions (session_id, ends) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (session.session_id, session.ends),
    )


def is_ended(snapshot: Snapshot, session: Session) -> bool:
    """Return True when somebody signed out of this session."""
    return snapshot.one("SELECT 1 FROM ended_sessions WHERE session_id = ?", (session.session_id,)) is not None
