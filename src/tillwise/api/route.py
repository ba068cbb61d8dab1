"""One declaration per route: path, who may call, what it takes and gives. The door serves it, OpenAPI shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tillwise.access.key import Key, is_scope
from tillwise.access.roles import load_roles
from tillwise.errors import ConfigurationError
from tillwise.vocabulary.canonical import Json

PUBLIC: Final = "public"
"""Open to everyone: health, and the description of this API."""
OPERATOR: Final = "operator"
"""Open to this machine itself, and to an `admin` key from elsewhere: figures about the shop, none about a person."""
CONSOLE: Final = "console"
"""Pages for people: opened by a signed session that an `admin` key began; the page's own handler asks for it."""
LINK: Final = "link"
"""One person's own pages: opened by a signed link, or the session it began; the page's own handler asks for it."""
JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class Call:
    """A request that may be answered: its key is found and its body is read, within bounds and unpacked."""

    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    body: bytes
    scheme: str
    key: Key | None = None
    client: str = ""

    @property
    def key_id(self) -> str:
        """Return who calls; empty on an open route."""
        return "" if self.key is None else self.key.key_id

    def header(self, name: bytes) -> str:
        """Return a header's value, empty when it was not sent."""
        return self.headers.get(name, b"").decode("latin-1")


@dataclass(frozen=True, slots=True)
class Reply:
    """What leaves."""

    body: bytes
    status: int = 200
    media: str = JSON
    headers: Headers = ()


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A path or query parameter as OpenAPI shows it; the handler checks it."""

    name: str
    where: str
    meaning: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Route:
    """A method on a path.

    `scope` is one of access.key (`is_scope`), PUBLIC, OPERATOR, CONSOLE or LINK. `takes` is the type of the JSON body,
    `gives` the type of the 200 answer: a type for msgspec, a JSON Schema, or None where it is no JSON. `problems` are
    the statuses besides 400, 401, 403 and 413 it may answer with, `also` the types of further JSON answers. `tracking`
    routes read their key as Segment's clients send it, and open to web pages of the configured origins. `shows` are the
    kinds of data (access/roles.toml) it shows; empty: everything its scope may show.
    """

    method: str
    path: str
    scope: str
    handle: Handler
    summary: str
    room: str
    takes: Any = None
    gives: Any = None
    media: str = JSON
    problems: tuple[int, ...] = ()
    also: Mapping[int, Any] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    tracking: bool = False
    shown: bool = True
    shows: frozenset[str] = frozenset()
    example: Json | None = None

    @property
    def name(self) -> str:
        """Return method and path with its parameters unfilled: fit for logs and metrics, no id is in it."""
        return f"{self.method} {self.path}"


def shown_by(route: Route) -> frozenset[str]:
    """Return the kinds of data a route shows to a key."""
    return route.shows or load_roles().categories_of([route.scope])


def check_scopes(routes: tuple[Route, ...]) -> None:
    """Raise ConfigurationError for a route without a scope, one that shows more than its scope, or a double one."""
    seen: set[str] = set()
    for route in routes:
        if route.scope not in (PUBLIC, OPERATOR, CONSOLE, LINK) and not is_scope(route.scope):
            raise ConfigurationError(f"route {route.name} has no declared scope ('{route.scope}'): nothing starts")
        if beyond := sorted(route.shows - load_roles().categories_of([route.scope])):
            raise ConfigurationError(f"route {route.name} shows {beyond[0]}, which the scope {route.scope} does not")
        if route.name in seen:
            raise ConfigurationError(f"route {route.name} is declared twice")
        seen.add(route.name)
