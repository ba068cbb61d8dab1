"""Who may come in: keys as callers send them, the operator's own machine, and web pages of configured origins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tillwise.access.key import Key
from tillwise.access.keys import Keys
from tillwise.api.problem import Refusal
from tillwise.api.route import CONSOLE, LINK, OPERATOR, Headers, Reply, Route

CHALLENGE: Final[Headers] = ((b"www-authenticate", b'Bearer realm="tillwise"'),)
BASIC_CHALLENGE: Final[Headers] = ((b"www-authenticate", b'Basic realm="tillwise"'),)
LOCAL: Final = ("127.0.0.1", "::1")
_LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
_MAX_AUTHORIZATION: Final = 2_000
_FORWARDED: Final = (b"forwarded", b"x-forwarded-for", b"x-real-ip")


class _Keyed(msgspec.Struct):
    writeKey: str | None = None  # noqa: N815 - Segment's spelling


_keyed = msgspec.json.Decoder(_Keyed)


class Admission:
    """Finds the key of a call and asks whether it may. Default deny."""

    def __init__(self, keys: Keys, origins: tuple[str, ...] = ()) -> None:
        self._keys = keys
        self._origins = frozenset(origin.rstrip("/").encode() for origin in origins)

    def admit(self, route: Route, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> Key | None:
        """Return the caller's key. Raises Refusal 401 without a valid one, 403 when it may not do this."""
        if route.scope in (CONSOLE, LINK):
            return None  # the page's handler asks for the session; it shows the sign-in form to everybody else
        text = _bearer(headers)
        if route.scope == OPERATOR:
            if not text and _from_this_machine(scope, headers):
                return None
            return self._allowed(text, "admin")
        return self._allowed(text, route.scope)

    def _allowed(self, text: str, wanted: str) -> Key:
        key = self._keys.find(text) if text else None
        if key is None:
            raise Refusal(401, "Send a valid key as `Authorization: Bearer KEY`", headers=CHALLENGE)
        if not key.allows(wanted):
            raise Refusal(403, f"This key (role {key.role}) lacks the scope {wanted}")
        return key

    def admit_tracking(self, headers: Mapping[bytes, bytes], body: bytes) -> Key:
        """Return the key of a tracking call: Basic user name, Bearer, or `writeKey` in the body."""
        given = headers.get(b"authorization", b"")
        text = (_basic(given) or _bearer(headers)) if given else _write_key(body)
        key = self._keys.find(text) if text else None
        if key is None:
            detail = "Send a valid key as Basic user name, or as writeKey in the body"
            raise Refusal(401, detail, headers=BASIC_CHALLENGE)
        if not key.allows("ingest:behaviour"):
            raise Refusal(403, f"This key (role {key.role}) lacks the scope ingest:behaviour")
        return key

    def preflight(self, headers: Mapping[bytes, bytes]) -> Reply:
        """Answer a page that asks whether it may post here. Raises Refusal 403 for an origin nobody configured."""
        if headers.get(b"origin") not in self._origins:
            raise Refusal(403, "This origin is not among [serve] origins in tillwise.toml")
        allowed: Headers = (
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-allow-headers", b"authorization, content-type"),
            (b"access-control-max-age", b"600"),
        )
        return self.with_origin(headers, Reply(b"", 204, headers=allowed))

    def with_origin(self, headers: Mapping[bytes, bytes], reply: Reply) -> Reply:
        """Let a page of a configured origin read the answer."""
        origin = headers.get(b"origin")
        if origin is None or origin not in self._origins:
            return reply
        extra = ((b"access-control-allow-origin", origin), (b"vary", b"origin"))
        return Reply(reply.body, reply.status, reply.media, (*reply.headers, *extra))


def _bearer(headers: Mapping[bytes, bytes]) -> str:
    given = headers.get(b"authorization", b"")
    if len(given) > _MAX_AUTHORIZATION or given[:7].lower() != b"bearer ":
        return ""
    return given[7:].strip().decode("latin-1")


def _basic(given: bytes) -> str:
    if len(given) > _MAX_AUTHORIZATION or given[:6].lower() != b"basic ":
        return ""
    try:
        return base64.b64decode(given[6:].strip(), validate=True).decode("latin-1").partition(":")[0]
    except binascii.Error:
        return ""


def _write_key(body: bytes) -> str:
    try:
        return _keyed.decode(body).writeKey or ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _from_this_machine(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> bool:
    """Return True for a direct call from this machine that also asked for it by a local name.

    The name is checked because a web page can point a domain of its own at 127.0.0.1.
    """
    client = scope.get("client")
    if client is None or client[0] not in LOCAL or any(name in headers for name in _FORWARDED):
        return False
    host = headers.get(b"host", b"").decode("latin-1").lower()
    return (host[: host.rfind(":")] if host.rfind(":") > host.rfind("]") else host) in _LOCAL_HOSTS
