"""The properties events are made of: what each is called, what it is, how sensitive, and where it goes.

Names follow the Segment e-commerce spec v2 (twilio.com/docs/segment/connections/spec/ecommerce/v2). Data categories are
keys of the fideslang taxonomy (ethyca.github.io/fideslang). A property that is not declared here is not stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """What a value must look like."""

    ID = "id"
    """An opaque id of at most 200 characters, without control or invisible characters; numbers become text."""
    TEXT = "text"
    """Free text of at most 10 000 characters; line breaks and tabs are allowed."""
    INTEGER = "integer"
    MONEY = "money"
    """Decimal major units, converted to minor units by the currency's exponent."""
    TIMESTAMP = "timestamp"
    """RFC 3339; stored as Unix milliseconds."""
    COUNTRY = "country"
    """ISO 3166-1 alpha-2; stored in capitals."""
    CURRENCY = "currency"
    """ISO 4217."""
    BOOLEAN = "boolean"
    IP = "ip"
    EMAIL = "email"
    LINES = "lines"
    """The `products` list: one object per line."""


class Sensitivity(StrEnum):
    """How close a value is to a person."""

    ANONYMOUS = "anonymous"
    PSEUDONYMOUS = "pseudonymous"
    PERSONAL = "personal"
    SPECIAL = "special"


@dataclass(frozen=True, slots=True)
class Property:
    """One declared property.

    `names` are what senders may call it, the first is the canonical one; `context` is a path in the message's context
    that is read when no name is given, such as `ip`. `column` is the fact column it feeds ("" = body only). Columns of
    person-like keys are stored as keyed codes only, never in the body. `stored` False: known to the spec, not needed
    here, and so not kept.
    """

    names: tuple[str, ...]
    kind: Kind
    category: str
    meaning: str
    sensitivity: Sensitivity = Sensitivity.PSEUDONYMOUS
    required: bool = False
    unit: str = ""
    column: str = ""
    negative: bool = False
    context: str = ""
    stored: bool = True

    @property
    def name(self) -> str:
        """Return the canonical name."""
        return self.names[0]


def required(declared: Property) -> Property:
    """Return the same property, required."""
    return replace(declared, required=True)


def feeding(declared: Property, column: str) -> Property:
    """Return the same property feeding another fact column."""
    return replace(declared, column=column)


_PURCHASE = "user.behavior.purchase_history"
_BROWSING = "user.behavior.browsing_history"
_OPERATIONS = "system.operations"
_PAYMENT = "user.payment"

ITEM = Property(("product_id", "item_id", "sku"), Kind.ID, _BROWSING, "the product or variant", column="item")
CATEGORY = Property(("category",), Kind.ID, _BROWSING, "category of the product or list", column="category")
BRAND = Property(("brand",), Kind.ID, _BROWSING, "brand of the product", column="brand")
VARIANT = Property(("variant",), Kind.ID, _BROWSING, "variant, such as a colour or size")
PRICE = Property(
    ("price", "unit_price"), Kind.MONEY, _OPERATIONS, "price of one unit", Sensitivity.ANONYMOUS, unit="minor"
)
QUANTITY = Property(
    ("quantity",), Kind.INTEGER, _PURCHASE, "units; zero is kept and flagged", unit="units", column="quantity"
)
LINE_TOTAL = Property(
    ("line_total",),
    Kind.MONEY,
    _PURCHASE,
    "price of the whole line; else price × quantity",
    unit="minor",
    column="amount",
)
LINE_DISCOUNT = Property(("discount",), Kind.MONEY, _PURCHASE, "taken off this line", unit="minor", column="discount")
COUPON = Property(("coupon",), Kind.ID, _PURCHASE, "coupon code redeemed")
POSITION = Property(("position",), Kind.INTEGER, _BROWSING, "position in the list, 1 = first", unit="rank")
PRODUCT_NAME = Property(("name",), Kind.TEXT, _BROWSING, "product name; the catalogue holds it", stored=False)
LINKS = Property(("url", "image_url"), Kind.TEXT, _BROWSING, "links to page and image; not needed", stored=False)

PRODUCT = (ITEM, CATEGORY, BRAND, VARIANT, PRICE, QUANTITY, LINE_TOTAL, COUPON, POSITION, PRODUCT_NAME, LINKS)
"""A single product, as the view, click and cart events carry it."""
LINE = (required(ITEM), CATEGORY, BRAND, VARIANT, PRICE, QUANTITY, LINE_TOTAL, LINE_DISCOUNT, COUPON, POSITION,
        PRODUCT_NAME, LINKS)  # fmt: skip
"""One line of a `products` list."""
LINES = Property(("products",), Kind.LINES, _PURCHASE, "the products, one line each")

CURRENCY = Property(("currency",), Kind.CURRENCY, _OPERATIONS, "currency of the amounts", Sensitivity.ANONYMOUS)
ORDER_ID = Property(("order_id",), Kind.ID, _PURCHASE, "the order", column="order_ref")
CHECKOUT_ID = Property(("checkout_id",), Kind.ID, _PURCHASE, "the checkout")
CART_ID = Property(("cart_id",), Kind.ID, _PURCHASE, "the cart")
LIST_ID = Property(("list_id",), Kind.ID, _BROWSING, "the list shown")
AFFILIATION = Property(("affiliation",), Kind.ID, _PURCHASE, "store or channel", column="merchant")
TOTAL = Property(
    ("total", "revenue", "value", "subtotal"), Kind.MONEY, _PURCHASE,
    "what was paid: `total`, else `revenue`, `value`, `subtotal`, else the sum of the lines", unit="minor",
    column="amount",
)  # fmt: skip
SHIPPING_COST = Property(("shipping",), Kind.MONEY, _PURCHASE, "shipping cost", unit="minor")
TAX = Property(("tax",), Kind.MONEY, _PURCHASE, "tax", unit="minor")
DISCOUNT = Property(("discount",), Kind.MONEY, _PURCHASE, "total discount", unit="minor", column="discount")

BILLING_COUNTRY = Property(
    ("billing_country",), Kind.COUNTRY, "user.contact.address.country", "country of the billing address",
    column="billing_country",
)  # fmt: skip
SHIPPING_COUNTRY = Property(
    ("shipping_country",), Kind.COUNTRY, "user.contact.address.country", "country of the shipping address",
    column="shipping_country",
)  # fmt: skip
PLACE = Property(
    ("country", "place"), Kind.COUNTRY, "user.location.coarse", "country it happened in", column="place",
    context="location.country",
)  # fmt: skip
PAYMENT_METHOD = Property(("payment_method", "method"), Kind.ID, _PAYMENT, "card, invoice, wallet", column="method")

DEVICE = Property(
    ("device_id",), Kind.ID, "user.device.device_id", "the device", Sensitivity.PERSONAL, column="device",
    context="device.id",
)  # fmt: skip
IP = Property(
    ("ip", "ip_address"), Kind.IP, "user.device.ip_address", "the internet address", Sensitivity.PERSONAL, column="ip",
    context="ip",
)  # fmt: skip
CARD = Property(
    ("card_hash", "card_id"), Kind.ID, "user.financial.credit_card", "the shop's hash of the card",
    Sensitivity.PERSONAL, column="card",
)  # fmt: skip
ADDRESS = Property(
    ("address_hash", "shipping_address_hash"), Kind.ID, "user.contact.address.mailing_address",
    "the shop's hash of the shipping address", Sensitivity.PERSONAL, column="address",
)  # fmt: skip
EMAIL = Property(
    ("email", "email_hash"), Kind.EMAIL, "user.contact.email", "e-mail address or the shop's hash of it",
    Sensitivity.PERSONAL, column="email",
)  # fmt: skip
MERCHANT = Property(
    ("merchant_id", "terminal_id"), Kind.ID, _OPERATIONS, "merchant or terminal", Sensitivity.ANONYMOUS,
    column="merchant",
)  # fmt: skip
