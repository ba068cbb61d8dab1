"""A webhook's post: HTTPS with verified certificates (plain HTTP to this machine only), no redirect followed, no proxy.

Signed after the Standard Webhooks specification 1.0 (standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
`webhook-signature: v1,<base64 of HMAC-SHA-256 over "id.timestamp.body">`. The id is the idempotency key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import ssl
from typing import Final
from urllib.parse import urlsplit

from tillwise.errors import ConfigurationError, TillwiseError
from tillwise.settings import Secrets

_READ: Final = 65_536
"""So much of a response is read at most, in one go, and thrown away; nothing in it is used."""


class NotReached(TillwiseError):
    """No connection came about: surely nothing left."""


class NotAnswered(TillwiseError):
    """The connection broke after it stood: the message may have arrived or not."""


def check_url(url: str, where: str) -> None:
    """Raise ConfigurationError unless this is an https address, or a plain one of this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigurationError(f"{where}: url {url!r} cannot be read: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f'{where}: url must look like "https://host/path", not {url!r}')
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ConfigurationError(f"{where}: url carries a name, password or fragment; the signature proves who we are")
    if parts.scheme == "http" and not _loopback(host):
        raise ConfigurationError(f"{where}: url must be https: what is sent is personal")


def secret_of(secrets: Secrets, sink: str, version: int) -> str:
    """Return the secret a sink's messages are signed with, as Standard Webhooks writes it (`whsec_…`)."""
    key = hashlib.blake2b(f"{sink}:{version}".encode(), key=secrets.log[:64], person=b"sink secret", digest_size=32)
    return "whsec_" + base64.b64encode(key.digest()).decode()


def signed(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that prove who sent a body, and when (Unix seconds)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mark = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "user-agent": "tillwise",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": "v1," + base64.b64encode(mark).decode(),
    }


class Line:
    """One connection to a sink, opened when needed and used again for the next message."""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.hostname or ""
        self._connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=ssl.create_default_context())
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, parts.port, timeout=timeout)
        )

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """Post one message and return the status; raise NotReached or NotAnswered."""
        if self._connection.sock is None:
            try:
                self._connection.connect()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                raise NotReached(f"not reached: {error}") from None
        try:
            self._connection.request("POST", self._path, body=body, headers=headers)
            response = self._connection.getresponse()
            response.read1(_READ)
            if not response.isclosed() or response.will_close:
                self.close()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NotAnswered(f"no answer: {type(error).__name__} {error}".strip()) from None
        return response.status

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
