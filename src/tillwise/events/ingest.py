"""Reading Segment messages: bodies of the HTTP Tracking API become events, quarantined messages, or counted drops.

Field names are those of the public specification (twilio.com/docs/segment/connections/spec). Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tillwise.errors import InvalidEvent, InvalidInput
from tillwise.events.broken import broken
from tillwise.events.build import Header, build_event
from tillwise.events.event import Dropped, Event, Intake, Quarantined
from tillwise.events.types import EVENT_TYPES, needs_server_key
from tillwise.events.values import EARLIEST, FUTURE_LIMIT, read_id, read_timestamp

KINDS: Final = {
    "t": "track", "i": "identify", "p": "page", "a": "alias", "g": "group", "s": "screen", "b": "batch",
}  # fmt: skip
"""The short routes analytics.js posts to."""
COUNTED: Final = ("group", "screen")
BATCH_LIMIT: Final = 10_000
_CALLS: Final = {"page": "Page", "identify": "Identify", "alias": "Alias"}
_NOT_TRACKABLE: Final = frozenset(_CALLS.values())
_NOTHING: Final[Mapping[str, Any]] = {}
_decode: Final = msgspec.json.Decoder().decode


class Delivery(msgspec.Struct, frozen=True):
    """A decoded body: its messages, the key it carries if any, and when its sender sent it (Unix ms)."""

    messages: list[Any]
    write_key: str | None = None
    sent_at: int | None = None


def read_body(body: bytes, kind: str) -> Delivery:
    """Decode one posted body; `kind` is the route: track, identify, page, alias, group, screen or batch.

    A single message is given its route's type. Raises InvalidInput naming the field when the body is no JSON object,
    or a batch is no list.
    """
    try:
        message = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise broken(body, error) from None
    if not isinstance(message, dict):
        raise InvalidInput("the body must be a JSON object")
    write_key = message.get("writeKey")
    if write_key is not None and not isinstance(write_key, str):
        raise InvalidInput("writeKey must be text", field="writeKey")
    if kind != "batch":
        message["type"] = kind
        return Delivery([message], write_key)
    messages = message.get("batch")
    if not isinstance(messages, list):
        raise InvalidInput("batch must be a list of messages", field="batch")
    if len(messages) > BATCH_LIMIT:
        raise InvalidInput(f"a batch has at most {BATCH_LIMIT} messages", field="batch")
    try:
        sent_at = None if message.get("sentAt") is None else read_timestamp(message["sentAt"])
    except InvalidEvent as error:
        raise InvalidInput(str(error), field="sentAt") from None
    context = message.get("context")
    if isinstance(context, dict):
        for each in messages:
            if isinstance(each, dict):
                each.setdefault("context", context)
    return Delivery(messages, write_key, sent_at)


def read_message(
    message: Any, *, received: int, currency: str = "EUR", trusted: bool = True, sent_at: int | None = None
) -> Intake:
    """Turn one Segment message into an Event, a Quarantined with its reason, or a counted Dropped.

    `received` is the log clock in Unix milliseconds; `trusted` is True for a server key: only then may a message be
    of a server's type, carry traits, or be marked `context.source: simulated`. Never raises on any JSON value.
    """
    if not isinstance(message, dict):
        return Quarantined(reason="a message must be an object")
    name = _name(message)
    if not isinstance(name, str):
        return name
    try:
        header = _header(message, name, received, sent_at, trusted=trusted)
        given = _properties(message, name, trusted=trusted)
    except InvalidEvent as error:
        return Quarantined(reason=str(error), field=error.field, type=name, message_id=_message_id(message))
    context = message.get("context")
    return build_event(
        name, given, header, currency=currency, context=context if isinstance(context, dict) else _NOTHING
    )


def _name(message: dict[str, Any]) -> str | Quarantined | Dropped:
    kind = message.get("type")
    if kind == "track":
        name = message.get("event")
        if not isinstance(name, str) or not name:
            return Quarantined(reason="a track message names its event", field="event")
        if name in EVENT_TYPES and name not in _NOT_TRACKABLE:
            return name
        return Dropped(counter=f"unknown event: {name[:100]}")
    if isinstance(kind, str) and kind in _CALLS:
        return _CALLS[kind]
    if isinstance(kind, str) and kind in COUNTED:
        return Dropped(counter=kind)
    return Quarantined(reason="type must be track, identify, page, alias, group or screen", field="type")


def _header(message: dict[str, Any], name: str, received: int, sent_at: int | None, *, trusted: bool) -> Header:
    if not trusted and needs_server_key(name):
        raise InvalidEvent(f"'{name}' needs a server key: a browser key may send behaviour only", field="event")
    context = message.get("context")
    previous = _id(message, "previousId") if name == "Alias" else None
    if name == "Alias" and (previous is None or message.get("userId") in (None, "")):
        raise InvalidEvent("an alias names previousId and userId", field="previousId")
    return Header(
        ts=_timestamp(message, received, sent_at),
        message_id=_id(message, "messageId"),
        user_id=_id(message, "userId"),
        anonymous_id=_id(message, "anonymousId"),
        previous_id=previous,
        simulated=trusted and isinstance(context, dict) and context.get("source") == "simulated",
        withheld=0 if trusted or name != "Identify" else _size(message.get("traits")),
    )


def _properties(message: dict[str, Any], name: str, *, trusted: bool) -> Mapping[str, Any]:
    key = "traits" if name == "Identify" else "properties"
    given = message.get(key)
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise InvalidEvent("must be an object", field=key)
    if name == "Page":
        top = {part: message[part] for part in ("name", "category") if message.get(part)}
        return {**given, **top}
    if name == "Identify":
        if not trusted:
            return _NOTHING
        address = given.get("address")
        if isinstance(address, dict):
            return {"country": address.get("country"), **{k: v for k, v in given.items() if k != "address"}}
    return given


def _size(given: Any) -> int:
    return len(given) if isinstance(given, dict) else 0


def _timestamp(message: dict[str, Any], received: int, sent_at: int | None) -> int:
    """Return when it happened: the sender's time, moved by the skew between its clock and ours.

    timestamp = received − (sentAt − originalTimestamp), as the specification has it; without sentAt the sender's own.
    """
    given = message.get("originalTimestamp") or message.get("timestamp")
    if given is None:
        return received
    original = _time(given, "timestamp")
    sent = message.get("sentAt")
    sent_ms = sent_at if sent is None else _time(sent, "sentAt")
    ts = original if sent_ms is None else received - (sent_ms - original)
    if original < EARLIEST or ts < EARLIEST:
        raise InvalidEvent("lies before 1990: the sender's clock is wrong", field="timestamp")
    if ts > received + FUTURE_LIMIT:
        raise InvalidEvent("lies more than a day ahead: the sender's clock is wrong", field="timestamp")
    return ts


def _time(value: Any, field: str) -> int:
    try:
        return read_timestamp(value)
    except InvalidEvent as error:
        raise InvalidEvent(str(error), field=field) from None


def _id(message: dict[str, Any], field: str) -> str | None:
    value = message.get(field)
    if value is None or value == "":
        return None
    try:
        return read_id(value)
    except InvalidEvent as error:
        raise InvalidEvent(str(error), field=field) from None


def _message_id(message: dict[str, Any]) -> str | None:
    try:
        return _id(message, "messageId")
    except InvalidEvent:
        return None


def events_of(read: list[Intake]) -> list[Event]:
    """Return only the valid events of what was read."""
    return [each for each in read if isinstance(each, Event)]
