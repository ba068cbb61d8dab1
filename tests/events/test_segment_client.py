"""The unmodified segment-analytics-python client: every message it builds is understood."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from segment.analytics.client import Client
from segment.analytics.request import DatetimeSerializer

from tillwise.events.event import Dropped, Event
from tillwise.events.ingest import read_body, read_message
from tillwise.vocabulary.clock import wall_now


@pytest.fixture
def client() -> Client:
    return Client("write-key", send=False)


def deliver(*messages: tuple[bool, dict[str, Any]]) -> list[Any]:
    """Post the messages as the client's own consumer would, and read the body back."""
    assert all(ok for ok, _ in messages)
    body = {"batch": [message for _, message in messages], "sentAt": datetime.now(UTC).isoformat(),
            "writeKey": "write-key"}  # fmt: skip
    delivery = read_body(json.dumps(body, cls=DatetimeSerializer).encode(), "batch")
    assert delivery.write_key == "write-key"
    return [read_message(message, received=wall_now(), sent_at=delivery.sent_at) for message in delivery.messages]


def test_every_call_of_the_client_is_understood(client: Client) -> None:
    """track, identify, page and alias become events with the client's own message ids; group and screen are counted."""
    read = deliver(
        client.track("u-1", "Order Completed", {"order_id": "o", "total": Decimal("19.99"), "currency": "EUR",
                                                "products": [{"product_id": "p", "price": 19.99, "quantity": 1}]}),
        client.identify("u-1", {"createdAt": datetime(2020, 1, 1, tzinfo=UTC), "plan": "gold"}, anonymous_id="a"),
        client.page("u-1", "Start", "Home", {"path": "/"}),
        client.alias("a", "u-1"),
        client.group("u-1", "g-1"),
        client.screen("u-1", "Start", "Home"),
    )  # fmt: skip
    assert [each.type for each in read[:4]] == ["Order Completed", "Identify", "Page", "Alias"]
    assert read[4:] == [Dropped(counter="group"), Dropped(counter="screen")]
    assert all(isinstance(each, Event) and each.message_id and each.undeclared == () for each in read[:4])
    assert read[0].lines[0].amount == 1999
    assert read[1].body == {"created_at": 1577836800000, "loyalty_tier": "gold"}
    assert (read[1].user_id, read[1].anonymous_id) == ("u-1", "a")
    assert (read[3].previous_id, read[3].user_id) == ("a", "u-1")


def test_numbers_as_user_ids_and_old_timestamps_arrive_as_meant(client: Client) -> None:
    """The client turns numbers into text; an explicit timestamp stays the time it names."""
    when = datetime.now(UTC) - timedelta(days=400)
    (event,) = deliver(client.track(17, "Product Viewed", {"product_id": 5}, timestamp=when))
    assert event.user_id == "17"
    assert abs(event.ts - when.timestamp() * 1000) < 60_000
