"""Decisions out: a strict body goes to the road, and its answer leaves once the receipt is durable."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tillwise.api.asks import ChurnAsk, Common, FraudAsk, RecommendationsAsk, churn_ask, own_ask
from tillwise.api.body import decode
from tillwise.api.metrics import Metrics
from tillwise.api.problem import Refusal
from tillwise.api.route import Call, Reply, Route
from tillwise.api.shop import Shop
from tillwise.api.turns import Turns
from tillwise.decisions.answer import Answer, Envelope
from tillwise.decisions.decision import Explain, Place, Request
from tillwise.decisions.pending import Pending
from tillwise.decisions.use_case import UseCase
from tillwise.errors import Conflict, InvalidInput
from tillwise.vocabulary.canonical import Json

_NO_SIGNALS: Final[frozenset[str]] = frozenset()
_GPC: Final = frozenset({"gpc"})
_plain = msgspec.to_builtins


@dataclass(frozen=True, slots=True)
class Asking:
    """How one use case is asked over HTTP."""

    path: str
    use_case: str
    takes: type[Common]
    summary: str
    example: Json | None = None


ASKINGS: Final = (
    Asking(
        "/rank/recommendations", "recommendations", RecommendationsAsk, "What to show somebody",
        {"subject": "u-17", "place": {"country": "DE"}, "placement": "home", "k": 5},
    ),
    Asking(
        "/predict/fraud", "fraud", FraudAsk, "Whether to trust an order",
        {
            "subject": "u-17", "place": {"country": "DE", "postcode": "10115"},
            "order": {"id": "o-551", "amount": 5990, "currency": "EUR",
                      "items": [{"item_id": "sku-1", "quantity": 2}]},
            "payment": {"method": "card", "card_hash": "b1f0", "bin": "411111"},
            "billing": {"country": "DE", "postcode": "10115"}, "shipping": {"country": "PL", "postcode": "00-001"},
            "device_id": "d-3", "ip": "192.0.2.9",
        },
    ),
    Asking(
        "/predict/churn", "churn", ChurnAsk, "Whether somebody is about to leave",
        {"subject": "u-17", "place": {"country": "DE"}},
    ),
)  # fmt: skip


def decision_routes(shop: Shop, figures: Metrics) -> tuple[Route, ...]:
    """Return the route of every use case this shop has, its own ones included.

    Raises ConfigurationError for an own one whose fields cannot be asked for.
    """
    turns = Turns(shop.store)
    named = {asking.use_case: asking for asking in ASKINGS}
    askings = [named.get(name) or _own(use_case) for name, use_case in shop.use_cases.items()]
    return tuple(_route(shop, figures, turns, asking) for asking in askings)


def _own(use_case: UseCase) -> Asking:
    takes = own_ask(use_case.name, use_case.asks)
    return Asking(f"/predict/{use_case.name}", use_case.name, takes, f"The shop's own: {use_case.name}")


def _route(shop: Shop, figures: Metrics, turns: Turns, asking: Asking) -> Route:
    use_case = shop.use_cases[asking.use_case]
    road = shop.road
    takes = asking.takes
    if takes is ChurnAsk and (horizons := getattr(use_case.policy, "horizons", ())):
        takes = churn_ask(horizons)
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(takes)
    common = frozenset(Common.__struct_fields__)
    own = tuple(name for name in takes.__struct_fields__ if name not in common)

    async def handle(call: Call) -> Reply:
        ask = decode(decoder, call.body)
        request = _request(ask, own, call)
        turns.join()
        try:
            pending = road.begin(use_case, request, call.key_id)
            answer = await settled(pending)
        except Conflict as error:
            raise InvalidInput(str(error), field="request_id") from None
        except InvalidInput as error:
            if error.field == "features.version":
                raise Refusal(409, str(error), error.field) from None  # well formed, but not of what is released
            raise
        figures.decided(answer, dry_run=request.dry_run)
        return Reply(answer.body)

    return Route(
        "POST",
        asking.path,
        f"decide:{asking.use_case}",
        handle,
        asking.summary,
        "Decisions out",
        takes=takes,
        gives=Envelope,
        problems=(409, 415, 422),
        example=asking.example,
    )


async def settled(pending: Pending) -> Answer:
    """Wait for the receipt to be durable, and no longer than the caller can wait."""
    if pending.future.done():
        return pending.future.result()
    timer = asyncio.get_running_loop().call_later(pending.remaining(), pending.expire)
    try:
        return await asyncio.wrap_future(pending.future)
    finally:
        timer.cancel()


def _request(ask: Any, own: tuple[str, ...], call: Call) -> Request:
    body: Json = {}
    for name in own:
        value = getattr(ask, name)
        if value is not None:
            body[name] = _plain(value)
    if isinstance(body.get("ip"), str):
        _check_ip(body["ip"])
    return Request(
        request_id=ask.request_id,
        body=body,
        subject=ask.subject,
        anonymous_id=ask.anonymous_id,
        place=Place(ask.place.country, ask.place.region, ask.place.postcode),
        deadline_ms=ask.deadline_ms,
        explain=Explain(ask.explain),
        dry_run=ask.dry_run,
        features=None if ask.features is None else _plain(ask.features),
        simulated=ask.simulated,
        signals=_GPC if call.headers.get(b"sec-gpc") == b"1" else _NO_SIGNALS,
    )


def _check_ip(text: str) -> None:
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            socket.inet_pton(family, text)
            return
    raise InvalidInput(f"ip: '{text}' is no IPv4 or IPv6 address", field="ip")
