"""What was decided, and what became of it: receipts out, outcomes in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tillwise.api.asks import OutcomeTold
from tillwise.api.body import decode
from tillwise.api.reading import REASON, log_call
from tillwise.api.route import Call, Parameter, Reply, Route
from tillwise.api.shop import Shop
from tillwise.decisions import receipts
from tillwise.decisions.decision import ListedItem, Reason
from tillwise.decisions.receipt import Receipt
from tillwise.errors import InvalidInput
from tillwise.events.keys import order_code
from tillwise.outcomes import outcomes
from tillwise.outcomes.outcomes import OnOutcome, Outcome
from tillwise.rights.explaining import explain_decision
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Transaction

DECISION: Final = (Parameter("decision_id", "path", "The decision_id of an answer"),)
_ROOM: Final = "Decisions out"
_ONE: Final = "/decisions/{decision_id}"
SHOWS: Final = frozenset({"decisions", "behaviour", "orders", "payment_device"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAMED: Final[list[Json]] = [
    {"required": [name], "properties": {name: {"type": "string"}}} for name in ("decision_id", "order_id")
]
_Told = Annotated[OutcomeTold, Meta(extra_json_schema={"anyOf": _NAMED})]
_encode = msgspec.json.Encoder().encode
_told = msgspec.json.Decoder(OutcomeTold)


class Recorded(msgspec.Struct, frozen=True):
    """The outcome is on disk."""

    recorded: bool


class Explained(msgspec.Struct, frozen=True):
    """Why it was decided so, from what the receipt holds: procedure, data and where from, effect, reasons, review.

    `would_change` names, for an adverse action, the changes found that would have led to another one. `complete` is
    False when the model or the policy is gone: the reasons given at the time are then all there is.
    """

    decision_id: str
    use_case: str
    action: str
    score: float | None
    degraded: str | None
    reasons: list[Reason]
    items: list[ListedItem] | None
    permit: Json
    complete: bool
    procedure: Json
    data: Json
    effect: str
    review: Json | None
    would_change: Json | None


def record_routes(shop: Shop) -> tuple[Route, ...]:
    """Return `/decisions/{id}` and `/outcomes`."""

    async def show(call: Call) -> Reply:
        with shop.store.snapshot() as snapshot:
            kept = receipts.find(snapshot, call.params["decision_id"])
        await log_call(shop, call, f"GET {_ONE}", (kept.subject, kept.anonymous), kept.receipt.decision_id)
        return Reply(_encode(kept.receipt))

    async def explain(call: Call) -> Reply:
        with shop.store.snapshot() as snapshot:
            kept = receipts.find(snapshot, call.params["decision_id"])
        await log_call(shop, call, f"GET {_ONE}/explanation", (kept.subject, kept.anonymous), kept.receipt.decision_id)
        # The search for what would have changed it asks the model many times: not in the thread that serves.
        told = await asyncio.to_thread(explain_decision, shop.store, shop.replayer, call.params["decision_id"])
        return Reply(_encode(told))

    async def tell(call: Call) -> Reply:
        told = decode(_told, call.body)
        outcome = _outcome(shop, told)
        await asyncio.wrap_future(shop.store.commit(lambda transaction: _append(transaction, outcome, shop.on_outcome)))
        return Reply(_encode(Recorded(recorded=True)))

    return (
        Route(
            "GET", _ONE, "read:decisions", show, "The receipt of a decision", _ROOM,
            gives=Receipt, problems=(404, 503), parameters=(*DECISION, REASON), shows=SHOWS,
        ),
        Route(
            "GET", f"{_ONE}/explanation", "read:decisions", explain,
            "Why it was decided so, and what would have changed it", _ROOM,
            gives=Explained, problems=(404, 503), parameters=(*DECISION, REASON), shows=SHOWS,
        ),
        Route(
            "POST", "/outcomes", "outcomes", tell, "What happened later", _ROOM, takes=_Told, gives=Recorded,
            problems=(404, 415, 422, 503), example={"order_id": "o-551", "kind": "chargeback", "value": 1},
        ),
    )  # fmt: skip


def _append(transaction: Transaction, outcome: Outcome, hooks: Sequence[OnOutcome]) -> None:
    if outcome.decision_id is not None:
        receipts.find(transaction, outcome.decision_id)
    outcomes.append(transaction, outcome)
    for hook in hooks:
        hook(transaction, outcome)


def _outcome(shop: Shop, told: OutcomeTold) -> Outcome:
    if told.decision_id is None and told.order_id is None:
        raise InvalidInput("an outcome names the decision_id or the order_id it belongs to", field="decision_id")
    now = shop.clock.now()
    order_ref = None if told.order_id is None else order_code(shop.secrets, told.order_id)
    # Nobody knows the future: an outcome dated ahead of the clock is one of now.
    at = now if told.at is None else min(now, _milliseconds(told.at))
    kind: Any = told.kind
    return Outcome(kind, told.value, at, told.decision_id, order_ref)


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // (datetime.resolution * 1000)
