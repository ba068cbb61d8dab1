"""What people ask about their own data, over HTTP: taken in, followed, verified, extended, refused, and handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from tillwise.api.asks import Id
from tillwise.api.body import decode
from tillwise.api.privacy_asks import (
    Extending,
    OpenRequests,
    Refusing,
    RequestState,
    RequestTold,
    SignedReceipt,
    StepTold,
    Verifying,
)
from tillwise.api.problem import Refusal, invalid_value
from tillwise.api.route import Call, Headers, Parameter, Reply, Route
from tillwise.api.shop import Shop
from tillwise.decisions.answer import rfc3339
from tillwise.errors import NotPermitted
from tillwise.rights.export import as_json, as_zip
from tillwise.rights.request import RightsRequest, State
from tillwise.rights.requests import receipt_of
from tillwise.rights.rights import Rights
from tillwise.rights.telling import tell
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import wall_now

T = TypeVar("T")
PATIENCE_SECONDS: Final = 5.0
"""A request that takes longer (an erasure in a large log) goes on after its answer; ask for its state again."""
ZIP: Final = "application/zip"
_ROOM: Final = "People's rights"
_NAMED: Final[list[Json]] = [
    {"required": [name], "properties": {name: {"type": "string"}}} for name in ("subject", "anonymous_id")
]
_Told = Annotated[RequestTold, Meta(extra_json_schema={"anyOf": _NAMED})]
_told = msgspec.json.Decoder(RequestTold)
_verifying = msgspec.json.Decoder(Verifying)
_extending = msgspec.json.Decoder(Extending)
_refusing = msgspec.json.Decoder(Refusing)
_encode = msgspec.json.Encoder().encode
_ID: Final = Parameter("id", "path", "The id of a request")
_SUBJECT: Final = Parameter("subject", "query", "Refuse it when it is not this person's", msgspec.json.schema(Id))
_FORMAT: Final = Parameter(
    "format", "query", "json, or csv: an archive with one table each", {"type": "string", "enum": ["json", "csv"]}
)
_PROBLEMS: Final = (404, 409, 415, 422, 503)


def privacy_routes(shop: Shop) -> tuple[Route, ...]:
    """Return `/privacy/requests` and what is done to one."""
    desk = _Desk(shop.rights)
    every = "/privacy/requests"
    one = f"{every}/{{id}}"

    def route(method: str, path: str, handle: Any, summary: str, **more: Any) -> Route:
        return Route(method, path, "privacy", handle, summary, _ROOM, **{"gives": RequestState, **more})

    return (
        route(
            "POST", every, desk.ask, "What somebody asks; carried out at once when their identity is verified",
            takes=_Told, problems=_PROBLEMS,
            example={"subject": "u-17", "kind": "access", "identity": "verified", "country": "DE"},
        ),
        route(
            "GET", every, desk.open, "What is not answered yet, the nearest deadline first", gives=OpenRequests,
            problems=(503,),
        ),
        route(
            "GET", one, desk.show, "Where a request stands, step by step", problems=(404, 422, 503),
            parameters=(_ID, _SUBJECT),
        ),
        route(
            "POST", f"{one}/verify", desk.verify, "Somebody checked who asks; it is then carried out", takes=Verifying,
            problems=_PROBLEMS, parameters=(_ID,),
        ),
        route(
            "POST", f"{one}/extend", desk.extend, "Take longer, once, as far as the law allows", takes=Extending,
            problems=_PROBLEMS, parameters=(_ID,),
        ),
        route(
            "POST", f"{one}/refuse", desk.refuse, "Refuse for a coded reason", takes=Refusing, problems=_PROBLEMS,
            parameters=(_ID,),
        ),
        route(
            "GET", f"{one}/result", desk.result, "The copy, made afresh; for 30 days after the answer",
            gives={"type": "object"}, problems=(404, 409, 422, 503), parameters=(_ID, _SUBJECT, _FORMAT),
        ),
    )  # fmt: skip


class _Desk:
    """Answers the calls."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights

    async def ask(self, call: Call) -> Reply:
        """Take a request in, and carry it out when it is known who asks."""
        told = decode(_told, call.body)
        if told.subject is None and told.anonymous_id is None:
            raise Refusal(422, "a request names the subject or the anonymous_id whose data it is about", "subject")
        if told.subject is not None and told.anonymous_id is not None:
            raise Refusal(409, "name the subject or the anonymous_id: one request is about one of them")
        rights, asked = self._rights, told.asked()
        request = await asyncio.to_thread(rights.take, asked, who=call.key_id)
        if rights.can_go_on(request, asked):
            await self._patiently(lambda: rights.carry_out(request.id, who=call.key_id, asked=asked))
        return await self._told(request.id)

    async def open(self, _: Call) -> Reply:
        """List what is open."""
        requests = await asyncio.to_thread(self._rights.requests.open)
        return Reply(_encode(OpenRequests([self._state(each) for each in requests])))

    async def show(self, call: Call) -> Reply:
        """Tell where one stands."""
        await asyncio.to_thread(self._own, call)
        return await self._told(call.params["id"])

    async def verify(self, call: Call) -> Reply:
        """Note that somebody checked who asks."""
        told, rights, request_id = decode(_verifying, call.body), self._rights, call.params["id"]
        request = await asyncio.to_thread(rights.requests.verified, request_id, who=call.key_id)
        if told.carry_out and rights.can_go_on(request, rights.requests.asked(request_id)):
            await self._patiently(lambda: rights.carry_out(request_id, who=call.key_id))
        return await self._told(request_id)

    async def extend(self, call: Call) -> Reply:
        """Take longer."""
        told = decode(_extending, call.body)
        await asyncio.to_thread(self._rights.requests.extend, call.params["id"], told.reason, who=call.key_id)
        return await self._told(call.params["id"])

    async def refuse(self, call: Call) -> Reply:
        """Say no, and why."""
        told = decode(_refusing, call.body)
        await asyncio.to_thread(self._rights.requests.refuse, call.params["id"], told.reason, who=call.key_id)
        return await self._told(call.params["id"])

    async def result(self, call: Call) -> Reply:
        """Hand over the copy."""
        wanted = _query(call, "format", Literal["json", "csv"])
        if wanted is None and ZIP in call.header(b"accept"):
            wanted = "csv"
        request = await asyncio.to_thread(self._own, call)
        data = await asyncio.to_thread(self._rights.result, request.id, who=call.key_id)
        name = f"{request.kind.value}-{request.id[:8]}"
        if wanted == "csv":
            return Reply(await asyncio.to_thread(as_zip, data), media=ZIP, headers=_named(f"{name}.zip"))
        return Reply(await asyncio.to_thread(as_json, data), headers=_named(f"{name}.json"))

    def _own(self, call: Call) -> RightsRequest:
        """Return the request of a call; somebody else's than the subject it names is refused."""
        subject = _query(call, "subject", Id)
        requests = self._rights.requests
        if subject is None:
            return requests.find(call.params["id"])
        try:
            return requests.find_own(call.params["id"], subject)
        except NotPermitted:
            return requests.find_own(call.params["id"], subject, anonymous=True)

    async def _patiently(self, work: Callable[[], object]) -> None:
        """Wait for the work a while; what takes longer goes on, and `privacy resume` finishes what a crash stops."""
        running = asyncio.ensure_future(asyncio.to_thread(work))
        done, _ = await asyncio.wait((running,), timeout=PATIENCE_SECONDS)
        if done:
            running.result()
        else:
            running.add_done_callback(lambda each: each.cancelled() or each.exception())

    async def _told(self, request_id: str) -> Reply:
        return Reply(_encode(await asyncio.to_thread(lambda: self._state(self._rights.requests.find(request_id)))))

    def _state(self, request: RightsRequest) -> RequestState:
        requests, wall = self._rights.requests, wall_now()
        steps = requests.steps(request.id)
        fetch = requests.fetchable(request)
        receipt = receipt_of(request)
        signed = SignedReceipt(**self._rights.signed(request)) if request.finished is not None else None
        return RequestState(
            id=request.id, kind=request.kind.value, state=request.state.value, deadline=rfc3339(request.deadline),
            law=request.law, received=rfc3339(request.received), place=request.place,
            identity="verified" if request.identity else "not checked", extended=request.extended,
            overdue=request.overdue(wall), told=tell(request, [each.reason for each in steps]),
            refusal=receipt["justification"], fetch_until=None if fetch is None else rfc3339(fetch),
            result={} if request.state is State.WORKING else receipt["result"],
            steps=[StepTold(rfc3339(each.wall), each.what, each.state.value, each.who, each.reason) for each in steps],
            receipt=signed,
        )  # fmt: skip


def _named(name: str) -> Headers:
    return ((b"content-disposition", f'attachment; filename="{name}"'.encode()),)


def _query(call: Call, name: str, kind: Any) -> str | None:
    text = call.query.get(name)
    if text is None:
        return None
    try:
        return str(msgspec.convert(text, kind))
    except msgspec.ValidationError as error:
        raise Refusal(422, invalid_value(error).detail.replace("the body", name, 1), name) from None
