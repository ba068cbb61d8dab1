"""A shop's own use case over HTTP: its fields are strict, its scope narrow, and its text is in no receipt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pytest
from knocking import Client
from toy_shop import ToyShop

from tillwise.access.keys import create_key
from tillwise.api.create import create_api
from tillwise.decisions.decision import Decision, Degraded, Explain, Reason, Request
from tillwise.decisions.use_case import UseCase
from tillwise.errors import ConfigurationError, InvalidInput
from tillwise.features.feature import FeatureSet
from tillwise.features.row import FeatureRow
from tillwise.models.score import Score
from tillwise.privacy.permit import Permit
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

FEATURES = FeatureSet("gift_wrap", (), request=("pieces",))
SECRET = "for aunt Frieda, ring twice"


class Question(msgspec.Struct):
    pieces: int
    wish: str = ""
    paper: Literal["plain", "gold"] = "plain"
    sizes: list[int] = msgspec.field(default_factory=list)


@dataclass(frozen=True)
class Policy:
    most: int = 5


@dataclass(frozen=True)
class Steps:
    policy: Policy = Policy()

    def know(self, permit: Permit, request: Request, snapshot: Snapshot) -> FeatureRow:
        return FeatureRow(permit, FEATURES.hash, FEATURES.columns, (float(request.body["pieces"]),), {})

    def think(self, row: FeatureRow, model: Any, explain: Explain) -> Score:
        return Score(row, None, row.values[0])

    def act(self, score: Score, seed: int, explain: Explain) -> Decision:
        action = "wrap" if (score.value or 0) <= self.policy.most else "bag"
        return Decision(action, (Reason("pieces", "Few pieces", 1.0),))

    def fallback(self, row: FeatureRow | None, request: Request, why: Degraded) -> Decision:
        seen = Reason("seen", ", ".join(sorted(request.body)), 1.0)
        return Decision("bag", (seen,), degraded=why)


@pytest.fixture
def wrapping(shop: ToyShop) -> Iterator[Client]:
    own = UseCase("gift_wrap", Purpose.FRAUD_PREVENTION, FEATURES, Steps(), Policy(), asks=Question)
    shop.use_cases = {**shop.use_cases, "gift_wrap": own}
    shop.keys["wrap"] = create_key(shop.store, "decide", scopes=["decide:gift_wrap"], own=["gift_wrap"])[1]
    knocking = Client(create_api(shop), shop.keys)
    yield knocking
    knocking.close()


def test_it_has_a_route_a_scope_and_the_envelope_of_every_decision(wrapping: Client) -> None:
    """Its own key asks it and nothing else; the general key may ask it too."""
    question = {"subject": "u-1", "place": {"country": "US"}, "pieces": 3, "sizes": [1, 2]}
    for role in ("wrap", "decide", "admin"):
        answer = wrapping.post("/predict/gift_wrap", role=role, json=question)
        assert answer.status_code == 200
        assert (answer.json()["use_case"], answer.json()["action"]) == ("gift_wrap", "wrap")
        assert answer.json()["recorded"] is True
    churn = {"subject": "u-1", "place": {"country": "US"}}
    assert wrapping.post("/predict/churn", role="wrap", json=churn).status_code == 403
    assert wrapping.post("/predict/gift_wrap", role="server", json=question).status_code == 403


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"pieces": "3"}, "pieces"),
        ({"peices": 3}, "peices"),
        ({"paper": "silver"}, "silver"),
        ({"pieces": None}, "pieces"),
    ],
)
def test_its_fields_are_held_to_what_it_declares(wrapping: Client, change: dict[str, Any], named: str) -> None:
    """A wrong type, an unknown field, a word that is not on the list: refused with the field's name."""
    answer = wrapping.post("/predict/gift_wrap", role="decide", json={"subject": "u-1", "pieces": 3, **change})
    assert answer.status_code == 422
    assert named in answer.text


def test_openapi_shows_its_fields(wrapping: Client) -> None:
    """Whoever reads the API page sees how to ask it."""
    described = wrapping.get("/openapi.json").json()
    shown = described["components"]["schemas"]["GiftWrapAsk"]["properties"]
    assert {"pieces", "wish", "paper", "sizes", "subject", "deadline_ms"} <= set(shown)
    assert "/predict/gift_wrap" in described["paths"]


def test_its_text_is_in_no_receipt_and_no_fallback_sees_it(wrapping: Client, shop: ToyShop) -> None:
    """Numbers and words of a fixed list may stay; what somebody wrote may not."""
    shop.models.missing = True
    answer = wrapping.post("/predict/gift_wrap", role="decide", json={"subject": "u-1", "pieces": 3, "wish": SECRET})
    told = answer.json()
    assert told["degraded"] == "no_model"
    assert told["reasons"][0]["text"] == "paper, pieces, sizes"
    receipt = wrapping.get(f"/decisions/{told['decision_id']}", role="decide").json()
    assert SECRET not in json.dumps(receipt)
    assert SECRET not in json.dumps(told)


def test_a_scope_of_an_unknown_use_case_is_refused(shop: ToyShop) -> None:
    """A misspelt narrow key would open nothing: better to hear it at once."""
    with pytest.raises(InvalidInput, match="decide:gift_warp"):
        create_key(shop.store, "decide", scopes=["decide:gift_warp"], own=["gift_wrap"])


def test_a_field_of_its_own_cannot_hide_a_common_one(shop: ToyShop) -> None:
    """Two meanings of one name would be a riddle for the caller: nothing starts."""

    class Clash(msgspec.Struct):
        subject: str

    own = UseCase("gift_wrap", Purpose.FRAUD_PREVENTION, FEATURES, Steps(), Policy(), asks=Clash)
    shop.use_cases = {**shop.use_cases, "gift_wrap": own}
    with pytest.raises(ConfigurationError, match="'subject' is one of the common fields"):
        create_api(shop)
