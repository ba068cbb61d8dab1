"""The console's doorway: sign in with the admin key, see the pages, sign out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tillwise.access.keys import Keys
from tillwise.api.problem import Refusal
from tillwise.api.route import CONSOLE, HTML, PUBLIC, Call, Headers, Parameter, Reply, Route
from tillwise.api.shop import Shop
from tillwise.console import pages
from tillwise.console.console import Console
from tillwise.console.session import Sessions, clear_cookie, find_cookie, set_cookie
from tillwise.vocabulary.clock import wall_now

_ROOM: Final = "Console"
_PAGE: Final[Headers] = ((b"content-security-policy", pages.CSP.encode()),)
_KEPT: Final[Headers] = ((b"cache-control", b"public, max-age=3600"),)
_ASSETS: Final = (("console.css", "text/css; charset=utf-8"), ("icon.svg", "image/svg+xml"))
_WRONG: Final = "That is not an admin key of this shop, or it has ended."
Page = Callable[[Call], Awaitable[Reply]]


class Doorway:
    """Guards the pages: without a session of an admin key in force there is only the form."""

    def __init__(self, shop: Shop, keys: Keys) -> None:
        self._keys = keys
        self._sessions = Sessions(shop.secrets)
        self._console = Console(shop)

    def signed_in(self, call: Call) -> bool:
        """Return True for a sealed, unexpired session whose key is still in force and still an admin's."""
        session = self._sessions.read(find_cookie(call.header(b"cookie")), wall_now())
        key = None if session is None else self._keys.get(session.key_id)
        return key is not None and key.allows("admin")

    async def overview(self, call: Call) -> Reply:
        """Show the last hour, or the form."""
        if not self.signed_in(call):
            return page(pages.sign_in(self._console.name))
        return page(await asyncio.to_thread(self._console.overview))

    async def decision(self, call: Call) -> Reply:
        """Show one decision."""
        if not self.signed_in(call):
            return _to("/")
        decision_id = call.params["decision_id"]
        found = await asyncio.to_thread(self._console.decision, decision_id)
        if found is None:
            return page(pages.missing(self._console.name, "No decision with this id is on record."), 404)
        return page(found)

    async def sign_in(self, call: Call) -> Reply:
        """Open a session for an admin key."""
        _same_origin(call)
        form = parse_qs(call.body.decode("utf-8", "replace"), max_num_fields=5)
        key = self._keys.find(form.get("key", [""])[0].strip())
        if key is None or not key.allows("admin"):
            return page(pages.sign_in(self._console.name, _WRONG), 403)
        value = self._sessions.open(key.key_id, wall_now())
        return _to("/", set_cookie(value, secure=_is_https(call)))

    async def sign_out(self, call: Call) -> Reply:
        """End the session in this browser."""
        _same_origin(call)
        return _to("/", clear_cookie())


def console_routes(shop: Shop, keys: Keys) -> tuple[Route, ...]:
    """Return the pages and what they are made of."""
    doorway = Doorway(shop, keys)
    known = (Parameter("decision_id", "path", "The decision_id of an answer"),)
    return (
        Route("GET", "/", CONSOLE, doorway.overview, "The last hour", _ROOM, media=HTML),
        Route(
            "GET", "/console/decisions/{decision_id}", CONSOLE, doorway.decision, "One decision", _ROOM, media=HTML,
            parameters=known,
        ),
        Route("POST", "/sign-in", CONSOLE, doorway.sign_in, "Open a session", _ROOM, media=HTML),
        Route("POST", "/sign-out", CONSOLE, doorway.sign_out, "End the session", _ROOM, media=HTML),
        *(_asset(name, media) for name, media in _ASSETS),
    )  # fmt: skip


def page(text: str, status: int = 200) -> Reply:
    """Return an HTML page with its own content security policy."""
    return Reply(text.encode(), status, HTML, _PAGE)


def _asset(name: str, media: str) -> Route:
    async def show(_: Call) -> Reply:
        return Reply(pages.asset(name), media=media, headers=_KEPT)

    return Route("GET", f"/assets/{name}", PUBLIC, show, "Part of the pages", _ROOM, shown=False)


def _to(path: str, cookie: str = "") -> Reply:
    headers: Headers = ((b"location", path.encode()),)
    if cookie:
        headers = (*headers, (b"set-cookie", cookie.encode()))
    return Reply(b"", 303, HTML, (*headers, *_PAGE))


def _same_origin(call: Call) -> None:
    """Refuse a form that another site's page posted here."""
    origin = call.header(b"origin")
    if origin and urlsplit(origin).netloc != call.header(b"host"):
        raise Refusal(403, "This form was sent by a page of another site")


def _is_https(call: Call) -> bool:
    return call.scheme == "https"
