"""Service, stock, prices, shipments, reviews and offers."""

from __future__ import annotations

from tillwise.events import properties as p
from tillwise.events.event_type import ALL_PERSONAL, EventType, Sender
from tillwise.events.properties import Kind, Property, Sensitivity
from tillwise.vocabulary.purpose import Purpose

_SERVICE = frozenset({Purpose.SERVICE, Purpose.OPERATIONS, Purpose.TRAIN})
_REVIEW = frozenset(
    {Purpose.RECOMMEND, Purpose.SEARCH, Purpose.MARKETING, Purpose.SERVICE, Purpose.MODERATION, Purpose.OPERATIONS,
     Purpose.TRAIN}
)  # fmt: skip
_OFFER = frozenset({Purpose.MARKETING, Purpose.PRICE, Purpose.RECOMMEND, Purpose.OPERATIONS, Purpose.TRAIN})
_CONTENT = "user.content.private"

_TICKET = Property(("ticket_id",), Kind.ID, "user.content", "the ticket", required=True)
_CHANNEL = Property(("channel",), Kind.ID, "user.content", "e-mail, chat, phone", column="method")
_TOPIC = Property(("category", "topic"), Kind.ID, "user.content", "topic of the ticket", column="kind")
_BODY = Property(("text", "message"), Kind.TEXT, _CONTENT, "what the person wrote", Sensitivity.PERSONAL)
_SATISFACTION = Property(
    ("satisfaction", "csat"), Kind.INTEGER, "user.content", "satisfaction, 1 to 5", unit="points", column="quantity"
)
_LOCATION = Property(
    ("location", "warehouse"),
    Kind.ID,
    "system.operations",
    "where the stock lies",
    Sensitivity.ANONYMOUS,
    column="kind",
)
_ON_HAND = Property(
    ("quantity", "in_stock"), Kind.INTEGER, "system.operations", "units on hand now", Sensitivity.ANONYMOUS,
    required=True, unit="units", column="quantity", negative=True,
)  # fmt: skip
_NEW_PRICE = Property(
    ("price",), Kind.MONEY, "system.operations", "the new price", Sensitivity.ANONYMOUS, required=True, unit="minor",
    column="amount",
)  # fmt: skip
_LATE = Property(("late",), Kind.BOOLEAN, "system.operations", "delivered after the promised day", column="flag")
_CARRIER = Property(("carrier",), Kind.ID, "system.operations", "who delivered", column="method")
_RATING = Property(("rating",), Kind.INTEGER, "user.content.public", "stars", unit="stars", column="quantity")
_REVIEW_ID = Property(("review_id",), Kind.ID, "user.content.public", "the review")
_REVIEW_BODY = Property(
    ("review_body", "text"), Kind.TEXT, "user.content.public", "what the person wrote", Sensitivity.PERSONAL
)
_OFFER_ID = Property(("offer_id", "campaign_id"), Kind.ID, "user.behavior", "the offer", required=True, column="kind")
_WORTH = Property(
    ("discount", "value"), Kind.MONEY, "user.behavior", "worth of the offer", unit="minor", column="discount"
)
_ITEM = p.required(p.ITEM)

SERVICE = (
    EventType(300, "Ticket Opened", "a person asked for help", (_TICKET, _CHANNEL, _TOPIC, p.ORDER_ID, _BODY, p.PLACE),
              _SERVICE, Sender.SERVER, category=_CONTENT),
    EventType(301, "Ticket Resolved", "a ticket was closed", (_TICKET, _CHANNEL, _TOPIC, p.ORDER_ID, _SATISFACTION),
              _SERVICE, Sender.SERVER, category=_CONTENT),
)  # fmt: skip
OPERATIONS = (
    EventType(400, "Inventory Changed", "stock on hand changed", (_ITEM, _ON_HAND, _LOCATION), ALL_PERSONAL,
              Sender.SERVER, person=False, category="system.operations"),
    EventType(401, "Price Changed", "a price changed", (_ITEM, _NEW_PRICE, p.CURRENCY), ALL_PERSONAL,
              Sender.SERVER, person=False, category="system.operations"),
    EventType(402, "Shipment Delivered", "a parcel arrived",
              (p.required(p.ORDER_ID), _LATE, _CARRIER, p.LINES, p.PLACE), _SERVICE | {Purpose.MARKETING},
              Sender.SERVER, flag="1 when it came after the promised day", category="user.behavior.purchase_history"),
)  # fmt: skip
REVIEWS = (
    EventType(403, "Review Submitted", "a person rated a product", (_ITEM, p.CATEGORY, p.BRAND, _RATING, _REVIEW_ID,
              _REVIEW_BODY), _REVIEW, Sender.SERVER, category="user.content.public"),
    EventType(404, "Product Reviewed", "the same, as the e-commerce spec names it", (_ITEM, p.CATEGORY, p.BRAND,
              _RATING, _REVIEW_ID, _REVIEW_BODY), _REVIEW, Sender.SERVER, category="user.content.public"),
)  # fmt: skip
OFFERS = (
    EventType(500, "Offer Shown", "an offer reached a person", (_OFFER_ID, p.ITEM, _WORTH, p.CURRENCY, p.PLACE), _OFFER,
              Sender.SERVER, category="user.behavior"),
    EventType(501, "Offer Redeemed", "an offer was used", (_OFFER_ID, p.ITEM, p.ORDER_ID, _WORTH, p.CURRENCY, p.PLACE),
              _OFFER, Sender.SERVER, category="user.behavior"),
)  # fmt: skip
