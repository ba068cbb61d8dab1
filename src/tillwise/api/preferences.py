"""The preference centre over HTTP: minting links, opening them, the pages, and what a person does there."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from tillwise.api.asks import Id, Strict
from tillwise.api.body import decode
from tillwise.api.consent import Place
from tillwise.api.preference_desk import Desk, Form, Refused, guarded, page, read_form, to
from tillwise.api.problem import Refusal
from tillwise.api.route import HTML, LINK, PUBLIC, Call, Reply, Route
from tillwise.api.shop import Shop
from tillwise.decisions.answer import rfc3339
from tillwise.preferences import pages
from tillwise.preferences.centre import Choices, Visitor
from tillwise.preferences.link import Link, Use
from tillwise.privacy.gate import place_of
from tillwise.rights import export
from tillwise.rights.asked import Corrections
from tillwise.rights.request import Kind
from tillwise.rights.requests import receipt_of
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.purpose import Purpose

_ROOM: Final = "People's rights"
_ASKED: Final = {each.value: each for each in (Kind.OBJECTION, Kind.RESTRICTION, Kind.LIFTING, Kind.HUMAN_REVIEW)}
_KEPT: Final = ((b"cache-control", b"public, max-age=3600"),)
_ASSETS: Final = (
    ("preferences.css", "text/css; charset=utf-8"), ("preferences.js", "text/javascript; charset=utf-8"),
)  # fmt: skip


class LinkWanted(Strict, frozen=True, kw_only=True):
    """For whom: a person you have signed in, by `subject`, or a visitor, by `anonymous_id`.

    The link stands for that person: it is the proof of who asks. `use: banner` opens the banner only, which can record
    what they say and show nothing else; an address that other scripts of your page can see should be one of these.
    """

    subject: Id | None = None
    anonymous_id: Id | None = None
    use: Literal["pages", "banner"] = "pages"
    language: Annotated[str, Meta(pattern="^(en|de|fr|es|pt)$", max_length=2)] | None = None
    country: Place | None = None


_NAMED: Final = [{"required": [name], "properties": {name: {"type": "string"}}} for name in ("subject", "anonymous_id")]
_Wanted = Annotated[LinkWanted, Meta(extra_json_schema={"oneOf": _NAMED})]


class LinkMinted(msgspec.Struct, frozen=True):
    """Where to send the person; good until `expires`."""

    url: str
    expires: str


_wanted = msgspec.json.Decoder(LinkWanted)
_encode = msgspec.json.Encoder().encode


def preference_routes(shop: Shop) -> tuple[Route, ...]:
    """Return `POST /privacy/links`, the pages behind a link, and what they are made of."""
    desk = Desk(shop)
    centre, banner = _Pages(desk), _Banner(desk, shop.settings.serve.origins)
    get = (
        ("", centre.choices), ("/why", centre.why), ("/history", centre.history), ("/rights", centre.rights),
        ("/erase", centre.confirm), ("/notice/{notice_id}", centre.notice), ("/open", centre.open),
        ("/banner", banner.show),
    )  # fmt: skip
    post = (
        ("/choice", centre.choose), ("/remove", centre.remove), ("/correct", centre.correct), ("/ask", centre.ask),
        ("/download", centre.download), ("/erase", centre.erase), ("/leave", centre.leave), ("/banner", banner.say),
    )  # fmt: skip
    return (
        Route(
            "POST", "/privacy/links", "privacy", _Minting(desk).mint, "A person's own link to their preference centre",
            _ROOM, takes=_Wanted, gives=LinkMinted, problems=(415, 422, 503),
            example={"subject": "u-17", "language": "de", "country": "DE"},
        ),
        *(
            Route(method, f"/preferences{path}", LINK, guarded(desk, handle), "Preference centre", _ROOM, media=HTML,
                  shown=False)
            for method, routes in (("GET", get), ("POST", post))
            for path, handle in routes
        ),
        *(_asset(name, media) for name, media in _ASSETS),
    )  # fmt: skip


class _Minting:
    """Hands out links to the shop's own server."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def mint(self, call: Call) -> Reply:
        """Mint a link, and write down who was given it."""
        wanted = decode(_wanted, call.body)
        if (wanted.subject is None) == (wanted.anonymous_id is None):
            raise Refusal(422, "name either subject or anonymous_id: a link is for one person", "subject")
        who = wanted.subject or wanted.anonymous_id or ""
        place = place_of(wanted.country or "")
        use, anonymous, language = Use(wanted.use), wanted.subject is None, wanted.language or ""
        await asyncio.to_thread(
            self._desk.centre.minted, Visitor(who, anonymous, place, language, gpc=False), call.key_id
        )
        text, ends = self._desk.links.mint(
            who, wall_now(), anonymous=anonymous, use=use, language=language, place=place
        )
        path = "banner" if use is Use.BANNER else "open"
        return Reply(_encode(LinkMinted(f"{self._desk.base(call)}/preferences/{path}?link={text}", rfc3339(ends))))


class _Pages:
    """The pages and their forms. A form answers by leading to a page, so that reloading repeats nothing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._centre = desk.centre

    async def open(self, call: Call) -> Reply:
        return self._desk.open(call)

    async def leave(self, call: Call) -> Reply:
        return self._desk.leave(call)

    async def choices(self, call: Call) -> Reply:
        visit = self._desk.visit(call)
        found = await asyncio.to_thread(self._centre.choices, visit.visitor)
        return self._desk.page(call, visit, pages.choices(visit.frame, found))

    async def why(self, call: Call) -> Reply:
        visit = self._desk.visit(call)
        stories = await asyncio.to_thread(self._centre.stories, visit.visitor)
        return self._desk.page(call, visit, pages.why(visit.frame, stories))

    async def history(self, call: Call) -> Reply:
        visit = self._desk.visit(call)
        profile = await asyncio.to_thread(self._centre.profile, visit.visitor)
        return self._desk.page(call, visit, pages.history(visit.frame, profile))

    async def rights(self, call: Call) -> Reply:
        """Show what may be asked, what was asked, and (with `request`) one receipt."""
        visit = self._desk.visit(call)

        def read() -> str:
            requests = self._centre.requests(visit.visitor)
            wanted = visit.query.get("request", "")
            receipt = receipt_of(self._centre.request(visit.visitor, wanted)) if wanted else None
            return pages.rights(visit.frame, requests, receipt, held=self._centre.held(visit.visitor))

        return self._desk.page(call, visit, await asyncio.to_thread(read))

    async def confirm(self, call: Call) -> Reply:
        visit = self._desk.visit(call)
        return self._desk.page(call, visit, pages.erase(visit.frame))

    async def notice(self, call: Call) -> Reply:
        visit = self._desk.visit(call)
        notice_id = call.params["notice_id"]
        text = await asyncio.to_thread(self._centre.notice_text, visit.visitor, notice_id)
        return self._desk.page(call, visit, pages.notice(visit.frame, notice_id, text))

    async def choose(self, call: Call) -> Reply:
        """Record a yes or a no, for one purpose or for all that have a switch."""
        visit = self._desk.visit(call, posted=True)
        yes = _yes(visit.form)
        purpose = visit.form.get("purpose", "")

        def work() -> None:
            if purpose == "all":
                shown = _choosable(self._centre.choices(visit.visitor))
                said = {switch.purpose: yes for switch in shown if switch.pursued or not yes}
            else:
                said = {_purpose(purpose): yes}
            self._centre.choose(visit.visitor, said, visit.form.get("notice", ""), "preference centre")

        await asyncio.to_thread(work)
        return to("/preferences?done=saved")

    async def remove(self, call: Call) -> Reply:
        visit = self._desk.visit(call, posted=True)
        event, category = visit.form.get("event", ""), visit.form.get("category", "")
        if event and not (event.isascii() and event.isdecimal() and len(event) < 19):
            raise Refused("refused.invalid", 422)
        seqs = (int(event),) if event else ()
        n = await asyncio.to_thread(self._centre.remove, visit.visitor, seqs, category)
        return to(f"/preferences/history?done=removed&n={n}" if n else "/preferences/history?done=nothing")

    async def correct(self, call: Call) -> Reply:
        visit = self._desk.visit(call, posted=True)
        name, value = visit.form.get("name", ""), visit.form.get("value", "").strip()
        traits = {name: value.upper() if name == "country" else value}
        corrections = Corrections(traits=traits)
        await asyncio.to_thread(self._centre.ask, visit.visitor, Kind.RECTIFICATION, corrections=corrections)
        return to("/preferences/history?done=corrected")

    async def ask(self, call: Call) -> Reply:
        """Put an objection, a restriction or its end, or the wish for a human reviewer on record, and answer it."""
        visit = self._desk.visit(call, posted=True)
        kind, decision = _ASKED.get(visit.form.get("kind", "")), visit.form.get("decision", "")
        if kind is None or (kind is Kind.HUMAN_REVIEW) != bool(decision):
            raise Refused("refused.invalid", 422)
        answered = await asyncio.to_thread(self._centre.ask, visit.visitor, kind, decision_id=decision)
        if kind is Kind.HUMAN_REVIEW:
            return to("/preferences/why?done=reviewing")
        return to(f"/preferences/rights?done=receipt&request={answered.request.id}")

    async def download(self, call: Call) -> Reply:
        """Hand over everything, as JSON to read or as CSV tables to take elsewhere."""
        visit = self._desk.visit(call, posted=True)
        packed = visit.form.get("format") == "zip"

        def work() -> bytes:
            data = self._centre.ask(visit.visitor, Kind.PORTABILITY if packed else Kind.ACCESS).data or {}
            return export.as_zip(data) if packed else export.as_json(data)

        body = await asyncio.to_thread(work)
        name, media = ("my-data.zip", "application/zip") if packed else ("my-data.json", "application/json")
        return Reply(body, media=media, headers=((b"content-disposition", f'attachment; filename="{name}"'.encode()),))

    async def erase(self, call: Call) -> Reply:
        visit = self._desk.visit(call, posted=True)
        if not _yes(visit.form):
            return to("/preferences/rights")
        request = (await asyncio.to_thread(self._centre.ask, visit.visitor, Kind.ERASURE)).request
        done = "working" if request.finished is None else "receipt"
        return to(f"/preferences/rights?done={done}&request={request.id}")


class _Banner:
    """The banner: opened by a link of its own, without a cookie, so that it works inside another site's page."""

    def __init__(self, desk: Desk, origins: tuple[str, ...]) -> None:
        self._desk = desk
        self._origins = tuple(origin for origin in origins if origin.isascii() and not set(origin) & set(" ;,'\""))

    async def show(self, call: Call) -> Reply:
        """Show the banner; with `part=1` only its own part, for another page to include."""
        text = call.query.get("link", "")
        link = self._desk.link(text, Use.BANNER, wall_now())
        base = self._desk.base(call) if call.query.get("part") == "1" else ""
        return await self._shown(call, link, pages.Banner(text, call.query.get("choose") == "1", base))

    async def say(self, call: Call) -> Reply:
        """Record what they say; the link in the form is unguessable and stands for the person."""
        form = read_form(call)
        link = self._desk.link(form.get("link", ""), Use.BANNER, wall_now())
        if form.get("say") == "choose":
            return await self._shown(call, link, pages.Banner(form["link"], choose=True))
        visitor = self._visitor(call, link)

        def work() -> None:
            shown = _choosable(self._desk.centre.choices(visitor))
            known = {switch.purpose for switch in shown if switch.pursued}
            if form.get("say") == "each":
                said = {_purpose(name): form[name] == "yes" for name in known & form.keys()}
            else:
                said = dict.fromkeys(known, _yes(form))
            self._desk.centre.choose(visitor, said, form.get("notice", ""), "banner")

        await asyncio.to_thread(work)
        frame = self._desk.frame(call, link.language)
        saved = pages.banner(frame, None, pages.Banner(form["link"], choose=False, saved=True))
        return page(saved, frames=self._origins)

    async def _shown(self, call: Call, link: Link, asked: pages.Banner) -> Reply:
        found = await asyncio.to_thread(self._desk.centre.choices, self._visitor(call, link))
        frame = self._desk.frame(call, link.language)
        return page(pages.banner(frame, found, asked), frames=self._origins)

    def _visitor(self, call: Call, link: Link) -> Visitor:
        gpc = call.headers.get(b"sec-gpc") == b"1"
        return Visitor(link.who, link.anonymous, link.place, self._desk.language(call, link.language), gpc)


def _asset(name: str, media: str) -> Route:
    async def show(_: Call) -> Reply:
        return Reply(pages.asset(name), media=media, headers=_KEPT)

    return Route("GET", f"/assets/{name}", PUBLIC, show, "Part of the pages", _ROOM, shown=False)


def _choosable(found: Choices) -> list[Any]:
    return [switch for switch in found.switches if switch.choosable]


def _purpose(name: str) -> Purpose:
    try:
        return Purpose(name)
    except ValueError:
        raise Refused("refused.unknown", 404) from None


def _yes(form: Form) -> bool:
    """Return what was pressed; raise Refused when it was neither."""
    said = form.get("say")
    if said not in ("yes", "no"):
        raise Refused("refused.invalid", 422)
    return said == "yes"
