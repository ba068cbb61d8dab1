"""The console's doorway: who stands in front of a page, whether they may see it, why, and that it is written down.

Every page asks `guard` before it reads anything. Whoever is not signed in, holds no role for what the page shows, or
gave no reason for looking at people's data gets `refused`: the form, a plain no, or the question why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from tillwise.access.grants import remember_use
from tillwise.access.keys import Keys
from tillwise.access.person import by_id
from tillwise.access.reads import log_read
from tillwise.access.roles import Need, load_roles
from tillwise.access.signed import Signed, signed_key, signed_person
from tillwise.api.problem import Refusal
from tillwise.api.route import HTML, Call, Headers, Reply
from tillwise.api.shop import Shop
from tillwise.console import pages
from tillwise.console.bar import bar_of
from tillwise.console.session import Session, Sessions, find_cookie, is_ended
from tillwise.vocabulary.clock import wall_now

# With `no-referrer` a browser sends `Origin: null` along with a form, and `same_origin` could not tell whose it is.
_PAGE: Final[Headers] = (
    (b"content-security-policy", pages.CSP.encode()),
    (b"referrer-policy", b"same-origin"),
)
_NO_ROLE: Final = "None of your roles opens this page. Whoever keeps the shop's accounts can give you one."


class Doorway:
    """Guards the pages. Default deny: without a session in force there is only the form."""

    def __init__(self, shop: Shop, keys: Keys) -> None:
        self._shop = shop
        self._keys = keys
        self.sessions = Sessions(shop.secrets)

    def session(self, call: Call) -> Session | None:
        """Return the sealed session of a call, unexpired and not signed out of; whose it is was not asked yet."""
        found = self.sessions.read(find_cookie(call.header(b"cookie")), wall_now())
        if found is None:
            return None
        with self._shop.store.snapshot() as snapshot:
            return None if is_ended(snapshot, found) else found

    def who(self, call: Call) -> Signed | None:
        """Return who is signed in, asking key, person and every grant anew at every call."""
        found = self.session(call)
        if found is None:
            return None
        now = wall_now()
        if found.key_id:
            key = self._keys.get(found.key_id)
            return signed_key(key) if key is not None and key.allows("admin") else None
        with self._shop.store.snapshot() as snapshot:
            person = by_id(snapshot, found.person_id)
            if person is None or person.disabled is not None or person.generation != found.generation:
                return None
            return signed_person(snapshot, person, now, found.reason_at(now))

    def signed_in(self, call: Call) -> bool:
        """Return True when somebody is signed in; what they may see is `guard`'s question."""
        return self.who(call) is not None

    def guard(self, call: Call, need: Need) -> Signed | None:
        """Return who may see a page now and has said why; None: answer with `refused`."""
        signed = self.who(call)
        if signed is None or not signed.may(need) or signed.must_say_why(need):
            return None
        for grant in signed.used(need):
            remember_use(self._shop.store, grant, wall_now())
        return signed

    def refused(self, call: Call, need: Need) -> Reply:
        """Return what somebody gets whom `guard` did not let through: the form, a no, or the question why."""
        signed = self.who(call)
        if signed is None:
            return to("/")
        name, bar = self._shop.settings.shop.name, bar_of(signed)
        if not signed.may(need) or not signed.must_say_why(need):  # the latter: sees the page, may not act on it
            return page(pages.missing(name, _NO_ROLE, bar, title="Not for your role"), 403)
        table = load_roles().purposes
        reasons = [(purpose, table[purpose]) for purpose in signed.purposes(need)]
        return page(pages.why(name, need.what, reasons, need.back or call.path, bar))

    async def log(
        self, signed: Signed, need: Need, subjects: Iterable[int] = (), decision_id: str | None = None
    ) -> None:
        """Write down what is about to be shown, durably; raise StoreUnavailable, and then nothing may be shown."""
        about = tuple(subjects)
        await asyncio.wrap_future(
            self._shop.store.commit(
                lambda transaction: log_read(
                    transaction, who=signed.who, what=need.what, reason=signed.reason, subjects=about,
                    purpose=signed.purpose, decision_id=decision_id,
                )
            )
        )  # fmt: skip


def page(text: str, status: int = 200) -> Reply:
    """Return an HTML page with its own content security policy."""
    return Reply(text.encode(), status, HTML, _PAGE)


def to(path: str, cookie: str = "") -> Reply:
    """Send a browser to a page of this console, perhaps with a cookie."""
    headers: Headers = ((b"location", path.encode()),)
    if cookie:
        headers = (*headers, (b"set-cookie", cookie.encode()))
    return Reply(b"", 303, HTML, (*headers, *_PAGE))


def same_origin(call: Call) -> None:
    """Refuse a form that another site's page posted here: every POST of a page asks this first.

    Browsers send Origin with every form; Sec-Fetch-Site says the same where Origin was taken off on the way.
    """
    origin, site = call.header(b"origin"), call.header(b"sec-fetch-site")
    foreign = origin and urlsplit(origin).netloc.lower() != call.header(b"host").lower()
    if foreign or site not in ("", "same-origin", "none"):
        raise Refusal(403, "This form was sent by a page of another site")
