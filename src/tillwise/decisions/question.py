"""A request on its way: what was asked, by whom, until when, and under which decision id."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from time import perf_counter_ns
from typing import Any, Final

import msgspec

from tillwise.decisions.decision import Explain, Request
from tillwise.decisions.receipts import Asked
from tillwise.decisions.use_case import UseCase
from tillwise.errors import InvalidInput
from tillwise.settings import Secrets
from tillwise.vocabulary.canonical import Json, canonical
from tillwise.vocabulary.identity import DecisionId, new_decision_id

PERSONAL: Final = frozenset(
    {
        "address", "address_hash", "bin", "card_hash", "device_id", "email", "email_hash", "id", "ip", "name",
        "order_id", "phone", "postcode", "query", "text",
    }
)  # fmt: skip
"""Fields of a body that lead to a person or hold what they wrote: never in a receipt, never shown to a fallback."""
MAX_DEADLINE_MS: Final = 60_000


class Question(msgspec.Struct, frozen=True):
    """One request to one use case. Times are `perf_counter_ns`; `asked` is None when no request id may be taken.

    `key_id` is the key that asks.
    """

    use_case: UseCase
    request: Request
    asked: Asked | None
    decision_id: DecisionId
    started: int
    deadline: int
    key_id: str = ""

    @property
    def country(self) -> str | None:
        """Return country, with region where it is known, as the gate reads it: `DE`, `US-CA`."""
        place = self.request.place
        if not place.country:
            return None
        country = place.country.upper()
        region = (place.region or "").upper().removeprefix(f"{country}-")
        return f"{country}-{region}" if region else country

    @property
    def bare(self) -> Request:
        """Return the request as a fallback sees it, live and in replay: no personal text, nobody's id, no place."""
        body, plain = without_personal(self.request.body), self.use_case.plain_fields
        if plain is not None:
            body = {name: value for name, value in body.items() if name in plain}
        return bare_request(body, self.request.explain, simulated=self.request.simulated)

    def spent(self, share: float = 1.0) -> bool:
        """Return True when this share of the time is over."""
        return perf_counter_ns() > self.started + share * (self.deadline - self.started)

    def remaining(self) -> float:
        """Return the seconds left, 0 at least."""
        return max(0.0, (self.deadline - perf_counter_ns()) / 1e9)


def question(use_case: UseCase, request: Request, key_id: str, secrets: Secrets) -> Question:
    """Start the clock of a request; raise InvalidInput when it cannot be answered at all."""
    started = perf_counter_ns()
    if not 1 <= request.deadline_ms <= MAX_DEADLINE_MS:
        raise InvalidInput(f"deadline_ms lies between 1 and {MAX_DEADLINE_MS}", field="deadline_ms")
    asked = None
    if request.request_id is not None and not request.dry_run:
        mark = _mark(request.request_id, secrets)
        asked = Asked(key_id, use_case.name, mark, _hash(request, secrets))
    deadline = started + request.deadline_ms * 1_000_000
    return Question(use_case, request, asked, new_decision_id(), started, deadline, key_id)


def _hash(request: Request, secrets: Secrets) -> bytes:
    """Return a keyed hash of everything that was asked; how long the caller would wait is no part of it."""
    place = request.place
    whole = [request.body, request.subject, request.anonymous_id, place.country, place.region, place.postcode,
             request.explain.value, request.features, request.simulated]  # fmt: skip
    return hashlib.blake2b(canonical(whole), digest_size=16, key=secrets.log[:64], person=b"question").digest()


def _mark(request_id: str, secrets: Secrets) -> str:
    """Return the keyed hash that stands for a request id: the id itself may name an order or a person."""
    return hashlib.blake2b(request_id.encode(), digest_size=16, key=secrets.log[:64], person=b"request id").hexdigest()


def bare_request(body: Json, explain: Explain, *, simulated: bool) -> Request:
    """Return a request of which only the body without personal text is known."""
    return Request(None, body, explain=explain, simulated=simulated)


def without_personal(value: Any) -> Any:
    """Return JSON without the fields of PERSONAL, at any depth."""
    if isinstance(value, Mapping):
        return {key: without_personal(item) for key, item in value.items() if key not in PERSONAL}
    if isinstance(value, (list, tuple)):
        return [without_personal(item) for item in value]
    return value
