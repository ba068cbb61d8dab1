"""Events for the shop of these tests."""

from __future__ import annotations

from tillwise.app import App
from tillwise.events.ingest import read_message


def send(app: App, *messages: dict[str, object]) -> None:
    """Append events as a server would send them."""
    now = app.clock.now()
    app.log.append([read_message({"type": "track", **each}, received=now) for each in messages]).result()


def order(person: str, number: int) -> dict[str, object]:
    products = [{"product_id": f"sku-{number}", "quantity": 1, "price": "9.90"}]
    return {
        "event": "Order Completed", "userId": person, "messageId": f"{person}-{number}",
        "properties": {"order_id": f"o-{person}-{number}", "currency": "EUR", "products": products},
    }  # fmt: skip
