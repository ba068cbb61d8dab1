"""Reading what was sent: bounded before it is unpacked, bounded after, and decoded strictly."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeVar

import msgspec

from tillwise.api.problem import Refusal, invalid_value
from tillwise.events.broken import broken

T = TypeVar("T")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

LIMIT: Final = 500 * 1024
"""Bytes of a body, packed or unpacked."""
SLOW_SECONDS: Final = 20.0
"""How long a body may take to arrive."""


class Disconnected(Exception):
    """The caller went away before the body was whole."""


async def read_bytes(receive: Receive, headers: Mapping[bytes, bytes]) -> bytes:
    """Return the unpacked body. Raises Refusal 400, 408-like 400, 413 or 415; Disconnected when nobody is left."""
    _check_length(headers)
    message = await receive()
    if message.get("more_body") or message["type"] == "http.disconnect":
        try:
            async with asyncio.timeout(SLOW_SECONDS):
                raw = await _rest(receive, message)
        except TimeoutError:
            raise Refusal(400, f"the body did not arrive within {SLOW_SECONDS:.0f} seconds") from None
    else:
        raw = message.get("body", b"")
        if len(raw) > LIMIT:
            raise too_large()
    return _unpack(raw, headers.get(b"content-encoding", b"").strip().lower())


def too_large() -> Refusal:
    """Return the refusal of a body over the limit."""
    return Refusal(413, f"a body may have {LIMIT // 1024} KB at most, unpacked: send smaller batches")


def _check_length(headers: Mapping[bytes, bytes]) -> None:
    given = headers.get(b"content-length")
    if given is None:
        return
    if not given.isdigit():
        raise Refusal(400, "Content-Length must be a number")
    if len(given) > 12 or int(given) > LIMIT:
        raise too_large()


async def _rest(receive: Receive, message: MutableMapping[str, Any]) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LIMIT:
            raise too_large()
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def _unpack(raw: bytes, encoding: bytes) -> bytes:
    if not encoding or encoding == b"identity":
        return raw
    if encoding != b"gzip":
        raise Refusal(415, "Content-Encoding may be gzip or absent")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        out = unpacker.decompress(raw, LIMIT + 1)
    except zlib.error as error:
        raise Refusal(400, f"the body is not valid gzip: {error}") from None
    if len(out) > LIMIT:
        raise too_large()
    if not unpacker.eof or unpacker.unused_data:
        raise Refusal(400, "the body is not one complete gzip stream")
    return out


MONEY: Final = frozenset({"amount", "max_price"})
"""Fields in minor units: 59.0 is refused there, for it is most likely 59 euros meant as 59 cents."""
_any: Final = msgspec.json.Decoder()


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a JSON body into its declared type. Raises Refusal: 400 for broken JSON, 422 naming the wrong field.

    A whole number may be written 20.0, as JSON Schema has it, except where it is money.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        return _decode_whole(decoder, body, error)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        found = broken(body, error)
        raise Refusal(400, str(found), found.field) from None


def _decode_whole(decoder: msgspec.json.Decoder[T], body: bytes, first: msgspec.ValidationError) -> T:
    """Try once more with 20.0 read as 20; if that is not what was wrong, say what was wrong first."""
    try:
        converted: T = msgspec.convert(_whole(_any.decode(body)), decoder.type)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise invalid_value(first, decoder.type) from None
    return converted


def _whole(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _whole(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each, name) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and name not in MONEY else value
