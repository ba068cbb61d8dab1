"""The door: one place where every call is matched, let in, read, answered and counted. An ASGI 3 application.

The order is fixed: known path, key, scope, body, handler. A route cannot leave one out, and what a route does not
declare is refused. It stands directly on ASGI because a decision has half a millisecond in all (docs/adr).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, unquote

from tillwise.access.key import Key
from tillwise.api.body import Disconnected, Receive, read_bytes
from tillwise.api.entry import Admission
from tillwise.api.problem import Refusal, problem_of
from tillwise.api.route import PUBLIC, Call, Headers, Reply, Route, check_scopes

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scope = MutableMapping[str, Any]

SAFE: Final[Headers] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""On every answer; a page brings a policy of its own."""
MAX_QUERY: Final = 2_000

_access = logging.getLogger("tillwise.access")


class Counter(Protocol):
    """Told of every answer."""

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answer of a route."""
        ...


class Door:
    """Serves a table of routes. Raises ConfigurationError at once when a route has no declared scope."""

    def __init__(
        self,
        routes: tuple[Route, ...],
        admission: Admission,
        counter: Counter,
        *,
        on_start: Callable[[], object] = lambda: None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        check_scopes(routes)
        self.routes = routes
        self._admission = admission
        self._counter = counter
        self._on_start = on_start
        self._on_stop = on_stop
        self._exact = {(r.method, r.path): r for r in routes if "{" not in r.path}
        self._tracking = {r.path for r in routes if r.tracking}
        self._shaped = [(_shape(r.path), r) for r in routes if "{" in r.path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        name = "unmatched"
        try:
            headers = dict(scope["headers"])
            if scope["method"] == "OPTIONS" and scope["path"] in self._tracking:
                reply = self._admission.preflight(headers)
            else:
                route, params = self._match(scope["method"], scope)
                name = scope["tillwise.route"] = route.name
                reply = await self._answer(route, params, scope, headers, receive)
        except Disconnected:
            return
        except Exception as error:
            reply = problem_of(error, name)
        await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply)})
        await send({"type": "http.response.body", "body": reply.body})
        seconds = time.perf_counter() - began
        self._counter.answered(name, reply.status, seconds)
        if _access.isEnabledFor(logging.INFO):
            # The route's name and not the path: no id of anybody gets into a log file.
            _access.info("%s %d %.1f ms", name, reply.status, seconds * 1000)

    async def _answer(
        self, route: Route, params: Mapping[str, str], scope: Scope, headers: dict[bytes, bytes], receive: Receive
    ) -> Reply:
        if route.tracking:
            return self._admission.with_origin(headers, await self._tracked(route, params, scope, headers, receive))
        key = None if route.scope == PUBLIC else self._admission.admit(route, scope, headers)
        body = await read_bytes(receive, headers)
        return await route.handle(_call(scope, params, headers, body, key))

    async def _tracked(
        self, route: Route, params: Mapping[str, str], scope: Scope, headers: dict[bytes, bytes], receive: Receive
    ) -> Reply:
        """Answer a tracking call: its key may stand in the body, and its errors too must be readable by a page."""
        try:
            body = await read_bytes(receive, headers)
            key = self._admission.admit_tracking(headers, body)
            return await route.handle(_call(scope, params, headers, body, key))
        except Disconnected:
            raise
        except Exception as error:
            return problem_of(error, route.name)

    def _match(self, method: str, scope: Scope) -> tuple[Route, Mapping[str, str]]:
        wanted, path = "GET" if method == "HEAD" else method, scope["path"]
        if route := self._exact.get((wanted, path)):
            return route, {}
        allowed = {known for known, exact in self._exact if exact == path}
        raw = scope.get("raw_path") or b""
        slashed = b"%2f" in raw.lower()  # an id may hold a slash: then the path is split before it is decoded
        for shape, route in self._shaped:
            if found := shape.fullmatch(raw.decode("latin-1") if slashed else path):
                if route.method == wanted:
                    params = found.groupdict()
                    return route, {name: unquote(text) for name, text in params.items()} if slashed else params
                allowed.add(route.method)
        if not allowed:
            raise Refusal(404, "There is nothing at this path: /docs lists what there is")
        if "GET" in allowed:
            allowed.add("HEAD")
        methods = ", ".join(sorted(allowed))
        raise Refusal(405, f"This path answers to {methods}", headers=((b"allow", methods.encode()),))

    async def _live(self, receive: Receive, send: Send) -> None:
        """Follow the server's life: refuse to start with a clear message, finish the queued work at its end."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    self._on_start()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                with suppress(Exception):
                    self._on_stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _shape(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]{1,600})", re.escape(path)))


def _call(scope: Scope, params: Mapping[str, str], headers: dict[bytes, bytes], body: bytes, key: Key | None) -> Call:
    raw = scope["query_string"]
    if len(raw) > MAX_QUERY:
        raise Refusal(400, "the query is too long")
    query = dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)) if raw else {}
    client = scope.get("client")
    return Call(
        scope["path"], params, query, headers, body, scope.get("scheme", "http"), key, client[0] if client else ""
    )


def _headers(reply: Reply) -> Iterable[tuple[bytes, bytes]]:
    own = reply.headers
    named = {name for name, _ in own}
    length = str(len(reply.body)).encode()
    fixed = SAFE if not named else tuple(pair for pair in SAFE if pair[0] not in named)
    media = (b"content-type", reply.media.encode())
    return [media, (b"content-length", length), *fixed, *own] if reply.status != 204 else [*fixed, *own]
