"""Event types are a promise: codes never change, every property is classed, and each says where it goes."""

from __future__ import annotations

import pytest

from tillwise.errors import InvalidInput
from tillwise.events.event_type import Sender
from tillwise.events.facts import FACT_COLUMNS, PERSON_KEYS
from tillwise.events.page import event_types_page
from tillwise.events.properties import Kind, Property, Sensitivity
from tillwise.events.types import EVENT_TYPES, event_code, line_code, name_of, needs_server_key, purposes_of
from tillwise.vocabulary.purpose import Purpose

CODES = {
    "Product Viewed": 1, "Product Clicked": 2, "Product List Viewed": 3, "Product List Filtered": 4,
    "Products Searched": 5, "Product Added": 6, "Product Removed": 7, "Cart Viewed": 8,
    "Product Added to Wishlist": 9, "Product Removed from Wishlist": 10, "Promotion Viewed": 11,
    "Promotion Clicked": 12, "Product Shared": 13, "Cart Shared": 14, "Wishlist Product Added to Cart": 15,
    "Page": 20, "Identify": 21, "Alias": 22, "Signed Up": 23,
    "Checkout Started": 100, "Order Completed": 101, "Order Updated": 102, "Order Refunded": 103,
    "Order Cancelled": 104, "Checkout Step Viewed": 105, "Checkout Step Completed": 106,
    "Coupon Entered": 110, "Coupon Applied": 111, "Coupon Denied": 112, "Coupon Removed": 113,
    "Payment Attempted": 200, "Chargeback Received": 201, "Payment Info Entered": 202,
    "Ticket Opened": 300, "Ticket Resolved": 301,
    "Inventory Changed": 400, "Price Changed": 401, "Shipment Delivered": 402, "Review Submitted": 403,
    "Product Reviewed": 404, "Offer Shown": 500, "Offer Redeemed": 501,
}  # fmt: skip
SEGMENT = (
    "Products Searched", "Product List Viewed", "Product List Filtered", "Promotion Viewed", "Promotion Clicked",
    "Product Clicked", "Product Viewed", "Product Added", "Product Removed", "Cart Viewed", "Checkout Started",
    "Checkout Step Viewed", "Checkout Step Completed", "Payment Info Entered", "Order Completed", "Order Updated",
    "Order Refunded", "Order Cancelled", "Coupon Entered", "Coupon Applied", "Coupon Denied", "Coupon Removed",
    "Product Added to Wishlist", "Product Removed from Wishlist", "Wishlist Product Added to Cart", "Product Shared",
    "Cart Shared", "Product Reviewed",
)  # fmt: skip
CATEGORIES = {
    "system.operations", "user.account", "user.behavior", "user.behavior.browsing_history",
    "user.behavior.purchase_history", "user.behavior.search_history", "user.contact.address.country",
    "user.contact.address.mailing_address", "user.contact.email", "user.content", "user.content.private",
    "user.content.public", "user.demographic.age_range", "user.demographic.language", "user.demographic.profile",
    "user.device.device_id", "user.device.ip_address", "user.financial.credit_card", "user.location.coarse",
    "user.payment",
}  # fmt: skip
DECLARED = [(t.name, p) for t in EVENT_TYPES.values() for p in (*t.properties, *t.line)]


def test_codes_never_change() -> None:
    """A stored row's type code means the same for ever; a product line's code is a thousand more."""
    assert {name: event_code(name) for name in EVENT_TYPES} == CODES
    assert all(line_code(name) == code + 1000 for name, code in CODES.items())
    assert all(name_of(code) == name and name_of(code + 1000) == name for name, code in CODES.items())


def test_the_types_of_the_contract_exist_and_an_unknown_one_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="Order Complete"):
        event_code("Order Complete")
    with pytest.raises(InvalidInput):
        name_of(999)


@pytest.mark.parametrize(("name", "declared"), DECLARED, ids=[f"{name}.{p.name}" for name, p in DECLARED])
def test_every_property_is_classed(name: str, declared: Property) -> None:
    """Each property has a fideslang key, a meaning, and a known column; money and its columns have a unit."""
    assert declared.category in CATEGORIES
    assert declared.meaning
    assert declared.column in ("", *FACT_COLUMNS)
    assert declared.kind is not Kind.MONEY or declared.unit == "minor"
    if declared.column in PERSON_KEYS:
        assert declared.sensitivity is Sensitivity.PERSONAL


def test_no_name_means_two_things_within_a_type() -> None:
    """Two properties of one type never claim the same name, nor two of them the same fact column."""
    for declared in EVENT_TYPES.values():
        for properties in (declared.properties, declared.line):
            names = [name for p in properties for name in p.names]
            assert len(names) == len(set(names)), declared.name
            columns = [p.column for p in properties if p.column]
            assert len(columns) == len(set(columns)), declared.name


def test_a_browser_may_send_behaviour_only() -> None:
    """Whatever moves money, stock or trust needs a server key."""
    browser = {t.name for t in EVENT_TYPES.values() if t.sender is Sender.BROWSER}
    assert browser == {name for name, code in CODES.items() if code < 22}
    assert needs_server_key("Payment Attempted")
    assert not needs_server_key("Product Viewed")


def test_payments_may_be_read_to_prevent_fraud_and_never_to_sell() -> None:
    for name in ("Payment Attempted", "Chargeback Received", "Payment Info Entered"):
        assert purposes_of(name) & Purpose.FRAUD_PREVENTION.bit
        assert purposes_of(name) & Purpose.TRAIN.bit
        assert not purposes_of(name) & (Purpose.MARKETING.bit | Purpose.RECOMMEND.bit | Purpose.PRICE.bit)


def test_every_type_of_the_ecommerce_spec_exists() -> None:
    """What a shop's tracking plan takes from the public specification is not dropped as unknown."""
    assert set(SEGMENT) <= set(EVENT_TYPES)


def test_what_one_of_is_needed_is_declared() -> None:
    for declared in EVENT_TYPES.values():
        assert set(declared.one_of) <= {p.name for p in declared.properties if p.stored}


def test_every_kind_of_own_event_feeds_the_columns_fraud_needs() -> None:
    """Payment Attempted and Chargeback Received feed the person-like keys, the merchant, amounts and countries."""
    payment = {p.column for p in EVENT_TYPES["Payment Attempted"].properties}
    assert payment >= {"device", "card", "ip", "address", "email", "merchant", "amount", "billing_country",
                       "shipping_country", "method", "kind", "order_ref"}  # fmt: skip
    chargeback = {p.column for p in EVENT_TYPES["Chargeback Received"].properties}
    assert chargeback >= {"card", "device", "merchant", "order_ref", "amount"}


def test_the_page_names_every_type_and_every_property() -> None:
    """The page is written from the declarations, so nothing that is accepted can be missing from it."""
    page = event_types_page()
    sections = dict(part.split("\n", 1) for part in page.split("\n## ")[1:])
    assert set(sections) == {"A line of `products`", *EVENT_TYPES}
    for declared in EVENT_TYPES.values():
        text = sections[declared.name]
        assert f"Code {declared.code}," in text
        assert all(f"`{name}`" in text for each in declared.properties for name in each.names)
    assert "| `product_id` (required) | `item_id`, `sku` | id |" in page
