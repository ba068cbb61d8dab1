"""Behaviour: what people look at, search for, click and put in a cart. A browser key may send these."""

from __future__ import annotations

from tillwise.events import properties as p
from tillwise.events.event_type import ALL_PERSONAL, EventType, Sender
from tillwise.events.properties import Kind, Property, Sensitivity
from tillwise.vocabulary.purpose import Purpose

_BEHAVIOUR = frozenset(
    {Purpose.RECOMMEND, Purpose.SEARCH, Purpose.PRICE, Purpose.MARKETING, Purpose.FRAUD_PREVENTION,
     Purpose.OPERATIONS, Purpose.TRAIN}
)  # fmt: skip
_QUERY = Property(
    ("query",), Kind.TEXT, "user.behavior.search_history", "what was searched for", Sensitivity.PERSONAL, required=True
)
_RESULTS = Property(("results", "result_count"), Kind.INTEGER, "system.operations", "results shown", column="quantity")
_PROMOTION = Property(("promotion_id",), Kind.ID, "user.behavior.browsing_history", "the promotion", column="kind")
_PAGE_NAME = Property(("name",), Kind.ID, "user.behavior.browsing_history", "name of the page", column="kind")
_PAGE_PATH = Property(("path",), Kind.TEXT, "user.behavior.browsing_history", "path of the page, without query")
_PAGE_REST = Property(
    ("url", "title", "referrer", "search", "keywords"), Kind.TEXT, "user.behavior.browsing_history",
    "addresses can hold personal data; not kept", stored=False,
)  # fmt: skip
_WISHLIST = (
    Property(("wishlist_id",), Kind.ID, "user.behavior.browsing_history", "the wish list"),
    Property(
        ("wishlist_name",), Kind.TEXT, "user.behavior.browsing_history", "free text; not kept", Sensitivity.PERSONAL,
        stored=False,
    ),
)  # fmt: skip
_SHARED = (
    Property(("share_via",), Kind.ID, "user.behavior.browsing_history", "e-mail, message, link"),
    Property(
        ("share_message", "recipient"), Kind.TEXT, "user.content.private",
        "what was written and to whom; about somebody else, not kept", Sensitivity.PERSONAL, stored=False,
    ),
)  # fmt: skip
_PRODUCT = (p.required(p.ITEM), *p.PRODUCT[1:], p.CURRENCY, p.PLACE)


def _behaviour(
    code: int, name: str, meaning: str, *properties: Property, category: str = "user.behavior.browsing_history"
) -> EventType:
    return EventType(code, name, meaning, properties, _BEHAVIOUR, Sender.BROWSER, category=category)


BEHAVIOUR = (
    _behaviour(1, "Product Viewed", "a product page was opened", *_PRODUCT),
    _behaviour(2, "Product Clicked", "a product in a list was clicked", *_PRODUCT, p.LIST_ID),
    _behaviour(3, "Product List Viewed", "a list of products was shown; its lines are impressions",
               p.LIST_ID, p.CATEGORY, p.LINES, p.CURRENCY, p.PLACE),
    _behaviour(4, "Product List Filtered", "a list was filtered or sorted",
               p.LIST_ID, p.CATEGORY, p.LINES, p.CURRENCY, p.PLACE),
    _behaviour(5, "Products Searched", "a search was made", _QUERY, _RESULTS, p.CATEGORY, p.LINES, p.PLACE,
               category="user.behavior.search_history"),
    _behaviour(6, "Product Added", "a product went into the cart", *_PRODUCT, p.CART_ID),
    _behaviour(7, "Product Removed", "a product left the cart", *_PRODUCT, p.CART_ID),
    _behaviour(8, "Cart Viewed", "the cart was opened", p.CART_ID, p.LINES, p.CURRENCY, p.PLACE),
    _behaviour(9, "Product Added to Wishlist", "a product was remembered", *_PRODUCT, *_WISHLIST),
    _behaviour(10, "Product Removed from Wishlist", "a product was forgotten", *_PRODUCT, *_WISHLIST),
    _behaviour(11, "Promotion Viewed", "a promotion was shown", _PROMOTION, p.POSITION, p.PLACE),
    _behaviour(12, "Promotion Clicked", "a promotion was clicked", _PROMOTION, p.POSITION, p.PLACE),
    _behaviour(13, "Product Shared", "a product was recommended to somebody", *_PRODUCT, *_SHARED),
    _behaviour(14, "Cart Shared", "the cart was shown to somebody",
               p.CART_ID, p.LINES, p.CURRENCY, p.PLACE, *_SHARED),
    _behaviour(15, "Wishlist Product Added to Cart", "a remembered product went into the cart",
               *_PRODUCT, p.CART_ID, *_WISHLIST),
    _behaviour(20, "Page", "a page was opened (a `page` call)", p.CATEGORY, _PAGE_NAME, _PAGE_PATH, _PAGE_REST,
               p.PLACE),
)  # fmt: skip

_CREATED = Property(
    ("created_at", "createdAt"), Kind.TIMESTAMP, "user.account", "when the account was opened", Sensitivity.PERSONAL
)
_LANGUAGE = Property(("language",), Kind.ID, "user.demographic.language", "preferred language", Sensitivity.PERSONAL)
_TIER = Property(("loyalty_tier", "plan"), Kind.ID, "user.account", "tier of the loyalty programme")
_HOUSEHOLD = (
    Property(("age_range", "age"), Kind.ID, "user.demographic.age_range", "age band", Sensitivity.PERSONAL),
    Property(("income_range", "income"), Kind.ID, "user.demographic.profile", "income band", Sensitivity.PERSONAL),
    Property(("household_size",), Kind.ID, "user.demographic.profile", "people in the household", Sensitivity.PERSONAL),
)
TRAITS = (_CREATED, p.PLACE, _LANGUAGE, _TIER, *_HOUSEHOLD, p.EMAIL)
"""What an `identify` call may say about a person; everything else (name, phone, birthday …) is not kept."""

_ACCOUNT = "user.account"
ACCOUNT = (
    EventType(21, "Identify", "who an anonymous visitor is, and traits (an `identify` call)", TRAITS, ALL_PERSONAL,
              Sender.BROWSER, category=_ACCOUNT),
    EventType(22, "Alias", "two ids are one person from here on (an `alias` call)", (), ALL_PERSONAL, Sender.SERVER,
              facts=False, category=_ACCOUNT),
    EventType(23, "Signed Up", "an account was opened; its age is the time since this",
              (p.EMAIL, p.IP, p.DEVICE, p.PLACE), ALL_PERSONAL, Sender.SERVER, category=_ACCOUNT),
)  # fmt: skip
