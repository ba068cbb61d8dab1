"""Signed links: the shop mints one for somebody it knows; whoever holds it within 15 minutes is taken for that person.

A link is sealed and not only signed (AES-GCM under a key derived from the shop's secret): addresses end up in the logs
of proxies, and no user id may.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tillwise.settings import Secrets
from tillwise.vocabulary.clock import Milliseconds

T = TypeVar("T", bound=msgspec.Struct)

MINUTES: Final = 15
LIFE: Final = MINUTES * 60_000
_NONCE: Final = 12


class Use(StrEnum):
    """What a link opens: all of a person's pages, or the banner alone, which can only record what they say."""

    PAGES = "pages"
    BANNER = "banner"


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a link is for, until when (wall clock, Unix ms). `who` is the shop's user id, or an anonymous id.

    `language` and `place` are what the shop knows of them, empty when it does not say.
    """

    who: str
    ends: Milliseconds
    anonymous: bool = False
    use: Use = Use.PAGES
    language: str = ""
    place: str = ""


class Sealer(Generic[T]):
    """Seals values of one kind into texts that fit an address or a cookie, and opens what it sealed itself.

    Texts of two domains, or of two shops, do not open each other.
    """

    def __init__(self, secrets: Secrets, domain: str, kind: type[T]) -> None:
        self._cipher = AESGCM(hmac.digest(secrets.log, f"preferences {domain}".encode(), "sha256"))
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)

    def seal(self, value: T) -> str:
        """Return the sealed text."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, msgspec.json.encode(value), None)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, text: str) -> T | None:
        """Return what was sealed; None when it was forged, changed, or sealed by somebody else."""
        try:
            raw = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
            value: T = self._decoder.decode(self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], None))
        except (binascii.Error, ValueError, InvalidTag, msgspec.DecodeError):
            return None
        return value


class Links:
    """Mints and reads the links of one shop."""

    def __init__(self, secrets: Secrets) -> None:
        self._sealer = Sealer(secrets, "link", Link)

    def mint(
        self, who: str, now: Milliseconds, *, anonymous: bool = False, use: Use = Use.PAGES, language: str = "",
        place: str = "",
    ) -> tuple[str, Milliseconds]:  # fmt: skip
        """Return a link's text and when it ends."""
        link = Link(who, now + LIFE, anonymous, use, language, place)
        return self._sealer.seal(link), link.ends

    def read(self, text: str) -> Link | None:
        """Return the link behind a text; None when it was never ours. The caller asks whether it has ended."""
        return self._sealer.open(text)
