"""What went wrong, as RFC 9457 problem documents. HTTP status codes are chosen here and nowhere else."""

from __future__ import annotations

import logging
import re
import secrets
from typing import Any, Final

import msgspec

from tillwise.api.expected import expected_at
from tillwise.api.route import Headers, Reply
from tillwise.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    NotPermitted,
    NotReleased,
    StoreUnavailable,
    TillwiseError,
)

PROBLEM: Final = "application/problem+json"
TITLES: Final = {
    400: "Bad request",
    401: "No valid key",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid value",
    500: "Internal error",
    503: "Not available",
}
STATUSES: Final[tuple[tuple[type[TillwiseError], int], ...]] = (
    (InvalidInput, 422),
    (NotPermitted, 403),
    (NotFound, 404),
    (Conflict, 409),
    (NotReleased, 503),
    (StoreUnavailable, 503),
)
"""Which status an error gets; every other error of ours is a 500."""
RETRY_SECONDS: Final = 1

_log = logging.getLogger("tillwise.api")
_encode = msgspec.json.Encoder().encode


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457: `type` names the kind, `title` says it in two words, `detail` what to do; `field` is where."""

    type: str
    title: str
    status: int
    detail: str
    field: str = ""


class Refusal(Exception):
    """The door says no before a room was asked."""

    def __init__(self, status: int, detail: str, field: str = "", headers: Headers = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
        self.headers = headers


def problem(status: int, detail: str, field: str = "", headers: Headers = ()) -> Reply:
    """Return a problem document."""
    title = TITLES[status]
    kind = "urn:tillwise:problem:" + title.lower().replace(" ", "-")
    if status == 503:
        headers = (*headers, (b"retry-after", str(RETRY_SECONDS).encode()))
    return Reply(_encode(Problem(kind, title, status, detail, field)), status, PROBLEM, headers)


def problem_of(error: Exception, route: str) -> Reply:
    """Return the problem document of whatever was raised; what is not ours says nothing about the inside."""
    if isinstance(error, Refusal):
        return problem(error.status, error.detail, error.field, error.headers)
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return problem(status, str(error), error.field if isinstance(error, InvalidInput) else "")
    incident = secrets.token_hex(4)
    _log.error("incident %s at %s", incident, route, exc_info=error)
    return problem(500, f"Something went wrong on our side. The server's log has it as incident {incident}.")


_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]*)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>[^`]*)`$")
_WORDS: Final = {
    "`int`": "a whole number",
    "`float`": "a number",
    "`str`": "text",
    "`bool`": "true or false",
    "`object`": "an object",
    "`array`": "a list",
    "`null`": "null",
}


def invalid_value(error: msgspec.ValidationError, declared: Any = None) -> Refusal:
    """Say in plain words which field is wrong and what it should be; `declared` is the type the body was held to."""
    found = _PLACE.match(str(error))
    what, path = (str(error), "") if found is None else (found["what"], (found["path"] or "").removeprefix("$"))
    path = path.removeprefix(".").replace("[...]", "[]")
    if missing := _MISSING.match(what):
        name = f"{path}.{missing['name']}".lstrip(".")
        return Refusal(422, f"{name} is missing", name)
    if unknown := _UNKNOWN.match(what):
        name = f"{path}.{unknown['name']}".lstrip(".")
        return Refusal(422, f"{name} is not a field of this request", name)
    for word, plain in _WORDS.items():
        what = what.replace(word, plain)
    expected = expected_at(declared, path) if declared is not None and path else ""
    hint = f"; write {expected}" if expected else ""
    return Refusal(422, f"{path or 'the body'}: {what[:1].lower()}{what[1:300]}{hint}", path)
