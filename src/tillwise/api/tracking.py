"""Events in: the routes of the Segment HTTP Tracking API, short forms included."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tillwise.api.body import decode
from tillwise.api.problem import Refusal
from tillwise.api.route import Call, Reply, Route
from tillwise.api.shop import Shop
from tillwise.api.tracked_consent import TrackedConsent
from tillwise.errors import InvalidInput
from tillwise.events.event import Intake, Quarantined
from tillwise.events.ingest import KINDS, Delivery, read_body, read_message

SUCCESS: Final = b'{"success":true}'
_SCOPE: Final = "ingest:behaviour"
_NEEDS_SERVER: Final = "needs a server key"


class Accepted(msgspec.Struct, frozen=True):
    """Every event of the body is on disk, or was counted and dropped for a stated reason."""

    success: bool


_Id = str | int | None
_Object = dict[str, Any] | None


class Message(msgspec.Struct, frozen=True, rename="camel"):
    """The envelope every message has; further fields are allowed, and properties are read by their event's type."""

    message_id: _Id = None
    user_id: _Id = None
    anonymous_id: _Id = None
    write_key: str | None = None


class Track(Message, frozen=True, kw_only=True, rename="camel"):
    """One event that happened."""

    event: Annotated[str, Meta(min_length=1)]
    properties: _Object = None


class Traits(Message, frozen=True, rename="camel"):
    """Who somebody is, or which group they belong to."""

    traits: _Object = None


class View(Message, frozen=True, rename="camel"):
    """A page or a screen was opened."""

    properties: _Object = None


class Alias(Message, frozen=True, rename="camel"):
    """Two ids are one person."""

    previous_id: _Id = None


class Batch(msgspec.Struct, frozen=True, rename="camel"):
    """Many messages. One that breaks its declaration is set aside with a reason and does not block the others."""

    batch: list[msgspec.Raw]
    sent_at: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None = None
    write_key: str | None = None


_SHAPES: Final[dict[str, Any]] = {
    "track": Track,
    "identify": Traits,
    "group": Traits,
    "page": View,
    "screen": View,
    "alias": Alias,
    "batch": Batch,
}
SUMMARIES: Final = {
    "track": "One event that happened",
    "identify": "Who somebody is",
    "page": "A page was opened",
    "alias": "Two ids are one person from here on",
    "group": "Accepted and counted, not stored",
    "screen": "Accepted and counted, not stored",
    "batch": "Many messages at once, each with its own `type`",
}


def tracking_routes(shop: Shop) -> tuple[Route, ...]:
    """Return `/v1/track` and the others, and the one-letter forms that analytics.js posts to."""
    return tuple(_route(shop, kind, name) for letter, kind in KINDS.items() for name in (kind, letter))


def _route(shop: Shop, kind: str, name: str) -> Route:
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_SHAPES[kind])
    consent = TrackedConsent(shop)

    async def handle(call: Call) -> Reply:
        try:
            delivery = read_body(call.body, kind)
            decode(decoder, call.body)
        except InvalidInput as error:
            raise Refusal(400, str(error), error.field) from None
        except Refusal as refusal:
            raise Refusal(400, refusal.detail, refusal.field) from None
        return await _take(shop, delivery, call, consent)

    return Route(
        "POST",
        f"/v1/{name}",
        _SCOPE,
        handle,
        SUMMARIES[kind],
        "Events in",
        takes=_SHAPES[kind],
        gives=Accepted,
        problems=(400, 503),
        tracking=True,
    )


async def _take(shop: Shop, delivery: Delivery, call: Call, consent: TrackedConsent) -> Reply:
    """Read, keep and only then say so."""
    trusted = call.key is not None and call.key.allows("ingest")
    received = shop.clock.now()
    currency = shop.settings.shop.currency
    aged = consent.ages(delivery.messages, received=received, trusted=trusted)
    intake = [
        read_message(m, received=received, currency=currency, trusted=trusted, sent_at=delivery.sent_at)
        for m in delivery.messages
    ]
    _check_key(intake)
    said = consent.spoken(delivery.messages, intake, received=received, trusted=trusted)
    if said or aged:  # before the events: nothing is kept under a permission that is being taken back
        await asyncio.wrap_future(shop.store.commit(lambda transaction: consent.write(transaction, said, aged)))
    await asyncio.wrap_future(shop.log.append(intake))
    return Reply(SUCCESS)


def _check_key(intake: list[Intake]) -> None:
    """Refuse a call that a browser key may not make at all; among others, such a message is only set aside."""
    refused = [read for read in intake if isinstance(read, Quarantined) and _NEEDS_SERVER in read.reason]
    if refused and len(refused) == len(intake):
        raise Refusal(403, refused[0].reason, refused[0].field)
