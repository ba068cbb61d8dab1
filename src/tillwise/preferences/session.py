"""An opened link: a sealed cookie no script can read, for these pages only, good for 15 minutes after each click."""

from __future__ import annotations

import hmac
import os
from typing import Final

import msgspec

from tillwise.preferences.link import LIFE, Link, Sealer
from tillwise.settings import Secrets
from tillwise.vocabulary.clock import Milliseconds

COOKIE: Final = "tillwise_preferences"
PATH: Final = "/preferences"
LONGEST: Final = 2 * 3_600_000
"""A session ends after two hours however busy it is."""


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose pages are open, and until when (wall clock, Unix ms); `nonce` ties forms to this session."""

    who: str
    anonymous: bool
    language: str
    place: str
    nonce: str
    ends: Milliseconds
    last: Milliseconds


class Sessions:
    """Opens, seals and reads sessions, with keys derived from the shop's secret."""

    def __init__(self, secrets: Secrets) -> None:
        self._sealer = Sealer(secrets, "session", Session)
        self._key = hmac.digest(secrets.log, b"preferences form", "sha256")

    def begin(self, link: Link, language: str, now: Milliseconds) -> Session:
        """Return the session a link opens."""
        return Session(link.who, link.anonymous, language, link.place, os.urandom(16).hex(), now + LIFE, now + LONGEST)

    def renew(self, session: Session, now: Milliseconds, language: str = "") -> Session:
        """Return the session with 15 more minutes from now, in another language if one is named."""
        ends = min(now + LIFE, session.last)
        return msgspec.structs.replace(session, ends=ends, language=language or session.language)

    def read(self, cookie_header: str, now: Milliseconds) -> Session | None:
        """Return the open session of a Cookie header; None when there is none, it is forged, or it has ended."""
        session = self._sealer.open(_find(cookie_header))
        return session if session is not None and now < session.ends else None

    def cookie(self, session: Session, now: Milliseconds, *, secure: bool) -> str:
        """Return the Set-Cookie header that keeps the session.

        It is Lax and not Strict, or a link in the shop's own mail would open a page without its session.
        """
        age = max(0, session.ends - now) // 1000
        end = "; Secure" if secure else ""
        return f"{COOKIE}={self._sealer.seal(session)}; Path={PATH}; Max-Age={age}; HttpOnly; SameSite=Lax{end}"

    def form_token(self, session: Session) -> str:
        """Return what every form of this session carries: no other site, and no other session, can know it."""
        return hmac.digest(self._key, session.nonce.encode(), "sha256").hex()

    def is_form_of(self, session: Session, token: str) -> bool:
        """Return True for a form of this very session."""
        return hmac.compare_digest(self.form_token(session).encode(), token.encode())


def clear_cookie() -> str:
    """Return the Set-Cookie header that ends a session."""
    return f"{COOKIE}=; Path={PATH}; Max-Age=0; HttpOnly; SameSite=Lax"


def _find(header: str) -> str:
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""
