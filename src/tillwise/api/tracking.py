"""Events in: the routes of the Segment HTTP Tracking API, short forms included."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from tillwise.api.problem import Refusal
from tillwise.api.route import Call, Reply, Route
from tillwise.api.shop import Shop
from tillwise.errors import InvalidInput
from tillwise.events.event import Intake, Quarantined
from tillwise.events.ingest import KINDS, read_body, read_message
from tillwise.vocabulary.canonical import Json

SUCCESS: Final = b'{"success":true}'
_SCOPE: Final = "ingest:behaviour"
_NEEDS_SERVER: Final = "needs a server key"


class Accepted(msgspec.Struct, frozen=True):
    """Every event of the body is on disk, or was counted and dropped for a stated reason."""

    success: bool


_TEXT: Final[Json] = {"type": "string"}
_OBJECT: Final[Json] = {"type": "object"}
_COMMON: Final[Json] = {
    "messageId": _TEXT, "userId": _TEXT, "anonymousId": _TEXT, "timestamp": _TEXT, "sentAt": _TEXT,
    "originalTimestamp": _TEXT, "context": _OBJECT, "integrations": _OBJECT, "writeKey": _TEXT,
}  # fmt: skip
_OWN: Final[dict[str, Json]] = {
    "track": {"event": {"type": "string", "minLength": 1}, "properties": _OBJECT},
    "identify": {"traits": _OBJECT},
    "page": {"name": _TEXT, "category": _TEXT, "properties": _OBJECT},
    "screen": {"name": _TEXT, "properties": _OBJECT},
    "group": {"groupId": _TEXT, "traits": _OBJECT},
    "alias": {"previousId": _TEXT},
    "batch": {"batch": {"type": "array", "items": _OBJECT, "maxItems": 10_000}},
}
_NEEDED: Final = {"track": ["event"], "batch": ["batch"]}
SUMMARIES: Final = {
    "track": "One event that happened",
    "identify": "Who somebody is",
    "page": "A page was opened",
    "alias": "Two ids are one person from here on",
    "group": "Accepted and counted, not stored",
    "screen": "Accepted and counted, not stored",
    "batch": "Many messages at once, each with its own `type`",
}


def body_schema(kind: str) -> Json:
    """Return the JSON Schema of a route's body; further fields are allowed, as Segment's clients send them."""
    return {"type": "object", "properties": {**_COMMON, **_OWN[kind]}, "required": _NEEDED.get(kind, [])}


def tracking_routes(shop: Shop) -> tuple[Route, ...]:
    """Return `/v1/track` and the others, and the one-letter forms that analytics.js posts to."""
    return tuple(_route(shop, kind, name) for letter, kind in KINDS.items() for name in (kind, letter))


def _route(shop: Shop, kind: str, name: str) -> Route:
    async def handle(call: Call) -> Reply:
        return await _take(shop, kind, call)

    return Route(
        "POST",
        f"/v1/{name}",
        _SCOPE,
        handle,
        SUMMARIES[kind],
        "Events in",
        takes=body_schema(kind),
        gives=Accepted,
        problems=(400, 503),
        tracking=True,
    )


async def _take(shop: Shop, kind: str, call: Call) -> Reply:
    """Read, keep and only then say so."""
    try:
        delivery = read_body(call.body, kind)
    except InvalidInput as error:
        raise Refusal(400, str(error), error.field) from None
    trusted = call.key is not None and call.key.allows("ingest")
    received = shop.clock.now()
    currency = shop.settings.shop.currency
    intake = [
        read_message(m, received=received, currency=currency, trusted=trusted, sent_at=delivery.sent_at)
        for m in delivery.messages
    ]
    _check_key(intake)
    if kind != "batch":
        _check_envelope(intake[0])
    await asyncio.wrap_future(shop.log.append(intake))
    return Reply(SUCCESS)


def _check_key(intake: list[Intake]) -> None:
    """Refuse a call that a browser key may not make at all; among others, such a message is only set aside."""
    refused = [read for read in intake if isinstance(read, Quarantined) and _NEEDS_SERVER in read.reason]
    if refused and len(refused) == len(intake):
        raise Refusal(403, refused[0].reason, refused[0].field)


def _check_envelope(read: Intake) -> None:
    """Refuse a message of its own whose envelope is broken: its sender can still mend it."""
    if isinstance(read, Quarantined) and read.field in _ENVELOPE:
        raise Refusal(400, f"{read.field}: {read.reason}" if read.field else read.reason, read.field)


_ENVELOPE: Final = ("", "event", "type", "properties", "traits")
