"""The review queue over HTTP: list, take, decide."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from tillwise.api.asks import Judgement, Taking
from tillwise.api.body import decode
from tillwise.api.reading import REASON, log_call
from tillwise.api.records import DECISION
from tillwise.api.route import Call, Reply, Route
from tillwise.api.shop import Shop
from tillwise.decisions.answer import rfc3339
from tillwise.errors import NotFound
from tillwise.review.case import Case, subjects_of

_ROOM: Final = "Reviews"
SHOWS: Final = frozenset({"reviews"})
_judgement = msgspec.json.Decoder(Judgement)
_taking = msgspec.json.Decoder(Taking)
_encode = msgspec.json.Encoder().encode


class Review(msgspec.Struct, frozen=True):
    """One entry of the queue. `value` is the loss in minor units that looking at it is expected to prevent."""

    decision_id: str
    use_case: str
    opened: str
    value: int
    simulated: bool
    state: str
    reviewer: str | None
    held_until: str | None
    verdict: str | None
    reason: str | None
    decided: str | None


class Queue(msgspec.Struct, frozen=True):
    """What waits, worth most first."""

    reviews: list[Review]


def review_routes(shop: Shop) -> tuple[Route, ...]:
    """Return `/reviews`, and taking and deciding one."""
    queue = shop.reviews
    one = "/reviews/{decision_id}"

    async def show(call: Call) -> Reply:
        cases = queue.waiting()
        with shop.store.snapshot() as snapshot:
            subjects = subjects_of(snapshot, [case.decision_id for case in cases])
        await log_call(shop, call, "GET /reviews", subjects)
        return Reply(_encode(Queue([_shown(case) for case in cases])))

    async def take(call: Call) -> Reply:
        asked = decode(_taking, call.body)
        case = await asyncio.to_thread(queue.take, asked.reviewer or call.key_id, call.params["decision_id"])
        if case is None:
            raise NotFound("nothing waits for a review")
        with shop.store.snapshot() as snapshot:
            subjects = subjects_of(snapshot, [case.decision_id])
        await log_call(shop, call, f"POST {one}/take", subjects, case.decision_id)
        return Reply(_encode(_shown(case)))

    async def judge(call: Call) -> Reply:
        asked = decode(_judgement, call.body)
        reviewer = asked.reviewer or call.key_id
        case = await asyncio.to_thread(queue.decide, reviewer, call.params["decision_id"], asked.verdict, asked.reason)
        return Reply(_encode(_shown(case)))

    return (
        Route(
            "GET", "/reviews", "review", show, "What waits for a person, worth most first", _ROOM, gives=Queue,
            problems=(503,), parameters=(REASON,), shows=SHOWS,
        ),
        Route(
            "POST", f"{one}/take", "review", take, "Hold a case for 15 minutes", _ROOM, takes=Taking, gives=Review,
            problems=(404, 409, 415, 422, 503), parameters=(*DECISION, REASON), shows=SHOWS,
        ),
        Route(
            "POST", one, "review", judge, "Give a verdict with its reason, once and for all", _ROOM, takes=Judgement,
            gives=Review, problems=(404, 409, 415, 422, 503), parameters=DECISION,
            example={"verdict": "approve", "reason": "Called the customer; the addresses are both theirs"},
        ),
    )  # fmt: skip


def _shown(case: Case) -> Review:
    return Review(
        decision_id=case.decision_id,
        use_case=case.use_case,
        opened=rfc3339(case.opened),
        value=case.value,
        simulated=case.simulated,
        state=case.state,
        reviewer=case.reviewer,
        held_until=rfc3339(case.held_until) if case.held_until else None,
        verdict=None if case.verdict is None else case.verdict.value,
        reason=case.reason,
        decided=None if case.decided is None else rfc3339(case.decided),
    )
