"""The question for a list, as facts: ids become codes, and every field is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tillwise.errors import InvalidInput
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.codes import code_of

PLACEMENTS: Final = ("home", "product", "cart", "email")
MOST: Final = 100
"""Items in a list at most."""


def facts_of(body: Json) -> Json:
    """Return placement, k, item, cart, candidates, exclude and filters; raise InvalidInput naming a wrong field."""
    placement = body.get("placement", "home")
    if placement not in PLACEMENTS:
        raise InvalidInput(f"placement is one of {', '.join(PLACEMENTS)}", field="placement")
    k = body.get("k", 20)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MOST:
        raise InvalidInput(f"k lies between 1 and {MOST}", field="k")
    candidates = body.get("candidates")
    return {
        "placement": placement,
        "k": k,
        "item": None if body.get("item_id") is None else code_of(_text(body["item_id"], "item_id")),
        "cart": [code_of(_line(line)) for line in _list(body.get("cart"), "cart")],
        "candidates": None if candidates is None else _codes(candidates, "candidates"),
        "exclude": _codes(body.get("exclude"), "exclude"),
        "filters": _filters(body.get("filters")),
        "history": [],
    }


def _filters(value: Any) -> Json:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput("filters is an object", field="filters")
    filters = {name: given for name, given in value.items() if given is not None}
    unknown = set(filters) - {"in_stock", "categories", "max_price"}
    if unknown:
        raise InvalidInput(f"there is no filter '{min(unknown)[:80]}'", field="filters")
    if "categories" in filters:
        filters["categories"] = [_text(text, "filters.categories") for text in _list(filters["categories"], "filters")]
    price = filters.get("max_price", 0)
    if isinstance(price, bool) or not isinstance(price, int):
        raise InvalidInput("max_price is an integer in minor units", field="filters.max_price")
    return filters


def _codes(value: Any, field: str) -> list[int]:
    return [code_of(_text(text, field)) for text in _list(value, field)]


def _list(value: Any, field: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise InvalidInput(f"{field} is a list", field=field)
    return value


def _line(value: Any) -> str:
    if not isinstance(value, Mapping):
        raise InvalidInput("a cart is a list of {item_id, quantity}", field="cart")
    return _text(value.get("item_id"), "cart.item_id")


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{field} is a text", field=field)
    return value
