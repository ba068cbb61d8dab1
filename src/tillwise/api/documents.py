"""The console's pages about data: inventory and flow, record of processing, notices. No person is on any of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final

from tillwise.api.doorway import Doorway, page
from tillwise.api.route import CONSOLE, HTML, PUBLIC, Call, Parameter, Reply, Route
from tillwise.api.shop import Shop
from tillwise.console import records
from tillwise.console.bar import DATA, Bar, bar_of
from tillwise.documents import pages
from tillwise.documents.notices import InForce
from tillwise.documents.whole import Documents, documents
from tillwise.errors import InvalidInput, NotFound

_ROOM: Final = "Console"
_NEWEST: Final = 20_000
"""Events looked into for their properties: while they are, the process answers more slowly."""
_FRESH_SECONDS: Final = 60.0
"""How old what is shown may be: reading the whole log anew for every look would cost the shop too much."""


class _Desk:
    """Answers the calls."""

    def __init__(self, shop: Shop, doorway: Doorway) -> None:
        self._shop = shop
        self._doorway = doorway
        self._lock = threading.Lock()
        self._made: tuple[float, Documents] | None = None

    async def data(self, call: Call) -> Reply:
        """Show inventory and flow."""
        return await self._show(call, lambda bar: records.page("Data", self._documents().inventory_html(), bar))

    async def flow(self, call: Call) -> Reply:
        """Show the flow alone."""
        return await self._show(call, lambda bar: records.page("Flow", self._documents().flow_page(), bar))

    async def record(self, call: Call) -> Reply:
        """Show the record of processing."""
        return await self._show(call, lambda bar: records.page("Record", self._documents().record_html(), bar))

    async def notices(self, call: Call) -> Reply:
        """Show the notice in force at a place, and every one before it."""
        place, language = call.query.get("place", ""), call.query.get("language", "en")

        def work(bar: Bar) -> str:
            try:
                return records.notices(self._shop.notices, self._shop.store, place, language, bar)
            except InvalidInput as error:
                return records.page("Notice", records.problem(str(error)), bar)

        return await self._show(call, work)

    async def diff(self, call: Call) -> Reply:
        """Show what changed between two notices."""
        before, after = call.params["before"], call.params["after"]

        def work(bar: Bar) -> str:
            try:
                with self._shop.store.snapshot() as snapshot:
                    sides: list[InForce] = [self._shop.notices.find(snapshot, each) for each in (before, after)]
            except NotFound as error:
                return records.page("Notice", records.problem(str(error)), bar)
            return records.difference(sides[0], sides[1], bar)

        return await self._show(call, work)

    async def style(self, _: Call) -> Reply:
        """Return the style sheet of these pages."""
        return Reply(pages.style().encode(), media="text/css; charset=utf-8", headers=_KEPT)

    async def _show(self, call: Call, make: Callable[[Bar], str]) -> Reply:
        signed = self._doorway.guard(call, DATA)
        if signed is None:
            return self._doorway.refused(call, DATA)
        return page(await asyncio.to_thread(make, bar_of(signed)))

    def _documents(self) -> Documents:
        with self._lock:
            now = time.monotonic()
            if self._made is None or now - self._made[0] > _FRESH_SECONDS:
                self._made = (now, documents(self._shop.described, newest=_NEWEST))
            return self._made[1]


_KEPT: Final = ((b"cache-control", b"public, max-age=3600"),)


def document_routes(shop: Shop, doorway: Doorway) -> tuple[Route, ...]:
    """Return the pages and their style sheet."""
    desk = _Desk(shop, doorway)
    shown = tuple(Parameter(name, "path", "A notice_id, or its number in the history") for name in ("before", "after"))
    where = (
        Parameter("place", "query", "Country or region; the shop's own unless named"),
        Parameter("language", "query", "Language of the notice"),
    )
    return (
        Route("GET", "/console/data", CONSOLE, desk.data, "Inventory and flow of data", _ROOM, media=HTML),
        Route("GET", "/console/data/flow", CONSOLE, desk.flow, "How events become decisions", _ROOM, media=HTML),
        Route("GET", "/console/data/record", CONSOLE, desk.record, "Record of processing", _ROOM, media=HTML),
        Route(
            "GET", "/console/data/notices", CONSOLE, desk.notices, "Notices, now and before", _ROOM, media=HTML,
            parameters=where,
        ),
        Route(
            "GET", "/console/data/notices/{before}/{after}", CONSOLE, desk.diff, "What changed between two notices",
            _ROOM, media=HTML, parameters=shown,
        ),
        Route("GET", "/assets/documents.css", PUBLIC, desk.style, "Part of the pages", _ROOM, shown=False),
    )  # fmt: skip
