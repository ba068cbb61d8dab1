"""Reads over the API are written down: which key, which route, whose data, and the reason the caller gave."""

from __future__ import annotations

from dataclasses import replace

import pytest
from knocking import Client
from toy_shop import ToyShop

from tillwise.access.reads import Read, reads_by
from tillwise.api.route import check_scopes
from tillwise.errors import ConfigurationError
from tillwise.events.people import find_pseudonym

FRAUD = {
    "subject": "u-1", "place": {"country": "DE"}, "payment": {"method": "card"},
    "order": {"id": "o-1", "amount": 99_000, "currency": "EUR"},
}  # fmt: skip


def lines(shop: ToyShop, role: str) -> list[Read]:
    with shop.store.snapshot() as snapshot:
        (row,) = snapshot.all("SELECT key_id FROM keys WHERE role = ?", (role,))
        return reads_by(snapshot, row[0], 0, 1 << 62)


def test_opening_a_receipt_is_a_read_and_deciding_is_not(client: Client, shop: ToyShop) -> None:
    """A decision has its receipt; whoever opens that receipt later leaves a line, with the person and the decision."""
    decision = client.post("/predict/fraud", role="decide", json=FRAUD).json()["decision_id"]
    assert lines(shop, "decide") == []
    client.get(f"/decisions/{decision}", role="decide", headers={"Tillwise-Reason": "customer asked"})
    client.get(f"/decisions/{decision}/explanation", role="decide")
    first, second = lines(shop, "decide")
    assert (first.what, first.reason) == ("GET /decisions/{decision_id}", "customer asked")
    assert (second.what, second.reason) == ("GET /decisions/{decision_id}/explanation", "api")
    assert {first.people, second.people} == {1}
    assert {first.decision_id, second.decision_id} == {decision}


def test_the_queue_and_consents_are_reads(client: Client, shop: ToyShop) -> None:
    """Listing names everybody on the list; taking a case names one; consents name whose they are."""
    decision = client.post("/predict/fraud", role="decide", json=FRAUD).json()["decision_id"]
    client.get("/reviews", role="decide")
    client.post(f"/reviews/{decision}/take", role="decide", json={"reviewer": "anna"})
    assert [(line.what, line.people) for line in lines(shop, "decide")] == [
        ("GET /reviews", 1), ("POST /reviews/{decision_id}/take", 1),
    ]  # fmt: skip
    client.get("/consent/u-1", role="privacy")
    assert [line.what for line in lines(shop, "privacy")] == ["GET /consent/{subject}"]
    with shop.store.snapshot() as snapshot:
        known = find_pseudonym(snapshot, shop.secrets, "u-1")
        assert {row[0] for row in snapshot.all("SELECT DISTINCT subject FROM access_read_people")} == {known}


def test_what_shows_nothing_leaves_no_line(client: Client, shop: ToyShop) -> None:
    """A no is not a read: unknown ids and keys without the scope."""
    assert client.get("/decisions/unknown", role="decide").status_code == 404
    assert client.get("/consent/nobody", role="privacy").status_code == 404
    assert client.get("/reviews", role="browser").status_code == 403
    with shop.store.snapshot() as snapshot:
        assert snapshot.all("SELECT 1 FROM access_reads") == []


@pytest.mark.parametrize(("sent", "kept"), [("", "api"), ("  ", "api"), ("a\tb", "ab"), ("x" * 5_000, "x" * 200)])
def test_a_reason_is_plain_and_short(client: Client, shop: ToyShop, sent: str, kept: str) -> None:
    """Whatever a caller sends as a reason, a line stays a line."""
    decision = client.post("/predict/fraud", role="decide", json=FRAUD).json()["decision_id"]
    client.get(f"/decisions/{decision}", role="decide", headers={"Tillwise-Reason": sent})
    assert lines(shop, "decide")[0].reason == kept


def test_an_expired_key_is_no_valid_key(client: Client, shop: ToyShop) -> None:
    """The door says the same to an ended key, a revoked one and a made-up one."""
    shop.store.commit(lambda t: t.run("UPDATE keys SET expires = 1 WHERE role = 'privacy'")).result()
    ended = client.get("/consent/u-1", role="privacy")
    invented = client.get("/consent/u-1", headers={"authorization": "Bearer tw_privacy_x"})
    assert ended.status_code == 401
    assert ended.content == invented.content
    assert "valid key" in ended.json()["detail"]


def test_a_route_cannot_show_more_than_its_scope(client: Client) -> None:
    """Every route says, by its scope or more narrowly, what it shows; one that shows more stops the start."""
    described = client.get("/openapi.json").json()["paths"]
    assert described["/consent/{subject}"]["get"]["x-shows"] == ["consents"]
    assert described["/reviews"]["get"]["x-shows"] == ["reviews"]
    assert "payment_device" in described["/decisions/{decision_id}"]["get"]["x-shows"]
    assert "x-shows" not in described["/outcomes"]["post"]
    (route,) = (route for route in client.door.routes if route.name == "GET /reviews")
    with pytest.raises(ConfigurationError, match="GET /reviews shows contact, which the scope review does not"):
        check_scopes((replace(route, shows=frozenset({"reviews", "contact"})),))
