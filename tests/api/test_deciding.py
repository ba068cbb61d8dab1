"""Decisions out: one envelope, an answer to everything, and a receipt behind each."""

from __future__ import annotations

from typing import Any

import pytest
from knocking import Client
from toy_shop import ToyShop

from tillwise.api.create import create_api
from tillwise.decisions.decision import Request
from tillwise.decisions.pending import Pending
from tillwise.decisions.road import Road
from tillwise.decisions.use_case import UseCase

FRAUD: dict[str, Any] = {
    "request_id": "c-9f2", "subject": "u-17", "place": {"country": "DE", "postcode": "10115"},
    "order": {"id": "o-551", "amount": 5990, "currency": "EUR", "items": [{"item_id": "sku-1", "quantity": 2}]},
    "payment": {"method": "card", "card_hash": "b1f0", "bin": "411111"},
    "billing": {"country": "DE", "postcode": "10115"}, "shipping": {"country": "PL", "postcode": "00-001"},
    "device_id": "d-3", "ip": "192.0.2.9",
}  # fmt: skip
BIG = FRAUD | {"order": FRAUD["order"] | {"amount": 99_000}}
ENVELOPE = ["decision_id", "recorded", "use_case", "action", "score", "items", "result", "reasons", "model", "policy",
            "experiment", "permit", "disclosures", "degraded", "supersedes", "latency_ms"]  # fmt: skip


def test_the_whole_request_of_the_contract_gets_the_envelope_of_the_contract(client: Client) -> None:
    answer = client.post("/predict/fraud", role="decide", json=FRAUD)

    assert answer.status_code == 200
    assert list(answer.json()) == ENVELOPE
    assert answer.json()["action"] == "approve"
    assert answer.json()["recorded"] is True
    assert answer.json()["permit"]["place"] == "DE"


@pytest.mark.parametrize("placement", ["home", "product", "cart", "email"])
def test_recommendations_are_items(client: Client, placement: str) -> None:
    body = {"placement": placement, "anonymous_id": "a-1", "k": 2, "filters": {"in_stock": True, "max_price": 5000}}
    answer = client.post("/rank/recommendations", role="decide", json=body).json()

    assert answer["action"] == "items"
    assert list(answer["items"][0]) == ["item_id", "score", "position", "propensity", "reasons"]


def test_somebody_who_never_agreed_is_not_profiled_for_marketing(client: Client) -> None:
    body = {"subject": "u-1", "place": {"country": "DE"}}
    answer = client.post("/predict/churn", role="decide", json=body)

    assert answer.status_code == 200
    assert (answer.json()["action"], answer.json()["degraded"]) == ("none", "no_consent")


def test_the_receipt_is_found_by_the_decision_id(client: Client) -> None:
    decision_id = client.post("/predict/fraud", role="decide", json=FRAUD).json()["decision_id"]

    receipt = client.get(f"/decisions/{decision_id}", role="decide").json()

    assert receipt["decision_id"] == decision_id
    assert receipt["decision"]["action"] == "approve"
    assert "u-17" not in str(receipt)
    assert client.get("/decisions/0199b6d2", role="decide").status_code == 404


def test_a_decision_is_explained_from_its_receipt(client: Client) -> None:
    decision = client.post("/predict/fraud", role="decide", json=BIG | {"explain": "none"}).json()

    told = client.get(f"/decisions/{decision['decision_id']}/explanation", role="decide").json()

    assert told["action"] == decision["action"] == "review"
    assert told["complete"] is True
    assert told["reasons"][0]["text"] == "The amount is high"
    assert client.get("/decisions/unknown/explanation", role="decide").status_code == 404


def test_a_review_is_listed_taken_and_decided_once(client: Client) -> None:
    decision_id = client.post("/predict/fraud", role="decide", json=BIG).json()["decision_id"]
    path = f"/reviews/{decision_id}"
    assert [case["decision_id"] for case in client.get("/reviews", role="decide").json()["reviews"]] == [decision_id]

    assert client.post(f"{path}/take", role="decide", json={"reviewer": "kim"}).json()["reviewer"] == "kim"
    assert client.post(f"{path}/take", role="admin", json={"reviewer": "ash"}).status_code == 409
    verdict = {"verdict": "approve", "reason": "Called them, all well", "reviewer": "kim"}
    assert client.post(path, role="decide", json=verdict).json()["verdict"] == "approve"
    assert client.post(path, role="decide", json=verdict).status_code == 409
    assert client.get("/reviews", role="decide").json() == {"reviews": []}
    assert client.post("/reviews/unknown", role="decide", json=verdict).status_code == 404
    assert client.post(path, role="decide", json={"verdict": "approve", "reason": "  "}).status_code == 422


def test_the_same_request_id_gives_the_same_answer_and_another_body_a_422(client: Client) -> None:
    first = client.post("/predict/fraud", role="decide", json=FRAUD).json()
    again = client.post("/predict/fraud", role="decide", json=FRAUD).json()
    assert again["decision_id"] == first["decision_id"]

    other = client.post("/predict/fraud", role="decide", json=FRAUD | {"device_id": "d-4"})
    assert other.status_code == 422
    assert other.json()["field"] == "request_id"


def test_a_whole_number_may_be_written_with_a_point_unless_it_is_money(client: Client) -> None:
    body = {"placement": "home", "k": 2.0, "deadline_ms": 250.0}
    assert client.post("/rank/recommendations", role="decide", json=body).status_code == 200

    for wrong in (body | {"k": 2.5}, body | {"filters": {"max_price": 59.0}}):
        assert client.post("/rank/recommendations", role="decide", json=wrong).status_code == 422


def test_a_dry_run_leaves_nothing(client: Client) -> None:
    answer = client.post("/predict/fraud", role="decide", json=FRAUD | {"dry_run": True}).json()

    assert (answer["recorded"], answer["decision_id"], answer["degraded"]) == (False, None, None)


def test_without_a_model_the_answer_says_so(client: Client, shop: ToyShop) -> None:
    shop.models.missing = True

    answer = client.post("/predict/fraud", role="decide", json=FRAUD)

    assert answer.status_code == 200
    assert (answer.json()["action"], answer.json()["degraded"]) == ("review", "no_model")


def test_without_a_store_a_checkout_still_gets_its_answer(client: Client, shop: ToyShop) -> None:
    """CONTRACT 4: unrecorded fraud is `review`; a decision route answers 200 rather than 5xx."""
    assert client.post("/predict/fraud", role="decide", json=FRAUD).status_code == 200
    shop.store.close()

    answer = client.post("/predict/fraud", role="decide", json=FRAUD | {"request_id": "c-2"})

    assert answer.status_code == 200
    assert answer.json()["recorded"] is False
    assert answer.json()["decision_id"] is None
    assert (answer.json()["action"], answer.json()["degraded"]) == ("review", "store_unavailable")


def test_a_deadline_of_one_millisecond_still_gets_an_answer(client: Client) -> None:
    for number in range(20):
        body = FRAUD | {"deadline_ms": 1, "request_id": f"late-{number}"}
        answer = client.post("/predict/fraud", role="decide", json=body)
        assert answer.status_code == 200
        assert answer.json()["recorded"] or answer.json()["degraded"] in ("deadline", "store_unavailable")


class ListeningRoad:
    """Passes questions on to the real road, and remembers them."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self.heard: list[Request] = []

    def begin(self, use_case: UseCase, request: Request, key_id: str) -> Pending:
        self.heard.append(request)
        return self._road.begin(use_case, request, key_id)


def test_a_privacy_signal_reaches_the_gate(shop: ToyShop) -> None:
    """`Sec-GPC: 1`, exactly 1, comes with the request; what it means where is for the rules to say."""
    road = shop.road = ListeningRoad(shop.road)
    signalling = Client(create_api(shop), shop.keys)
    body = {"subject": "u-1", "place": {"country": "US", "region": "CA"}}
    for value in ("1", "0", "true"):
        assert signalling.post("/predict/churn", role="decide", json=body, headers={"sec-gpc": value}).is_success
    shop.road = road._road
    signalling.close()

    assert [request.signals for request in road.heard] == [{"gpc"}, frozenset(), frozenset()]


def test_outcomes_are_told_by_decision_or_by_order(client: Client, shop: ToyShop) -> None:
    decision_id = client.post("/predict/fraud", role="decide", json=FRAUD).json()["decision_id"]
    for body in (
        {"decision_id": decision_id, "kind": "fraud_cleared", "value": 1},
        {"order_id": "o-551", "kind": "chargeback", "value": 1, "at": "2026-11-20T10:00:00Z"},
        {"order_id": "o-551", "kind": "return", "at": "9999-12-31T23:59:59Z"},
    ):
        assert client.post("/outcomes", role="decide", json=body).json() == {"recorded": True}

    with shop.store.snapshot() as snapshot:
        assert snapshot.all("SELECT kind FROM outcomes ORDER BY id") == [
            ("fraud_cleared",),
            ("chargeback",),
            ("return",),
        ]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"kind": "chargeback"}, 422, "decision_id"),
        ({"kind": "lightning", "order_id": "o"}, 422, "kind"),
        ({"kind": "chargeback", "order_id": "o", "at": "yesterday"}, 422, "at"),
        ({"kind": "chargeback", "order_id": "o", "at": "2026-11-20T10:00:00"}, 422, "at"),
        ({"kind": "chargeback", "order_id": "o", "value": "1"}, 422, "value"),
        ({"kind": "chargeback", "decision_id": "nobody-knows-it"}, 404, ""),
    ],
)
def test_an_outcome_that_belongs_to_nothing_is_refused(
    client: Client, body: dict[str, Any], status: int, field: str
) -> None:
    answer = client.post("/outcomes", role="decide", json=body)

    assert (answer.status_code, answer.json().get("field", "")) == (status, field)


def test_figures_count_what_was_decided(client: Client) -> None:
    client.post("/predict/fraud", role="decide", json=FRAUD)
    page = client.get("/metrics").text

    assert 'tillwise_decisions_total{action="approve",degraded="",use_case="fraud"} 1.0' in page
    assert 'tillwise_http_answers_total{route="POST /predict/fraud",status="200"} 1.0' in page
    assert "u-17" not in page


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"explain": "all"}, "one of full, none, top"),
        ({"place": {"country": "Germany"}}, "ISO 3166-1 alpha-2, such as DE"),
        ({"order": FRAUD["order"] | {"items": [{"item_id": ""}]}}, "an opaque id"),
        ({"order": FRAUD["order"] | {"amount": -1}}, "integer minor units"),
    ],
)
def test_a_wrong_value_is_told_what_belongs_there(client: Client, change: dict[str, Any], hint: str) -> None:
    """Closed lists name their choices, formats say what they stand for."""
    answer = client.post("/predict/fraud", role="decide", json=FRAUD | change)
    assert answer.status_code == 422
    assert hint in answer.json()["detail"]


def test_half_a_character_is_named(client: Client) -> None:
    """A lone surrogate is no text: the caller hears what is wrong, not that something was cut."""
    answer = client.post("/predict/fraud", role="decide", content=b'{"subject": "\\ud800"}')
    assert answer.status_code == 400
    assert "half a character" in answer.json()["detail"]
    assert answer.json()["field"] == "subject"


def test_an_answer_about_simulated_people_says_so(client: Client) -> None:
    """Wherever it is shown, what is invented is labelled."""
    body = {**FRAUD, "simulated": True, "request_id": "sim-1"}
    assert client.post("/predict/fraud", role="decide", json=body).json()["disclosures"] == ["simulated"]
    assert client.post("/predict/fraud", role="decide", json=FRAUD).json()["disclosures"] == []
