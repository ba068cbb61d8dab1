"""The door: default deny, bounded reading, and a problem document for everything that goes wrong."""

from __future__ import annotations

import gzip
import json

import pytest
from knocking import Client
from toy_shop import ToyShop

from tillwise.api.create import create_api
from tillwise.api.door import Door
from tillwise.api.route import PUBLIC, Call, Reply, Route
from tillwise.errors import ConfigurationError

ORDER = {"order": {"id": "o-1", "amount": 5990, "currency": "EUR"}, "payment": {"method": "card"}}


async def _nothing(_: Call) -> Reply:
    return Reply(b"{}")


def test_a_route_without_a_declared_scope_stops_the_start(client: Client) -> None:
    route = Route("GET", "/open", "", _nothing, "Forgotten", "Test")

    with pytest.raises(ConfigurationError, match="GET /open has no declared scope"):
        Door((route,), client.door._admission, client.door._counter)


def test_a_route_declared_twice_stops_the_start(client: Client) -> None:
    route = Route("GET", "/open", PUBLIC, _nothing, "Twice", "Test")

    with pytest.raises(ConfigurationError, match="twice"):
        Door((route, route), client.door._admission, client.door._counter)


def test_no_route_but_the_public_ones_answers_without_a_key(shop: ToyShop) -> None:
    """All routes × no key and a wrong key: 401, and 200 only where it says `public`."""
    far_away = Client(create_api(shop), shop.keys, address="203.0.113.5")
    for route in far_away.door.routes:
        path = route.path.replace("{decision_id}", "x")
        for headers in ({}, {"authorization": "Bearer tw_admin_wrong"}, {"authorization": "Basic Zm9vOg=="}):
            status = far_away.send(route.method, path, headers=headers, json={}).status_code
            if route.scope == "public":
                assert status in (200, 503)
            elif route.scope not in ("console", "link"):
                assert status == 401, route.name
    far_away.close()


def test_every_role_may_do_what_its_scopes_say_and_no_more(client: Client) -> None:
    """Role × route, from the table of routes itself."""
    for route in client.door.routes:
        if route.scope in ("public", "console", "operator", "link"):
            continue
        for role in client.keys:
            allowed = client.door._admission._keys.find(client.keys[role]).allows(route.scope)
            path = route.path.replace("{decision_id}", "x")
            status = client.send(route.method, path, role=role, content=b"x").status_code
            assert (status != 403) is allowed, (role, route.name, status)
            assert status < 500


def test_figures_are_open_to_this_machine_only(shop: ToyShop, client: Client) -> None:
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers={"x-forwarded-for": "203.0.113.5"}).status_code == 401
    assert client.get("/metrics", headers={"host": "rebound.example"}).status_code == 401
    far_away = Client(create_api(shop), shop.keys, address="203.0.113.5")
    assert far_away.get("/metrics").status_code == 401
    assert far_away.get("/metrics", role="decide").status_code == 403
    assert far_away.get("/metrics", role="admin").status_code == 200
    far_away.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("DELETE", "/predict/fraud", 405), ("TRACE", "/v1/track", 405), ("GET", "/../etc", 404)],
)
def test_unknown_paths_and_methods_are_problem_documents(client: Client, method: str, path: str, status: int) -> None:
    answer = client.send(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert (status == 405) == ("allow" in answer.headers)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, ""),
        (b"{", 400, ""),
        (b"\xff\xfe", 400, ""),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 422, "a"),
        (b"[" * 50_000 + b"]" * 50_000, 422, ""),
        (b'{"order": NaN}', 400, "order"),
        (b"[]", 422, ""),
        (b"{}", 422, "order"),
        (json.dumps(ORDER | {"order": {"id": "o", "amount": 59.9, "currency": "EUR"}}).encode(), 422, "order.amount"),
        (json.dumps(ORDER | {"order": {"id": "o", "amount": 59.0, "currency": "EUR"}}).encode(), 422, "order.amount"),
        (json.dumps(ORDER | {"order": {"id": "o", "amount": "5", "currency": "EUR"}}).encode(), 422, "order.amount"),
        (json.dumps(ORDER | {"order": {"id": "o", "amount": -1, "currency": "EUR"}}).encode(), 422, "order.amount"),
        (json.dumps(ORDER | {"order": {"id": "o", "amount": 10**30, "currency": "EUR"}}).encode(), 422, "order.amount"),
        (json.dumps(ORDER | {"order": {"id": "x" * 201, "amount": 1, "currency": "EUR"}}).encode(), 422, "order.id"),
        (json.dumps(ORDER | {"order": {"id": "o", "amount": 1, "currency": "eur"}}).encode(), 422, "order.currency"),
        (json.dumps(ORDER | {"order": {"id": "o", "amount": 1, "currency": "EUR\n"}}).encode(), 422, "order.currency"),
        (json.dumps(ORDER | {"device_id": "d\n"}).encode(), 422, "device_id"),
        (json.dumps(ORDER | {"device_id": "d\u200b3"}).encode(), 422, "device_id"),
        (json.dumps(ORDER | {"subject": " "}).encode(), 422, "subject"),
        (json.dumps(ORDER | {"devise_id": "d"}).encode(), 422, "devise_id"),
        (json.dumps(ORDER | {"ip": "999.1.1.1"}).encode(), 422, "ip"),
        (json.dumps(ORDER | {"deadline_ms": 0}).encode(), 422, "deadline_ms"),
        (json.dumps(ORDER | {"explain": "some"}).encode(), 422, "explain"),
        (json.dumps(ORDER | {"place": {"country": "Germany"}}).encode(), 422, "place.country"),
        (b'{"order":{"id":"\\ud800","amount":1,"currency":"EUR"},"payment":{"method":"card"}}', 400, "order.id"),
    ],
)
def test_a_wrong_body_is_refused_with_the_field_named(client: Client, body: bytes, status: int, field: str) -> None:
    answer = client.post("/predict/fraud", role="decide", content=body)

    assert (answer.status_code, answer.json().get("field", "")) == (status, field), answer.text
    assert answer.json()["detail"]


def test_bodies_are_bounded_before_and_after_unpacking(client: Client) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < 20_000
    packed = {"content-encoding": "gzip"}

    assert client.post("/v1/track", role="server", content=b" " * 512_001).status_code == 413
    assert client.post("/v1/track", role="server", content=bomb, headers=packed).status_code == 413
    assert client.post("/v1/track", role="server", content=bomb[:-9], headers=packed).status_code == 413
    assert client.post("/v1/track", role="server", content=b"nonsense", headers=packed).status_code == 400
    assert client.post("/v1/track", role="server", content=b"{}", headers={"content-encoding": "br"}).status_code == 415
    assert client.post("/v1/track", role="server", headers={"content-length": "x"}, content=b"{}").status_code == 400


def test_a_body_in_pieces_is_bounded_too(client: Client) -> None:
    async def pieces():  # type: ignore[no-untyped-def]
        for _ in range(600):
            yield b" " * 1024

    assert client.post("/v1/batch", role="server", content=pieces()).status_code == 413


def test_an_accident_inside_says_nothing_about_the_inside(client: Client) -> None:
    async def accident(_: Call) -> Reply:
        raise RuntimeError("secret path /srv/shop")

    door = Door((Route("GET", "/x", PUBLIC, accident, "Breaks", "Test"),), client.door._admission, client.door._counter)
    broken = Client(door, {})
    answer = broken.get("/x")
    broken.close()

    assert answer.status_code == 500
    assert "incident" in answer.json()["detail"]
    assert "secret" not in answer.text


def test_every_answer_carries_the_safe_headers_and_no_banner(client: Client) -> None:
    for path in ("/healthz", "/nothing", "/openapi.json"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_ready_says_why_not(client: Client, shop: ToyShop) -> None:
    assert client.get("/readyz").json() == {"ready": True, "problems": []}
    shop.wrong.append("fraud: the model's files are missing; train again")

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "problems": ["fraud: the model's files are missing; train again"]}
    assert client.get("/healthz").status_code == 200
