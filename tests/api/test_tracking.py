"""Events in over HTTP: the Segment tracking API as CONTRACT has it."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from knocking import Client
from segment.analytics.client import Client as SegmentClient
from toy_shop import ORIGIN, ToyShop

from tillwise.api.create import create_api
from tillwise.app.doctor.data import intake
from tillwise.events.ingest import KINDS
from tillwise.events.quality import quality

VIEW = {"event": "Product Viewed", "anonymousId": "a-1", "messageId": "m-1", "properties": {"product_id": "sku-1"}}
ORDER = {
    "event": "Order Completed", "userId": "u-1", "messageId": "m-2",
    "properties": {"order_id": "o-1", "total": 59.90, "currency": "EUR",
                   "products": [{"product_id": "sku-1", "price": 59.90, "quantity": 1}]},
}  # fmt: skip


def _types(shop: ToyShop) -> list[str]:
    with shop.store.snapshot() as snapshot:
        return [row[0] for row in snapshot.all("SELECT type FROM events ORDER BY seq")]


def _basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def test_a_tracked_event_is_in_the_log_when_success_is_said(client: Client, shop: ToyShop) -> None:
    answer = client.post("/v1/track", json=VIEW, headers=_basic(shop.keys["browser"]))

    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert _types(shop) == ["Product Viewed"]


def test_the_key_may_stand_in_the_body_as_text_plain(client: Client, shop: ToyShop) -> None:
    """What analytics.js posts: text/plain, the write key inside, from a page of a configured origin."""
    body = json.dumps(
        {
            "timestamp": "2026-11-20T09:30:11.512Z", "integrations": {"Segment.io": True}, "userId": None,
            "anonymousId": "b7e8f6b2-6a5c-4f0e-9d0a-3f1d6d1f2a10", "event": "Product Viewed", "type": "track",
            "properties": {"product_id": "sku-9", "name": "Blue kettle", "price": 24.5, "currency": "EUR"},
            "context": {"page": {"path": "/kettles/blue", "referrer": "", "search": "", "title": "Blue kettle",
                                 "url": "https://shop.example/kettles/blue"},
                        "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
                        "locale": "de-DE", "library": {"name": "analytics.js", "version": "next-1.70.0"}},
            "messageId": "ajs-next-1758-8f6b26a5c4f0", "writeKey": shop.keys["browser"],
            "sentAt": "2026-11-20T09:30:11.520Z", "_metadata": {"bundled": ["Segment.io"], "unbundled": []},
        }
    )  # fmt: skip
    answer = client.post("/v1/t", content=body, headers={"content-type": "text/plain", "origin": ORIGIN})

    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert _types(shop) == ["Product Viewed"]


def test_pages_of_configured_origins_may_post_and_others_may_not_read(client: Client, shop: ToyShop) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    allowed = client.send("OPTIONS", "/v1/track", headers=asked | {"origin": ORIGIN})
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in allowed.headers["access-control-allow-headers"]

    stranger = {"origin": "https://evil.example"}
    assert client.send("OPTIONS", "/v1/track", headers=asked | stranger).status_code == 403
    answer = client.post("/v1/track", json=VIEW, headers=_basic(shop.keys["browser"]) | stranger)
    assert "access-control-allow-origin" not in answer.headers
    assert client.send("OPTIONS", "/predict/fraud", headers=asked | {"origin": ORIGIN}).status_code == 405
    refused = client.post("/v1/track", json=VIEW, headers={"origin": ORIGIN})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize(("letter", "kind"), KINDS.items())
def test_every_route_and_its_short_form_takes_its_message(
    client: Client, shop: ToyShop, letter: str, kind: str
) -> None:
    bodies = {
        "track": VIEW,
        "batch": {"batch": [{"type": "track"} | VIEW]},
        "alias": {"previousId": "a", "userId": "u"},
    }
    for name in (letter, kind):
        answer = client.post(
            f"/v1/{name}", json=bodies.get(kind, {"userId": "u-1"}), headers=_basic(shop.keys["server"])
        )
        assert answer.status_code == 200, answer.text


def test_a_repeated_message_is_kept_once(client: Client, shop: ToyShop) -> None:
    for _ in range(3):
        assert client.post("/v1/track", json=VIEW, headers=_basic(shop.keys["server"])).status_code == 200

    assert _types(shop) == ["Product Viewed"]


def test_gzip_is_unpacked(client: Client, shop: ToyShop) -> None:
    packed = gzip.compress(json.dumps(VIEW).encode())
    headers = _basic(shop.keys["browser"]) | {"content-encoding": "gzip"}

    assert client.post("/v1/track", content=packed, headers=headers).status_code == 200
    assert _types(shop) == ["Product Viewed"]


def test_a_browser_key_sends_behaviour_only(client: Client, shop: ToyShop) -> None:
    browser, server = _basic(shop.keys["browser"]), _basic(shop.keys["server"])

    refused = client.post("/v1/track", json=ORDER, headers=browser)
    assert refused.status_code == 403
    assert "server key" in refused.json()["detail"]
    both = {"batch": [{"type": "track"} | ORDER, {"type": "track"} | VIEW]}
    assert client.post("/v1/batch", json=both, headers=browser).status_code == 200
    assert _types(shop) == ["Product Viewed"]
    assert client.post("/v1/track", json=ORDER, headers=server).status_code == 200
    assert _types(shop) == ["Product Viewed", "Order Completed"]


def test_a_bad_event_never_blocks_its_batch(client: Client, shop: ToyShop) -> None:
    bad = {"type": "track", "event": "Product Viewed", "anonymousId": "a", "properties": {"price": 3}}
    batch = {"batch": [bad, {"type": "track"} | VIEW, {"type": "track", "event": "No Such Thing"}, 5]}

    assert client.post("/v1/batch", json=batch, headers=_basic(shop.keys["server"])).json() == {"success": True}
    assert _types(shop) == ["Product Viewed"]
    with shop.store.snapshot() as snapshot:
        assert snapshot.all("SELECT count(*) FROM quarantine") == [(2,)]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("track", b"{", ""),
        ("track", b"[]", ""),
        ("track", b"{}", "event"),
        ("track", b'{"event": 5}', "event"),
        ("track", b'{"event": "Product Viewed", "properties": []}', "properties"),
        ("batch", b"{}", "batch"),
        ("batch", b'{"batch": {}}', "batch"),
        ("identify", b'{"userId": "u", "traits": 7}', "traits"),
        ("track", b'{"event": "Product Viewed", "properties": {"price": NaN}}', "properties.price"),
        ("batch", b'{"batch": [{"userId": "\\ud800"}]}', "batch[0].userId"),
    ],
)
def test_a_broken_body_is_a_400_naming_the_field(
    client: Client, shop: ToyShop, path: str, body: bytes, field: str
) -> None:
    answer = client.post(f"/v1/{path}", content=body, headers=_basic(shop.keys["server"]))

    assert (answer.status_code, answer.json().get("field", "")) == (400, field), answer.text


def test_traits_a_browser_may_not_send_are_counted(client: Client, shop: ToyShop) -> None:
    """A shop that wonders where its traits are finds them among what is not stored."""
    told = {"userId": "u-1", "traits": {"email": "ann@shop.example", "plan": "gold"}}
    for key in ("browser", "server"):
        assert client.post("/v1/identify", json=told, headers=_basic(shop.keys[key])).status_code == 200
    client.post("/v1/group", json={"userId": "u-1"}, headers=_basic(shop.keys["server"]))
    with shop.store.snapshot() as snapshot:
        assert quality(snapshot).not_stored == {"group": 1, "trait from a browser key": 2}
        said = [finding.says for finding in intake(snapshot) if finding.about == "not stored"]
    assert [each.partition(":")[0] for each in said] == ["1 × group", "2 × trait from a browser key"]


def test_nothing_is_acknowledged_when_the_store_is_away(client: Client, shop: ToyShop) -> None:
    client.post("/v1/track", json=VIEW, headers=_basic(shop.keys["server"]))
    shop.store.close()

    answer = client.post("/v1/track", json=VIEW | {"messageId": "m-9"}, headers=_basic(shop.keys["server"]))

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "success" not in answer.text


@pytest.fixture
def served(shop: ToyShop) -> Iterator[str]:
    """A real server on loopback."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_api(shop), log_level="warning", server_header=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listening.close()


@pytest.mark.parametrize("packed", [False, True])
def test_the_unmodified_segment_client_delivers(served: str, shop: ToyShop, packed: bool) -> None:
    """segment-analytics-python as it comes from the index, against a server on loopback."""
    failures: list[object] = []
    sender = SegmentClient(
        shop.keys["server"], host=served, gzip=packed, on_error=lambda error, _: failures.append(error), max_retries=1
    )
    sender.identify("u-7", {"email": "someone@shop.example"})
    sender.track("u-7", "Order Completed", ORDER["properties"])
    sender.page("u-7", "Docs", "Kettles")
    sender.track("u-7", "Product Viewed", {"product_id": "sku-3"}, anonymous_id="a-7")
    sender.alias("a-7", "u-7")
    sender.group("u-7", "g-1", {})
    sender.screen("u-7", "Home")
    sender.shutdown()

    assert failures == []
    assert sorted(_types(shop)) == ["Alias", "Identify", "Order Completed", "Page", "Product Viewed"]


def test_the_segment_client_learns_that_a_key_is_wrong(served: str) -> None:
    failures: list[object] = []
    sender = SegmentClient("tw_server_wrong", host=served, on_error=lambda error, _: failures.append(error))
    sender.track("u-7", "Product Viewed", {"product_id": "sku-3"})
    sender.shutdown()

    assert "401" in str(failures[0])
