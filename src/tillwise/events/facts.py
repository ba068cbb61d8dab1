"""Facts: what an event becomes for features, one row of integers per event and per product line.

The event itself is line 0 and carries the totals; each product of its `products` list is a line ≥ 1 whose `type` is
the type's line code. Every value is an int64 (minor units, milliseconds, counts, 0/1) or a code (vocabulary/codes.py).
"""

from __future__ import annotations

from typing import Final, NamedTuple

POSITION: Final = ("epoch", "at", "seq", "line")
CONTEXT: Final = ("type", "purposes", "simulated")
"""`type` is an event type's code, `purposes` the mask of what the row may be read for, `simulated` 0 or 1."""
PERSON_KEYS: Final = ("subject", "device", "card", "ip", "address", "email")
"""Keys that lead to a person: readable for fraud_prevention only, but for `subject`."""
HOT_KEYS: Final = ("item", "merchant", "shop")
"""Keys that gather without limit; `shop` is the constant 0: the whole log. They read the subject-free stream."""
DIMENSIONS: Final = (
    "order_ref", "category", "brand", "kind", "method", "billing_country", "shipping_country", "place",
)  # fmt: skip
MEASURES: Final = ("amount", "quantity", "discount", "flag")
"""`amount` minor units; `quantity` units; `discount` minor units; `flag` a type's own 0/1, such as a mismatch."""

STREAM_COLUMNS: Final = (*POSITION, *CONTEXT, "item", "merchant", "shop", *DIMENSIONS, *MEASURES)
"""What the subject-free stream holds."""
FACT_COLUMNS: Final = (*POSITION, *CONTEXT, *PERSON_KEYS, *HOT_KEYS, *DIMENSIONS, *MEASURES)


class Fact(NamedTuple):
    """One row for features, in the order of FACT_COLUMNS; `epoch`, `at` and `seq` are set by the log."""

    epoch: int
    at: int
    seq: int
    line: int
    type: int
    purposes: int
    simulated: int
    subject: int | None = None
    device: int | None = None
    card: int | None = None
    ip: int | None = None
    address: int | None = None
    email: int | None = None
    item: int | None = None
    merchant: int | None = None
    shop: int = 0
    order_ref: int | None = None
    category: int | None = None
    brand: int | None = None
    kind: int | None = None
    method: int | None = None
    billing_country: int | None = None
    shipping_country: int | None = None
    place: int | None = None
    amount: int | None = None
    quantity: int | None = None
    discount: int | None = None
    flag: int | None = None
