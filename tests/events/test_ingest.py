"""Reading Segment messages: valid ones become events, broken ones say why, none disturbs another."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.errors import InvalidInput
from tillwise.events.event import Dropped, Event, Quarantined
from tillwise.events.facts import MEASURES
from tillwise.events.ingest import KINDS, read_body, read_message
from tillwise.events.types import event_code, line_code
from tillwise.vocabulary.codes import code_of

NOW = 1_795_253_400_000


def track(event: str, properties: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": event,
        "userId": "u-17",
        "messageId": "m-1",
        "properties": properties or {},
        **rest,
    }


def read(message: Any, **rest: Any) -> Event:
    result = read_message(message, received=NOW, **rest)
    assert isinstance(result, Event), result
    return result


def refuse(message: Any, **rest: Any) -> Quarantined:
    result = read_message(message, received=NOW, **rest)
    assert isinstance(result, Quarantined), result
    return result


ORDER = {
    "checkout_id": "c-1", "order_id": "o-1", "affiliation": "web", "total": 27.50, "subtotal": 22.50, "revenue": 25.0,
    "shipping": 3, "tax": 2, "discount": 2.5, "coupon": "hasbros", "currency": "EUR",
    "products": [
        {"product_id": "p-1", "sku": "45790-32", "name": "Board game", "price": 19, "quantity": 1, "category": "Games",
         "url": "https://www.example.com/p-1", "image_url": "https://www.example.com/p-1.jpg"},
        {"product_id": "p-2", "sku": "46493-32", "name": "Card game", "price": 3.25, "quantity": 2,
         "category": "Games"},
    ],
}  # fmt: skip


def test_the_specifications_own_order_becomes_totals_and_lines() -> None:
    """Line 0 holds the order's total, each product its own line with quantity × price; names and links are not kept."""
    event = read(track("Order Completed", ORDER))
    total, first, second = event.lines
    assert (total.line, total.type, total.amount, total.quantity, total.discount) == (
        0, event_code("Order Completed"), 2750, 3, 250)  # fmt: skip
    assert (first.line, first.type, first.item, first.amount) == (
        1, line_code("Order Completed"), code_of("p-1"), 1900)  # fmt: skip
    assert (second.amount, second.quantity, second.category) == (650, 2, code_of("Games"))
    assert event.order_id == "o-1"
    assert event.body["products"][0] == {"product_id": "p-1", "price": 1900, "quantity": 1, "category": "Games"}
    assert event.undeclared == ()
    assert {"p-1", "p-2", "Games", "web"} <= set(event.texts)


def test_an_order_without_a_total_is_the_sum_of_its_lines() -> None:
    properties = {"order_id": "o", "products": [{"product_id": "a", "line_total": "1.10", "quantity": 3},
                                                {"product_id": "b", "price": 2, "quantity": 2}]}  # fmt: skip
    assert read(track("Order Completed", properties)).lines[0].amount == 510


def test_the_first_name_of_a_property_wins_whatever_the_order() -> None:
    for properties in ({"revenue": 1, "total": 2, "order_id": "o"}, {"total": 2, "revenue": 1, "order_id": "o"}):
        assert read(track("Order Completed", properties)).lines[0].amount == 200
    assert read(track("Product Viewed", {"sku": "s", "product_id": "p"})).lines[0].item == code_of("p")
    assert read(track("Product Viewed", {"sku": "s"})).lines[0].item == code_of("s")


def test_zero_quantity_is_kept_and_flagged() -> None:
    event = read(track("Order Completed", {"order_id": "o", "products": [
        {"product_id": "a", "price": 2, "quantity": 0}, {"product_id": "b", "price": 0, "quantity": 1}]}))  # fmt: skip
    assert event.flags == ("zero_quantity", "zero_value")
    assert [line.flag for line in event.lines] == [None, 1, 1]


def test_a_payment_feeds_every_person_like_key_and_says_whether_the_countries_differ() -> None:
    properties = {"order_id": "o", "amount": 59.90, "method": "card", "status": "declined", "card_hash": "b1",
                  "bin": "411111", "address_hash": "a1", "email": "Ann@Example.com", "terminal_id": "t-9",
                  "billing_country": "DE", "shipping_country": "pl"}  # fmt: skip
    event = read(track("Payment Attempted", properties, context={"ip": "192.0.2.9", "device": {"id": "d-3"}}))
    assert event.people == {"card": "b1", "address": "a1", "email": "ann@example.com", "ip": "192.0.2.9",
                            "device": "d-3"}  # fmt: skip
    (line,) = event.lines
    assert (line.amount, line.flag, line.kind, line.method, line.merchant) == (
        5990, 1, code_of("declined"), code_of("card"), code_of("t-9"))  # fmt: skip
    assert (line.billing_country, line.shipping_country) == (code_of("DE"), code_of("PL"))
    assert not set(event.body) & {"card_hash", "email", "ip", "device_id", "address_hash"}


@pytest.mark.parametrize(
    ("countries", "flag"),
    [({"billing_country": "DE", "shipping_country": "DE"}, 0), ({"billing_country": "DE"}, None), ({}, None)],
)
def test_a_mismatch_needs_both_countries(countries: dict[str, str], flag: int | None) -> None:
    assert read(track("Payment Attempted", {"amount": 1, **countries})).lines[0].flag == flag


def test_behaviour_keeps_no_address_of_the_internet() -> None:
    """A product view carries an IP in its context; nothing needs it, so nothing keeps it."""
    event = read(track("Product Viewed", {"product_id": "p"}, context={"ip": "192.0.2.9", "device": {"id": "d"}}))
    assert event.people == {}
    assert "192.0.2.9" not in repr(event)


def test_amounts_in_another_currency_never_enter_a_sum() -> None:
    """They stay in the body, in their own minor units, flagged; the measures are empty."""
    event = read(track("Order Completed", {"order_id": "o", "total": 500, "currency": "JPY"}), currency="EUR")
    assert event.flags == ("foreign_currency",)
    assert event.lines[0].amount is None
    assert (event.body["total"], event.body["currency"]) == (500, "JPY")


@pytest.mark.parametrize(
    ("message", "field", "reason"),
    [
        ([], "", "object"),
        ({"type": "trick", "userId": "u"}, "type", "track, identify"),
        ({"type": "track", "userId": "u"}, "event", "names its event"),
        ({"type": "track", "userId": "u", "event": 5}, "event", "names its event"),
        ({"type": "page", "properties": {}}, "userId", "neither"),
        ({"type": "track", "event": "Product Viewed", "userId": "", "anonymousId": None}, "userId", "neither"),
        (track("Product Viewed", {}), "product_id", "missing"),
        (track("Product Viewed", {"product_id": "a\x00"}), "product_id", "control"),
        (track("Product Viewed", {"product_id": "p", "price": -1}), "price", "negative"),
        (track("Product Viewed", {"product_id": "p", "price": 1.234}), "price", "decimals"),
        (track("Product Viewed", {"product_id": "p", "price": 1, "currency": "euros"}), "currency", "three letters"),
        (track("Product Viewed", {"product_id": "p", "quantity": -2}), "quantity", "negative"),
        (track("Product Viewed", {"product_id": "p", "price": 1e12, "quantity": 10**6}), "price", "larger"),
        (track("Product Viewed", {"product_id": "p", "place": "Germany"}), "country", "two letters"),
        (track("Product Viewed", "no"), "properties", "object"),
        (track("Order Completed", {"order_id": "o", "products": {}}), "products", "list"),
        (track("Order Completed", {"order_id": "o", "products": [1]}), "products[0]", "object"),
        (track("Order Completed", {"order_id": "o", "products": [{"product_id": "p"}, {"price": 1}]}),
         "products[1].product_id", "missing"),
        (track("Payment Attempted", {"amount": 1, "ip": "300.1.1.1"}), "ip", "internet address"),
        (track("Payment Attempted", {}), "order_id", "at least one of order_id, card_hash, amount"),
        (track("Payment Attempted", {}, context={"ip": "192.0.2.9"}), "order_id", "at least one of"),
        (track("Chargeback Received", {"reason": "fraud"}), "order_id", "at least one of"),
        (track("Payment Attempted", {"amount": 5, "currency": "XXQ"}), "currency", "ISO 4217"),
        (track("Product Viewed", {"product_id": "p"}, userId="x" * 201), "userId", "200"),
        (track("Product Viewed", {"product_id": "p"}, messageId={"a": 1}), "messageId", "text"),
        (track("Product Viewed", {"product_id": "p"}, timestamp="soon"), "timestamp", "time"),
        (track("Product Viewed", {"product_id": "p"}, timestamp="1989-12-31T23:59:59Z"), "timestamp", "1990"),
        (track("Product Viewed", {"product_id": "p"}, timestamp="2027-01-01T00:00:00Z"), "timestamp", "ahead"),
        (track("Product Viewed", {"product_id": "p"}, sentAt=5, timestamp="2026-11-21T00:00:00Z"), "sentAt", "time"),
        ({"type": "alias", "userId": "u"}, "previousId", "previousId"),
        ({"type": "alias", "previousId": "a"}, "previousId", "userId"),
    ],
)  # fmt: skip
def test_what_breaks_its_declaration_is_quarantined_with_field_and_reason(
    message: Any, field: str, reason: str
) -> None:
    refused = refuse(message)
    assert refused.field == field
    assert reason in refused.reason


def test_quarantine_keeps_what_parsed_and_nothing_personal() -> None:
    refused = refuse(track("Payment Attempted", {
        "status": "declined", "card_hash": "secret-card", "email": "ann@example.com", "order_id": "o-1",
        "merchant_id": "m", "amount": -1}))  # fmt: skip
    assert refused.parsed == {"status": "declined", "merchant_id": "m"}
    assert "-1" not in refused.reason


def test_undeclared_properties_are_dropped_and_named() -> None:
    event = read(track("Product Viewed", {"product_id": "p", "Shoe Size": 42, "email": "ann@example.com"}))
    assert event.undeclared == ("Shoe Size", "email")
    assert "ann@example.com" not in repr(event.body)


@pytest.mark.parametrize(
    ("message", "counter"),
    [
        ({"type": "group", "userId": "u", "groupId": "g"}, "group"),
        ({"type": "screen", "userId": "u"}, "screen"),
        (track("Video Playback Started"), "unknown event: Video Playback Started"),
        (track("Identify"), "unknown event: Identify"),
        (track("x" * 5000), "unknown event: " + "x" * 100),
    ],
)
def test_what_is_not_stored_is_counted(message: dict[str, Any], counter: str) -> None:
    assert read_message(message, received=NOW) == Dropped(counter=counter)


def test_a_wrong_clock_is_corrected_by_when_the_message_was_sent() -> None:
    """timestamp = received − (sentAt − originalTimestamp): the sender's clock cancels out."""
    wrong = {"originalTimestamp": "2020-01-01T00:00:00Z", "sentAt": "2020-01-01T00:00:10Z"}
    assert read(track("Product Viewed", {"product_id": "p"}, **wrong)).ts == NOW - 10_000
    alone = track("Product Viewed", {"product_id": "p"}, timestamp="2026-11-21T09:29:00Z")
    assert read(alone).ts == NOW - 60_000
    assert read(alone, sent_at=NOW - 55_000).ts == NOW - 5_000
    assert read(track("Product Viewed", {"product_id": "p"})).ts == NOW


def test_a_browser_key_brings_behaviour_and_nothing_else() -> None:
    view = track("Product Viewed", {"product_id": "p"}, context={"source": "simulated"})
    assert not read(view, trusted=False).simulated
    assert read(view).simulated
    assert "server key" in refuse(track("Order Completed", ORDER), trusted=False).reason
    assert "server key" in refuse({"type": "alias", "userId": "u", "previousId": "a"}, trusted=False).reason
    identify = {"type": "identify", "userId": "u", "anonymousId": "a", "traits": {"loyalty_tier": "gold"}}
    assert read(identify, trusted=False).body == {}
    assert read(identify).body == {"loyalty_tier": "gold"}
    assert (read(identify, trusted=False).withheld, read(identify).withheld) == (1, 0)


def test_identify_and_page_read_their_own_fields() -> None:
    traits = {"createdAt": "2020-01-01T00:00:00Z", "address": {"country": "de", "street": "High Street 1"},
              "email": "Ann@Example.com", "name": "Ann"}  # fmt: skip
    event = read({"type": "identify", "userId": 17, "traits": traits})
    assert event.user_id == "17"
    assert event.body == {"country": "DE", "created_at": 1577836800000}
    assert event.people == {"email": "ann@example.com"}
    assert event.undeclared == ("name",)
    page = read({"type": "page", "anonymousId": "a", "name": "Home", "category": "Start",
                 "properties": {"path": "/", "url": "https://shop.example/?email=ann@example.com"}})  # fmt: skip
    assert page.body == {"name": "Home", "category": "Start", "path": "/"}


def test_a_body_is_one_message_or_a_batch_and_a_broken_one_names_its_field() -> None:
    assert read_body(b'{"userId":"u","event":"X"}', "track").messages == [
        {"userId": "u", "event": "X", "type": "track"}]  # fmt: skip
    delivery = read_body(
        b'{"batch":[{"type":"page"},5],"sentAt":"2026-11-21T09:30:00Z","writeKey":"k","context":{"ip":"192.0.2.1"}}',
        "batch",
    )
    assert (delivery.write_key, delivery.sent_at) == ("k", NOW)
    assert delivery.messages == [{"type": "page", "context": {"ip": "192.0.2.1"}}, 5]
    for body, field in [(b'{"batch":{}}', "batch"), (b"{}", "batch"), (b'{"batch":[],"sentAt":1}', "sentAt"),
                        (b'{"batch":[],"writeKey":1}', "writeKey"), (b"[]", ""), (b"{", ""), (b"", ""),
                        (b"\xff\xfe", ""), (b'{"batch":[],"n":' + b"9" * 5000 + b"}", ""),
                        (b"[" * 100_000 + b"]" * 100_000, "")]:  # fmt: skip
        with pytest.raises(InvalidInput) as error:
            read_body(body, "batch")
        assert error.value.field == field


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        (b'{"a":NaN}', "a", "not a finite number"),
        (b'{"batch":[{}, {"properties":{"price":-Infinity}}]}', "batch[1].properties.price", "JSON has no NaN"),
        (b'{"userId":"\\ud83d"}', "userId", "half a character"),
        (b'{"batch":[{"properties":{"\\udc00":1}}]}', "batch[0].properties", "half a character"),
        (b'{"a":1,\n "b" 2}', "", "line 2, column 6"),
        (b'{"a":"\xff"}', "", "UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "", "nested too deeply"),
    ],
)
def test_a_body_that_is_no_json_says_where_and_what_to_send(body: bytes, field: str, says: str) -> None:
    """No decoder's own words: neither a sender nor its support knows what `Input data was truncated` means."""
    with pytest.raises(InvalidInput, match=says) as error:
        read_body(body, "batch")
    assert error.value.field == field
    assert "truncated" not in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("product_id", "price", "quantity", "currency", "products", "order_id", "total", "email", "ip", "country",
          "query", "created_at", "late", "address", "device_id")  # fmt: skip
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "identify", "page", "alias", "group"]) | JSON},
    optional={
        "event": st.sampled_from(["Product Viewed", "Order Completed", "Payment Attempted", "Price Changed"]) | JSON,
        "userId": st.just("u") | JSON, "anonymousId": JSON, "messageId": JSON, "previousId": JSON, "context": JSON,
        "timestamp": JSON, "sentAt": JSON,
        "properties": st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6) | JSON,
        "traits": st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4) | JSON,
    },
)  # fmt: skip


@given(MESSAGES, st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_json_value_whatever_disturbs_the_reader(message: Any, trusted: bool) -> None:
    """Every message has one of three fates, and an event's rows hold only numbers the store can keep."""
    result = read_message(message, received=NOW, trusted=trusted)
    assert isinstance(result, Event | Quarantined | Dropped)
    if isinstance(result, Event):
        msgspec.json.encode(result.body)
        for line in result.lines:
            assert all(value is None or (type(value) is int and abs(value) < 2**63) for value in line)
            assert all(
                getattr(line, name) is None or getattr(line, name) >= 0 for name in MEASURES if name != "quantity"
            )


def test_a_recorded_request_of_analytics_js_is_understood() -> None:
    """What the browser library posts to /v1/t and /v1/p: no user yet, its own metadata, page and clock."""
    envelope = {
        "timestamp": "2026-11-21T09:29:59.000Z", "integrations": {}, "userId": None, "anonymousId": "8f0d-a-b-c",
        "context": {"page": {"path": "/p/1", "title": "Ann's basket", "url": "https://shop.example/p/1"},
                    "userAgent": "Mozilla/5.0", "locale": "de-DE", "library": {"name": "analytics.js",
                                                                               "version": "next-1.70.0"}},
        "messageId": "ajs-next-1795253399000-8f0d", "writeKey": "browser-key", "sentAt": "2026-11-21T09:29:59.500Z",
        "_metadata": {"bundled": ["Segment.io"], "unbundled": [], "bundledIds": []},
    }  # fmt: skip
    view = {**envelope, "type": "track", "event": "Product Viewed", "properties": {"product_id": "p-1", "price": 18.99}}
    page = {**envelope, "type": "page", "name": None, "category": None,
            "properties": {"path": "/p/1", "title": "Ann's basket", "referrer": "", "search": "?q=1",
                           "url": "https://shop.example/p/1?q=1"}}  # fmt: skip
    events = []
    for body, kind in ((view, KINDS["t"]), (page, KINDS["p"])):
        delivery = read_body(msgspec.json.encode(body), kind)
        assert delivery.write_key == "browser-key"
        events.append(read(delivery.messages[0], trusted=False))
    assert [event.anonymous_id for event in events] == ["8f0d-a-b-c"] * 2
    assert events[0].ts == NOW - 500
    assert events[0].lines[0].amount == 1899
    assert events[1].body == {"path": "/p/1"}
    assert all(event.undeclared == () for event in events)
