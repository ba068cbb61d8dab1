"""The data protection officer's pages behind the console's door: every page is guarded, every look written down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from tillwise.access.signed import Signed
from tillwise.api.doorway import Doorway, page, same_origin, to
from tillwise.api.route import CONSOLE, HTML, JSON, Call, Parameter, Reply, Route
from tillwise.api.shop import Shop
from tillwise.api.signing import form_of
from tillwise.console import pages
from tillwise.console.bar import bar_of
from tillwise.console.requests import IRREVERSIBLE, REQUEST, REQUESTS, RESULT, request_page, requests_page
from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.rights.export import as_json, as_zip
from tillwise.rights.request import Kind
from tillwise.vocabulary.clock import wall_now

SCOPE: Final = "privacy"
"""Who may act on a request, beside seeing it: the data protection officer, and the shop's own admin key."""
_ROOM: Final = "Console"
_ALL: Final = "/console/requests"
Act = Callable[[Signed, str, dict[str, str]], object]


class _Pages:
    """Answers the calls."""

    def __init__(self, shop: Shop, doorway: Doorway) -> None:
        self._shop = shop
        self._rights = shop.rights
        self._doorway = doorway

    async def every(self, call: Call) -> Reply:
        """Show what is open, answered and late; it names nobody."""
        signed = self._doorway.guard(call, REQUESTS)
        if signed is None:
            return self._doorway.refused(call, REQUESTS)
        shop = self._shop.settings.shop.name
        return page(await asyncio.to_thread(requests_page, shop, self._rights, wall_now(), bar_of(signed)))

    async def one(self, call: Call) -> Reply:
        """Show one request: it names who asked, and that somebody looked is written down."""
        signed = self._doorway.guard(call, REQUEST)
        if signed is None:
            return self._doorway.refused(call, REQUEST)
        return await self._shown(signed, call.params["id"])

    async def result(self, call: Call) -> Reply:
        """Hand the copy to whoever answers the person."""
        signed = self._doorway.guard(call, RESULT)
        if signed is None or not signed.allows(SCOPE):
            return self._doorway.refused(call, RESULT)
        request_id = call.params["id"]
        try:
            data = await asyncio.to_thread(self._rights.result, request_id, who=signed.who)
        except (Conflict, NotFound) as error:
            return await self._shown(signed, request_id, str(error))
        csv = call.query.get("format") == "csv"
        body = await asyncio.to_thread(as_zip if csv else as_json, data)
        name = f'attachment; filename="request-{request_id[-12:]}.{"zip" if csv else "json"}"'
        return Reply(body, media="application/zip" if csv else JSON, headers=((b"content-disposition", name.encode()),))

    def acting(self, act: Act) -> Callable[[Call], Awaitable[Reply]]:
        """Return the handler of a form: it acts, then shows the request again."""

        async def handle(call: Call) -> Reply:
            same_origin(call)
            signed = self._doorway.guard(call, REQUEST)
            if signed is None or not signed.allows(SCOPE):
                return self._doorway.refused(call, REQUEST)
            form, request_id = form_of(call), call.params["id"]
            try:
                await asyncio.to_thread(act, signed, request_id, form)
            except (Conflict, InvalidInput, NotFound) as error:
                return await self._shown(signed, request_id, str(error))
            return to(f"{_ALL}/{request_id}")

        return handle

    def verify(self, signed: Signed, request_id: str, _: dict[str, str]) -> object:
        """Note that somebody checked who asks."""
        return self._rights.requests.verified(request_id, who=signed.who)

    def extend(self, signed: Signed, request_id: str, form: dict[str, str]) -> object:
        """Take longer."""
        return self._rights.requests.extend(request_id, form.get("reason", ""), who=signed.who)

    def refuse(self, signed: Signed, request_id: str, form: dict[str, str]) -> object:
        """Say no."""
        return self._rights.requests.refuse(request_id, form.get("reason", ""), who=signed.who)

    def carry_out(self, signed: Signed, request_id: str, form: dict[str, str]) -> object:
        """Do it; what cannot be undone only when the form says so."""
        request, asked = self._rights.requests.find(request_id), self._rights.requests.asked(request_id)
        if request.kind in IRREVERSIBLE and form.get("sure") != "yes":
            raise InvalidInput("tick that you know it cannot be undone", field="sure")
        if request.kind is Kind.LIFTING and asked is not None and form.get("informed") == "yes":
            self._rights.take(replace(asked, identity=True, informed=True), who=signed.who)
        return self._rights.carry_out(request_id, who=signed.who)

    async def _shown(self, signed: Signed, request_id: str, problem: str = "") -> Reply:
        shop, bar = self._shop.settings.shop.name, bar_of(signed)
        may_act = signed.allows(SCOPE)
        try:
            about = await asyncio.to_thread(self._rights.who_asked, request_id)
            await self._doorway.log(signed, REQUEST, about)
            text = await asyncio.to_thread(
                lambda: request_page(shop, self._rights, request_id, wall_now(), bar, may_act=may_act, problem=problem)
            )
        except NotFound:
            return page(pages.missing(shop, "Nobody ever made a request with this id.", bar), 404)
        return page(text, 409 if problem else 200)


def console_request_routes(shop: Shop, doorway: Doorway) -> tuple[Route, ...]:
    """Return the pages of people's requests."""
    shown = _Pages(shop, doorway)
    known = (Parameter("id", "path", "The id of a request"),)
    one = f"{_ALL}/{{id}}"
    forms = (
        ("verify", shown.verify),
        ("extend", shown.extend),
        ("refuse", shown.refuse),
        ("carry-out", shown.carry_out),
    )
    return (
        Route("GET", _ALL, CONSOLE, shown.every, "What people asked", _ROOM, media=HTML),
        Route("GET", one, CONSOLE, shown.one, "One request", _ROOM, media=HTML, parameters=known),
        Route("GET", f"{one}/result", CONSOLE, shown.result, "The copy of a request", _ROOM, parameters=known),
        *(
            Route("POST", f"{one}/{name}", CONSOLE, shown.acting(act), f"Request: {name}", _ROOM, media=HTML,
                  parameters=known)
            for name, act in forms
        ),
    )  # fmt: skip
