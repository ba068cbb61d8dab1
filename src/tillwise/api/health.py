"""Is it alive, is it ready, how is it doing."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from tillwise.api import metrics
from tillwise.api.metrics import Metrics
from tillwise.api.problem import RETRY_SECONDS
from tillwise.api.route import OPERATOR, PUBLIC, Call, Reply, Route
from tillwise.api.shop import Shop

ALIVE: Final = b'{"alive":true}'
_ROOM: Final = "Running it"
_encode = msgspec.json.Encoder().encode


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    alive: bool


class Ready(msgspec.Struct, frozen=True):
    """Whether every released model is loaded and the store answers; `problems` says why not."""

    ready: bool
    problems: tuple[str, ...]


def health_routes(shop: Shop, figures: Metrics) -> tuple[Route, ...]:
    """Return `/healthz`, `/readyz` and `/metrics`."""

    async def alive(_: Call) -> Reply:
        return Reply(ALIVE)

    async def ready(_: Call) -> Reply:
        problems = tuple(await asyncio.to_thread(shop.problems))  # a locked store takes its time to say so
        body = _encode(Ready(not problems, problems))
        if not problems:
            return Reply(body)
        return Reply(body, 503, headers=((b"retry-after", str(RETRY_SECONDS).encode()),))

    async def figure(_: Call) -> Reply:
        return Reply(figures.page(), media=metrics.MEDIA)

    return (
        Route("GET", "/healthz", PUBLIC, alive, "Is it alive?", _ROOM, gives=Alive),
        Route("GET", "/readyz", PUBLIC, ready, "Is it ready, and if not, why?", _ROOM, gives=Ready, also={503: Ready}),
        Route("GET", "/metrics", OPERATOR, figure, "Figures for Prometheus", _ROOM, media="text/plain"),
    )
