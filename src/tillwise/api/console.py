"""The console: sign in, see the pages your roles open, sign out."""

from __future__ import annotations

import asyncio
from typing import Final

from tillwise.access.keys import Keys
from tillwise.access.roles import need
from tillwise.api.doorway import Doorway, page, same_origin
from tillwise.api.route import CONSOLE, HTML, PUBLIC, Call, Headers, Parameter, Reply, Route
from tillwise.api.shop import Shop
from tillwise.api.signing import signing_routes
from tillwise.console import pages
from tillwise.console.bar import OVERVIEW, PEOPLE, bar_of
from tillwise.console.console import Console
from tillwise.decisions import receipts
from tillwise.errors import NotFound
from tillwise.vocabulary.purpose import Purpose

__all__ = ["Doorway", "console_routes", "page", "same_origin"]

_ROOM: Final = "Console"
_KEPT: Final[Headers] = ((b"cache-control", b"public, max-age=3600"),)
_ASSETS: Final = (("console.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml"))
_ANY_DECISION: Final = need("page decision", "decisions")
_DECISION: Final = need("page decision", "decisions", "behaviour", "orders")
_FRAUD_DECISION: Final = need("page decision", "decisions", "behaviour", "orders", "payment_device")


class _Pages:
    """Answers the calls for the pages."""

    def __init__(self, shop: Shop, doorway: Doorway) -> None:
        self._shop = shop
        self._doorway = doorway
        self._console = Console(shop)

    async def overview(self, call: Call) -> Reply:
        """Show the last hour, or the form."""
        if not self._doorway.signed_in(call):
            return page(pages.sign_in(self._console.name, with_key=not self._console.has_people()))
        signed = self._doorway.guard(call, OVERVIEW)
        if signed is None:
            return self._doorway.refused(call, OVERVIEW)
        listed = signed.may(_ANY_DECISION)
        return page(await asyncio.to_thread(self._console.overview, bar_of(signed), listed=listed))

    async def decision(self, call: Call) -> Reply:
        """Show one decision; whose payment and devices it shows too is asked for apart."""
        if self._doorway.guard(call, _ANY_DECISION) is None:
            return self._doorway.refused(call, _ANY_DECISION)
        decision_id = call.params["decision_id"]
        try:
            with self._shop.store.snapshot() as snapshot:
                kept = receipts.find(snapshot, decision_id)
        except NotFound:
            return self._unknown(call)
        use_case = self._shop.use_cases.get(kept.receipt.use_case)
        fraud = use_case is None or use_case.purpose == Purpose.FRAUD_PREVENTION
        shown = _FRAUD_DECISION if fraud else _DECISION
        signed = self._doorway.guard(call, shown)
        if signed is None:
            return self._doorway.refused(call, shown)
        subjects = [key for key in (kept.subject, kept.anonymous) if key is not None]
        await self._doorway.log(signed, shown, subjects, decision_id)
        found = await asyncio.to_thread(self._console.decision, decision_id, bar_of(signed))
        return self._unknown(call) if found is None else page(found)

    async def people(self, call: Call) -> Reply:
        """Show who may come in, what for and until when."""
        signed = self._doorway.guard(call, PEOPLE)
        if signed is None:
            return self._doorway.refused(call, PEOPLE)
        return page(await asyncio.to_thread(self._console.people, bar_of(signed)))

    def _unknown(self, call: Call) -> Reply:
        signed = self._doorway.who(call)
        bar = None if signed is None else bar_of(signed)
        return page(pages.missing(self._console.name, "No decision with this id is on record.", bar), 404)


def console_routes(shop: Shop, keys: Keys, doorway: Doorway | None = None) -> tuple[Route, ...]:
    """Return the pages, what they are made of, and signing in and out."""
    doorway = doorway or Doorway(shop, keys)
    shown = _Pages(shop, doorway)
    known = (Parameter("decision_id", "path", "The decision_id of an answer"),)
    return (
        Route("GET", "/", CONSOLE, shown.overview, "The last hour", _ROOM, media=HTML),
        Route(
            "GET", "/console/decisions/{decision_id}", CONSOLE, shown.decision, "One decision", _ROOM, media=HTML,
            parameters=known,
        ),
        Route("GET", "/console/people", CONSOLE, shown.people, "Who may come in", _ROOM, media=HTML),
        *signing_routes(shop, keys, doorway),
        *(_asset(name, media) for name, media in _ASSETS),
    )  # fmt: skip


def _asset(name: str, media: str) -> Route:
    async def show(_: Call) -> Reply:
        return Reply(pages.asset(name), media=media, headers=_KEPT)

    return Route("GET", f"/assets/{name}", PUBLIC, show, "Part of the pages", _ROOM, shown=False)
