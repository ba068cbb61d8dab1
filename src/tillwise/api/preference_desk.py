"""What every page of the preference centre needs of a call: the session behind its cookie, its form, its headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tillwise.api.route import HTML, Call, Headers, Reply
from tillwise.api.shop import Shop
from tillwise.errors import Conflict, InvalidInput, NotFound, NotPermitted, StoreUnavailable, TillwiseError
from tillwise.preferences import pages
from tillwise.preferences.centre import Centre, Visitor
from tillwise.preferences.language import LANGUAGES, language_for, words_of
from tillwise.preferences.link import Link, Links, Use
from tillwise.preferences.pages import Frame
from tillwise.preferences.session import PATH, Session, Sessions, clear_cookie
from tillwise.privacy.consent import NothingAgreed
from tillwise.vocabulary.clock import wall_now

DONE: Final = {"saved": "page.saved", "corrected": "history.corrected", "reviewing": "why.reviewing",
               "receipt": "rights.done", "working": "rights.working", "nothing": "history.nothing_removed"}  # fmt: skip
"""What a page may say was just done: a closed list, so that no link can put words into it."""
_KINDS: Final[tuple[tuple[type[TillwiseError], str, int], ...]] = (
    (NotPermitted, "refused.unknown", 403),
    (NotFound, "refused.unknown", 404),
    (InvalidInput, "refused.invalid", 422),
    (NothingAgreed, "refused.changed", 409),
    (Conflict, "refused.not_allowed", 409),
    (StoreUnavailable, "refused.busy", 503),
)
Form = Mapping[str, str]
Handler = Callable[[Call], Awaitable[Reply]]


class Refused(Exception):
    """This page is not shown; `key` is what it says instead."""

    def __init__(self, key: str, status: int = 403) -> None:
        super().__init__(key)
        self.key = key
        self.status = status


@dataclass(frozen=True, slots=True)
class Visit:
    """One call of somebody whose pages are open."""

    session: Session
    visitor: Visitor
    frame: Frame
    query: Mapping[str, str]
    form: Form = field(default_factory=dict)


class Desk:
    """Opens links, reads sessions and forms, and sends pages with a policy of their own."""

    def __init__(self, shop: Shop) -> None:
        self.centre = Centre(shop)
        self.links = Links(shop.secrets)
        self._sessions = Sessions(shop.secrets)
        self._settings = shop.settings.serve

    def link(self, text: str, use: Use, now: int) -> Link:
        """Return the link behind a text; raise Refused when it is forged, ended, or for something else."""
        link = self.links.read(text)
        if link is None or link.use is not use:
            raise Refused("refused.forged")
        if now >= link.ends:
            raise Refused("refused.expired")
        return link

    def open(self, call: Call) -> Reply:
        """Open a link: its session becomes a cookie, and the address without the link is where it leads."""
        now = wall_now()
        link = self.link(call.query.get("link", ""), Use.PAGES, now)
        session = self._sessions.begin(link, self.language(call, link.language), now)
        return to(PATH, self._cookie(call, session))

    def leave(self, call: Call) -> Reply:
        """End the session."""
        self.visit(call, posted=True)
        text = pages.kind(self.frame(call), "page.close_window", title="page.left")
        return page(text, headers=((b"set-cookie", clear_cookie().encode()),))

    def visit(self, call: Call, *, posted: bool = False) -> Visit:
        """Return whose call this is; raise Refused without an open session, or for a form that is not its own."""
        session = self._sessions.read(call.header(b"cookie"), wall_now())
        if session is None:
            raise Refused("refused.closed")
        form = read_form(call) if posted else {}
        if posted and (self._foreign(call) or not self._sessions.is_form_of(session, form.get("form", ""))):
            raise Refused("refused.form")
        wanted = call.query.get("language", "")
        language = wanted if wanted in LANGUAGES else session.language
        session = self._sessions.renew(session, wall_now(), language)
        gpc = call.headers.get(b"sec-gpc") == b"1"
        visitor = Visitor(session.who, session.anonymous, session.place, language, gpc)
        frame = Frame(words_of(language), self.centre.name, self._sessions.form_token(session), _status(call, language))
        return Visit(session, visitor, frame, call.query, form)

    def page(self, call: Call, visit: Visit, text: str) -> Reply:
        """Send a page and keep its session open for 15 more minutes."""
        return page(text, headers=((b"set-cookie", self._cookie(call, visit.session).encode()),))

    def language(self, call: Call, wanted: str = "") -> str:
        """Return the language of a link, else what the browser asks for."""
        return language_for(wanted, call.header(b"accept-language"))

    def frame(self, call: Call, language: str = "") -> Frame:
        """Return the frame of a page without a session."""
        return Frame(words_of(self.language(call, language)), self.centre.name)

    def base(self, call: Call) -> str:
        """Return the origin under which people reach this server."""
        return self._settings.public_url.rstrip("/") or f"{call.scheme}://{call.header(b'host')}"

    def _cookie(self, call: Call, session: Session) -> str:
        secure = self.base(call).startswith("https:")
        return self._sessions.cookie(session, wall_now(), secure=secure)

    def _foreign(self, call: Call) -> bool:
        """Return True for a form of another site. Pages that tell no referrer send the origin `null`."""
        origin = call.header(b"origin")
        if call.header(b"sec-fetch-site") in ("cross-site", "same-site"):
            return True
        own = {call.header(b"host"), urlsplit(self.base(call)).netloc}
        return bool(origin) and origin != "null" and urlsplit(origin).netloc not in own


def guarded(desk: Desk, handle: Handler) -> Handler:
    """Return a handler that answers whatever is refused with a kind page in the reader's language."""

    async def run(call: Call) -> Reply:
        try:
            return await handle(call)
        except Refused as refused:
            return page(pages.kind(desk.frame(call), refused.key), refused.status)
        except TillwiseError as error:
            for kind, key, status in _KINDS:
                if isinstance(error, kind):
                    return page(pages.kind(desk.frame(call), key, back=True), status)
            raise

    return run


def page(text: str, status: int = 200, *, frames: tuple[str, ...] = (), headers: Headers = ()) -> Reply:
    """Return an HTML page with its own content security policy."""
    return Reply(text.encode(), status, HTML, ((b"content-security-policy", pages.policy(frames).encode()), *headers))


def to(path: str, cookie: str = "") -> Reply:
    """Lead to another page of ours."""
    headers: Headers = ((b"location", path.encode()),)
    if cookie:
        headers = (*headers, (b"set-cookie", cookie.encode()))
    return page("", 303, headers=headers)


def read_form(call: Call) -> Form:
    """Return the fields of a posted form; raise Refused for one that is none."""
    try:
        fields = parse_qs(call.body.decode("utf-8"), keep_blank_values=True, max_num_fields=60)
    except (UnicodeDecodeError, ValueError):
        raise Refused("refused.invalid", 422) from None
    return {name: values[-1] for name, values in fields.items()}


def _status(call: Call, language: str) -> str:
    words, done = words_of(language), call.query.get("done", "")
    if done == "removed" and (n := call.query.get("n", "")).isdecimal() and len(n) < 8:
        return words("history.removed", n=int(n))
    return words(DONE[done]) if done in DONE else ""
