"""Transactions: checkout, orders, refunds, coupons, payments, chargebacks. Only a server key may send these."""

from __future__ import annotations

from tillwise.events import properties as p
from tillwise.events.event_type import ALL_PERSONAL, EventType, Sender
from tillwise.events.properties import Kind, Property, Sensitivity
from tillwise.vocabulary.purpose import Purpose

MISMATCH = "1 when billing and shipping country are both known and differ"
_PURCHASE = "user.behavior.purchase_history"
_FRAUD = frozenset({Purpose.FRAUD_PREVENTION, Purpose.OPERATIONS, Purpose.TRAIN})
_ORDER = (p.required(p.ORDER_ID), p.CHECKOUT_ID, p.AFFILIATION, p.TOTAL, p.SHIPPING_COST, p.TAX, p.DISCOUNT, p.COUPON,
          p.CURRENCY, p.LINES, p.PAYMENT_METHOD, p.BILLING_COUNTRY, p.SHIPPING_COUNTRY, p.PLACE, p.DEVICE,
          p.ADDRESS, p.EMAIL)  # fmt: skip
_REASON = Property(("reason", "reason_code"), Kind.ID, "user.behavior.purchase_history", "why", column="kind")
_COUPON = (
    Property(("coupon_id",), Kind.ID, "user.behavior.purchase_history", "the coupon", required=True, column="kind"),
    Property(("coupon_name",), Kind.TEXT, "user.behavior.purchase_history", "name of the coupon", stored=False),
    p.ORDER_ID, p.CART_ID, p.DISCOUNT, p.CURRENCY,
)  # fmt: skip
_STATUS = Property(
    ("status", "outcome"), Kind.ID, "user.payment", "outcome, such as authorised, declined, failed", column="kind"
)
_BIN = Property(("bin",), Kind.ID, "user.financial.credit_card", "first digits of the card", Sensitivity.PERSONAL)
_AMOUNT = Property(
    ("amount", "total", "revenue", "value"), Kind.MONEY, "user.payment", "amount", unit="minor", column="amount"
)


_STEP = Property(("step",), Kind.INTEGER, _PURCHASE, "number of the step, 1 = first", unit="rank")
_SHIPPING_METHOD = Property(("shipping_method",), Kind.ID, _PURCHASE, "how it is to be sent")
_CHECKOUT_STEP = (p.CHECKOUT_ID, _STEP, _SHIPPING_METHOD, p.PAYMENT_METHOD, p.PLACE)


def _order(code: int, name: str, meaning: str, *properties: Property, flag: str = "") -> EventType:
    return EventType(code, name, meaning, properties, ALL_PERSONAL, Sender.SERVER, flag=flag, category=_PURCHASE)


ORDERS = (
    EventType(100, "Checkout Started", "a checkout began", (p.ORDER_ID, *_ORDER[1:]), ALL_PERSONAL, Sender.SERVER,
              flag=MISMATCH, category=_PURCHASE),
    _order(101, "Order Completed", "an order was placed", *_ORDER, flag=MISMATCH),
    _order(102, "Order Updated", "an order was changed", *_ORDER, flag=MISMATCH),
    _order(103, "Order Refunded", "money went back, for the order or the lines named", *_ORDER, _REASON),
    _order(104, "Order Cancelled", "an order was called off", *_ORDER, _REASON),
    _order(105, "Checkout Step Viewed", "a step of the checkout was opened", *_CHECKOUT_STEP),
    _order(106, "Checkout Step Completed", "a step of the checkout was done", *_CHECKOUT_STEP),
    _order(110, "Coupon Entered", "a coupon was typed in", *_COUPON),
    _order(111, "Coupon Applied", "a coupon took effect", *_COUPON),
    _order(112, "Coupon Denied", "a coupon was refused", *_COUPON,
           Property(("reason",), Kind.TEXT, "user.behavior.purchase_history", "why it was refused")),
    _order(113, "Coupon Removed", "a coupon was taken off", *_COUPON),
)  # fmt: skip

_PAID_FOR = ("order_id", "card_hash", "amount")
"""A payment, or its return, is about an order, a card or an amount; about none of them it is about nothing."""
PAYMENTS = (
    EventType(
        200, "Payment Attempted", "a payment was tried, whatever came of it",
        (p.ORDER_ID, _AMOUNT, p.CURRENCY, p.PAYMENT_METHOD, _STATUS, p.DEVICE, p.CARD, _BIN, p.IP, p.ADDRESS, p.EMAIL,
         p.MERCHANT, p.BILLING_COUNTRY, p.SHIPPING_COUNTRY, p.PLACE),
        _FRAUD, Sender.SERVER, flag=MISMATCH, category="user.payment", one_of=_PAID_FOR,
    ),
    EventType(
        201, "Chargeback Received", "the bank took a payment back",
        (p.ORDER_ID, _AMOUNT, p.CURRENCY, _REASON, p.DEVICE, p.CARD, p.ADDRESS, p.EMAIL, p.MERCHANT, p.PLACE),
        _FRAUD, Sender.SERVER, category="user.payment", one_of=_PAID_FOR,
    ),
    EventType(
        202, "Payment Info Entered", "how to pay was chosen in the checkout", (p.ORDER_ID, *_CHECKOUT_STEP), _FRAUD,
        Sender.SERVER, category="user.payment",
    ),
)  # fmt: skip
