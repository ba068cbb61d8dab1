"""Signing in with name and password or with the admin key, setting a password, saying why, signing out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import parse_qs

import msgspec

from tillwise.access.keys import Keys
from tillwise.access.passwords import check_password, hash_password, person_of_link, set_password
from tillwise.access.person import Person
from tillwise.access.roles import load_roles
from tillwise.access.sign_in import SignIn, TooManyTries, Wrong
from tillwise.api.doorway import Doorway, page, same_origin, to
from tillwise.api.problem import Refusal
from tillwise.api.route import CONSOLE, HTML, Call, Parameter, Reply, Route
from tillwise.api.shop import Shop
from tillwise.console import pages
from tillwise.console.session import clear_cookie, end_session, set_cookie
from tillwise.errors import InvalidInput, NotFound
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.store import Transaction

T = TypeVar("T")
_ROOM: Final = "Console"
_WRONG_KEY: Final = "That is not an admin key of this shop, or it has ended."
_LOCAL_PATH: Final = re.compile(r"/(?!/)[A-Za-z0-9/_.~%-]*(\?[A-Za-z0-9_.~%=&+-]*)?")
_WAITING: Final = 8
"""How many sign-ins may wait for one another: each takes 64 MiB for a tenth of a second, so they go one by one."""


class _Desk:
    """Answers what the forms send."""

    def __init__(self, shop: Shop, keys: Keys, doorway: Doorway) -> None:
        self._shop = shop
        self._keys = keys
        self._doorway = doorway
        self._sign_in = SignIn(shop.store, shop.secrets)
        self._one = asyncio.Lock()
        self._waiting = 0

    async def sign_in(self, call: Call) -> Reply:
        """Open a session: always a new one, whatever cookie came along."""
        same_origin(call)
        form = form_of(call)
        try:
            if "key" in form:
                return await self._with_key(call, form["key"].strip())
            return await self._with_password(call, form.get("login", ""), form.get("password", ""))
        except TooManyTries as no:
            return page(self._form_again(str(no)), 429)
        except Wrong as no:
            return page(self._form_again(str(no)), 403)

    async def _with_key(self, call: Call, text: str) -> Reply:
        key = self._keys.find(text)
        if key is None or not key.allows("admin"):
            await asyncio.to_thread(self._sign_in.count_key, call.client)
            return page(pages.sign_in(self._name, _WRONG_KEY, with_key=True), 403)
        return self._begin(call, self._doorway.sessions.open(key.key_id, wall_now()))

    async def _with_password(self, call: Call, login: str, password: str) -> Reply:
        person = await self._in_turn(lambda: self._sign_in.check(login, password, call.client))
        value = self._doorway.sessions.open("", wall_now(), person_id=person.person_id, generation=person.generation)
        return self._begin(call, value)

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING:
            raise Refusal(503, "Too many people are signing in at once: try again in a moment")
        self._waiting += 1
        try:
            async with self._one:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    def _begin(self, call: Call, value: str) -> Reply:
        return to("/", set_cookie(value, secure=call.scheme == "https"))

    async def sign_out(self, call: Call) -> Reply:
        """End the session in this browser, and wherever its cookie was copied to."""
        same_origin(call)
        session = self._doorway.session(call)
        if session is not None:
            await asyncio.wrap_future(self._shop.store.commit(lambda t: end_session(t, session, wall_now())))
        return to("/", clear_cookie())

    async def say_why(self, call: Call) -> Reply:
        """Keep the reason somebody gave for half an hour, and go back to the page they wanted."""
        same_origin(call)
        session, form = self._doorway.session(call), form_of(call)
        reason, back = form.get("reason", ""), form.get("back", "/")
        if session is None or self._doorway.who(call) is None:
            return to("/")
        if reason not in load_roles().purposes:
            raise Refusal(422, "Choose one of the reasons", "reason")
        told = msgspec.structs.replace(session, reason=reason, asked=wall_now())
        cookie = set_cookie(self._doorway.sessions.seal(told), secure=call.scheme == "https")
        return to(back if _LOCAL_PATH.fullmatch(back) else "/", cookie)

    async def ask_password(self, call: Call) -> Reply:
        """Show the form for a new password to whoever holds a link that still counts."""
        code = call.query.get("code", "")
        try:
            with self._shop.store.snapshot() as snapshot:
                person = person_of_link(snapshot, code, wall_now())
        except NotFound as no:
            return page(pages.new_password(self._name, "", str(no)), 403)
        return page(pages.new_password(self._name, code, login=person.login))

    async def keep_password(self, call: Call) -> Reply:
        """Set the password of a link, once."""
        same_origin(call)
        form = form_of(call)
        code, password = form.get("code", ""), form.get("password", "")
        try:
            with self._shop.store.snapshot() as snapshot:
                person = person_of_link(snapshot, code, wall_now())
            text = self._checked(password, form.get("again", ""), person)
            await self._in_turn(lambda: self._keep(code, text))
        except NotFound as no:
            return page(pages.new_password(self._name, "", str(no)), 403)
        except InvalidInput as no:
            return page(pages.new_password(self._name, code, str(no), person.login), 422)
        return to("/", clear_cookie())

    def _checked(self, password: str, again: str, person: Person) -> str:
        if password != again:
            raise InvalidInput("The two passwords are not the same.", field="again")
        return check_password(password, person.login, person.name, self._name)

    def _keep(self, code: str, text: str) -> Person:
        hashed = hash_password(text)

        def work(transaction: Transaction) -> Person:
            person = person_of_link(transaction, code, wall_now())  # asked again: a link counts once
            set_password(transaction, person, hashed)
            return person

        return self._shop.store.commit(work).result()

    def _form_again(self, problem: str) -> str:
        return pages.sign_in(self._name, problem, with_key=False)

    @property
    def _name(self) -> str:
        return self._shop.settings.shop.name


def signing_routes(shop: Shop, keys: Keys, doorway: Doorway) -> tuple[Route, ...]:
    """Return what signs in and out. These stand open: each one proves by itself who calls."""
    desk = _Desk(shop, keys, doorway)
    code = (Parameter("code", "query", "The one-time code of a link"),)
    return (
        Route("POST", "/sign-in", CONSOLE, desk.sign_in, "Open a session", _ROOM, media=HTML),
        Route("POST", "/sign-out", CONSOLE, desk.sign_out, "End the session", _ROOM, media=HTML),
        Route("POST", "/reason", CONSOLE, desk.say_why, "Say why you look", _ROOM, media=HTML),
        Route("GET", "/set-password", CONSOLE, desk.ask_password, "Set a password", _ROOM, media=HTML, parameters=code),
        Route("POST", "/set-password", CONSOLE, desk.keep_password, "Set a password", _ROOM, media=HTML),
    )


def form_of(call: Call) -> dict[str, str]:
    """Return the fields of a form, the first value of each; raise Refusal for more than any of ours has."""
    try:
        found = parse_qs(call.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=8)
    except ValueError:
        raise Refusal(400, "This form has too many fields") from None
    return {name: values[0] for name, values in found.items()}
