"""People of the toy shop, and the way a person comes to their own pages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import httpx
from toy_shop import ToyShop

from tillwise.events.catalog import Item, upsert_items
from tillwise.events.ingest import read_message

ANNA = "u-anna"
ITEMS = (
    Item(item_id="sku-1", title="Green tea", category="tea"),
    Item(item_id="sku-2", title="Blue cup", category="cups"),
    Item(item_id="sku-3", title="Black tea <b>", category="tea"),
)


def live(shop: ToyShop, who: str) -> None:
    """Let a person look, search, buy and pay."""
    user = {"userId": who}
    line = {"quantity": 1, "price": 4.5}
    messages: list[dict[str, Any]] = [
        {"type": "identify", **user, "traits": {"country": "DE", "language": "de", "plan": "gold"}},
        {"type": "track", "event": "Product Viewed", **user, "properties": {"product_id": "sku-1"}},
        {"type": "track", "event": "Product Viewed", **user, "properties": {"product_id": "sku-2"}},
        {"type": "track", "event": "Products Searched", **user, "properties": {"query": "oolong"}},
        {"type": "track", "event": "Payment Attempted", **user, "properties": {"order_id": f"o-{who}", "amount": 9.0}},
        {"type": "track", "event": "Order Completed", **user,
         "properties": {"order_id": f"o-{who}",
                        "products": [{"product_id": "sku-2", **line}, {"product_id": "sku-3", **line}]}},
    ]  # fmt: skip
    shop.store.commit(lambda transaction: upsert_items(transaction, ITEMS, 1)).result()
    done = shop.log.append([read_message(each, received=shop.clock.now()) for each in messages]).result()
    assert done.accepted == len(messages)


@dataclass
class Visit:
    """A browser without a browser: it keeps its cookie, follows redirects, and reads its form token."""

    client: Any
    headers: dict[str, str] = field(default_factory=dict)
    cookie: str = ""

    def open(self, url: str) -> httpx.Response:
        return self.get(url.partition("8420")[2])

    def get(self, path: str) -> httpx.Response:
        return self._follow(self.client.get(path, headers=self._headers()))

    def post(self, path: str, data: dict[str, str], *, token: str | None = None) -> httpx.Response:
        form = {"form": self.token() if token is None else token, **data}
        return self._follow(self.client.post(path, data=form, headers=self._headers()))

    def token(self) -> str:
        found = re.search(r'name="form" value="(\w+)"', self.get("/preferences/erase").text)
        assert found is not None
        return found[1]

    def _headers(self) -> dict[str, str]:
        return {**self.headers, **({"cookie": self.cookie} if self.cookie else {})}

    def _follow(self, answer: httpx.Response) -> httpx.Response:
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        if answer.status_code == 303:
            return self.get(answer.headers["location"])
        return answer


def minted(client: Any, **wanted: Any) -> str:
    """Return the address of a link for Anna, or for whoever is named."""
    body = {"subject": ANNA, "language": "en", "country": "DE"} if "anonymous_id" not in wanted else {}
    answer = client.post("/privacy/links", role="privacy", json={**body, **wanted})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def visit(client: Any, **wanted: Any) -> Visit:
    """Return a visit whose link was opened."""
    made = Visit(client)
    assert made.open(minted(client, **wanted)).status_code == 200
    return made


def decide(client: Any, who: str = ANNA) -> Any:
    """Ask for recommendations as the shop would; return the answer."""
    asked = {"subject": who, "placement": "home", "place": {"country": "DE"}}
    return client.post("/rank/recommendations", role="decide", json=asked).json()
