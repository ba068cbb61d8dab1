"""What a question may hold: a body that means nothing is refused, naming the field."""

from __future__ import annotations

import pytest
from knocking import Client

from tillwise.vocabulary.currencies import EXPONENTS


@pytest.mark.parametrize("code", ["XXQ", "eur", "XAU", "EURO", ""])
def test_an_order_in_a_currency_that_does_not_exist_is_refused(client: Client, code: str) -> None:
    """Nobody knows how many decimals it has, and so not how much money it is."""
    body = {"subject": "u-17", "order": {"id": "o", "amount": 5990, "currency": code}, "payment": {"method": "card"}}
    answer = client.post("/predict/fraud", role="decide", json=body)
    assert (answer.status_code, answer.json().get("field")) == (422, "order.currency"), answer.text


def test_the_description_names_every_currency(client: Client) -> None:
    """A client made from the description cannot send another."""
    order = client.get("/openapi.json").json()["components"]["schemas"]["Order"]
    assert order["properties"]["currency"]["enum"] == sorted(EXPONENTS)
