"""`context.consent` on tracking calls: a no acts on the next decision, a yes counts as declared or not at all."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from knocking import Client
from toy_shop import ToyShop, build_toy

from tillwise.settings import ConsentSettings

CONSENT = ConsentSettings({"Email": "marketing", "Ads": ("share",)}, notice="terms-2026", evidence="cmp of the shop")
HERE = {"country": "DE"}
_ids = itertools.count()


@pytest.fixture
def shop(tmp_path: Path) -> Any:
    built = build_toy(tmp_path)
    shop = replace(built, settings=msgspec.structs.replace(built.settings, consent=CONSENT))
    yield shop
    shop.close()


def track(client: Client, who: dict[str, str], role: str = "server", **preferences: Any) -> None:
    message = {
        "type": "track", "event": "Product Viewed", "messageId": f"m-{next(_ids)}", **who,
        "properties": {"product_id": "p-1"},
        "context": {"consent": {"categoryPreferences": preferences}, "location": HERE},
    }  # fmt: skip
    assert client.post("/v1/track", role=role, json=message).json() == {"success": True}


def causes(client: Client, **who: str) -> list[str]:
    body = {**who, "place": {"country": "DE"}}
    answer = client.post("/predict/churn", role="decide", json=body).json()
    return [each["cause"] for each in answer["permit"]["withheld"]]


def test_a_no_acts_on_the_next_decision_whoever_sends_it(client: Client) -> None:
    """Declared by the server, taken back in the browser."""
    track(client, {"userId": "u-1"}, Email=True)
    assert causes(client, subject="u-1") == []
    track(client, {"userId": "u-1", "anonymousId": "a-1"}, "browser", Email=False)
    assert causes(client, subject="u-1") == ["consent_withdrawn"]
    assert causes(client, anonymous_id="a-1") == ["consent_refused"]
    track(client, {"userId": "u-1"}, Email=True)
    assert causes(client, subject="u-1") == []


def test_a_yes_counts_where_it_was_said(client: Client) -> None:
    """Said in the United States, or nobody says where (then at the shop's own place, also there): no yes in Germany."""
    message = {"type": "track", "event": "Product Viewed", "properties": {"product_id": "p-1"}}
    consent = {"consent": {"categoryPreferences": {"Email": True}}}
    for who, more in (("u-8", {"location": {"country": "US"}}), ("u-9", {})):
        body = {**message, "userId": who, "messageId": f"m-{next(_ids)}", "context": {**consent, **more}}
        assert client.post("/v1/track", role="server", json=body).json() == {"success": True}
        assert causes(client, subject=who) == ["consent_missing"]


def test_a_browser_speaks_for_its_visitor_only(client: Client) -> None:
    """The browser key is public: it cannot say yes for a customer, nor carry a visitor's yes over."""
    track(client, {"userId": "u-2", "anonymousId": "a-2"}, "browser", Email=True)
    assert causes(client, subject="u-2") == ["consent_missing"]
    assert causes(client, anonymous_id="a-2") == []


def test_the_newest_of_a_batch_counts_and_what_cannot_be_read_blocks_nothing(client: Client, shop: ToyShop) -> None:
    """Per person one choice; strange preferences change nothing, the events are kept."""

    def message(when: str, preferences: Any) -> dict[str, Any]:
        return {
            "type": "track", "event": "Product Viewed", "userId": "u-3", "messageId": f"m-{next(_ids)}",
            "timestamp": when, "properties": {"product_id": "p-1"},
            "context": {"consent": {"categoryPreferences": preferences}, "location": HERE},
        }  # fmt: skip

    batch = [
        message("2026-01-02T00:00:00Z", {"Email": True}), message("2026-01-01T00:00:00Z", {"Email": False}),
        message("2026-01-03T00:00:00Z", "all"), message("2026-01-03T00:00:00Z", {"Email": "yes"}),
    ]  # fmt: skip
    assert client.post("/v1/batch", role="server", json={"batch": batch}).status_code == 200
    assert causes(client, subject="u-3") == []
    with shop.store.snapshot() as snapshot:
        assert snapshot.one("SELECT count(*) FROM events") == (4,)


def test_repeating_a_choice_on_every_event_writes_it_once(client: Client, shop: ToyShop) -> None:
    """Segment's wrapper stamps every call; the ledger does not grow with them."""
    for _ in range(5):
        track(client, {"userId": "u-4"}, Email=False, Ads=False)
    with shop.store.snapshot() as snapshot:
        assert snapshot.one("SELECT count(*) FROM consents") == (2,)


BORN = f"{datetime.now(UTC).year - 15}-01-01"
"""Whoever was born on this day is 15 all year."""


@pytest.mark.parametrize("traits", [{"age": 15}, {"birthday": BORN}, {"birthday": f"{BORN}T00:00:00Z"}])
def test_an_age_told_with_identify_binds_and_is_not_kept(client: Client, shop: ToyShop, traits: Any) -> None:
    """The band goes into the ledger, age and birth date nowhere; only a server may tell it."""
    track(client, {"userId": "u-5"}, Email=True)
    told = {"type": "identify", "userId": "u-5", "traits": {**traits, "country": "DE"}}
    assert client.post("/v1/identify", role="browser", json={**told, "messageId": "i-1"}).status_code == 200
    assert causes(client, subject="u-5") == []
    assert client.post("/v1/identify", role="server", json={**told, "messageId": "i-2"}).status_code == 200
    assert causes(client, subject="u-5") == ["guardian_missing"]
    with shop.store.snapshot() as snapshot:
        assert snapshot.one("SELECT age FROM consents WHERE purpose = 'age'") == (15,)
        kept = str(snapshot.all("SELECT body FROM events")) + str(snapshot.all("SELECT * FROM traits"))
    assert "birthday" not in kept
    assert BORN not in kept


@pytest.mark.parametrize("traits", [{"age": "old"}, {"age": -1}, {"age": True}, {"birthday": "soon"}, {"birthday": 7}])
def test_an_age_that_makes_no_sense_is_left_out(client: Client, shop: ToyShop, traits: Any) -> None:
    """Nothing is guessed, nothing is blocked."""
    told = {"type": "identify", "userId": "u-6", "messageId": "i-3", "traits": traits}
    assert client.post("/v1/identify", role="server", json=told).json() == {"success": True}
    with shop.store.snapshot() as snapshot:
        assert snapshot.one("SELECT count(*) FROM consents") == (0,)
