"""The console: open to an admin key only, everything escaped, nothing loaded from elsewhere, the whole road shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from knocking import Client
from toy_shop import ToyShop, build_toy

from tillwise.access.keys import list_keys, revoke_key
from tillwise.api.create import create_api
from tillwise.console.session import HOURS, Sessions, find_cookie
from tillwise.settings import Secrets

ORDER = {"order": {"id": "o-1", "amount": 99_000, "currency": "EUR"}, "payment": {"method": "card"}}
NOW = 1_800_000_000_000


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ToyShop]:
    built = build_toy(tmp_path)
    yield built
    built.close()


@pytest.fixture
def visitor(shop: ToyShop) -> Iterator[Client]:
    knocking = Client(create_api(shop), shop.keys)
    yield knocking
    knocking.close()


def _sign_in(visitor: Client, role: str = "admin") -> httpx.Response:
    return visitor.post("/sign-in", data={"key": visitor.keys[role]})


def _cookie(answer: httpx.Response) -> dict[str, str]:
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_a_stranger_sees_the_form_and_nothing_else(visitor: Client) -> None:
    decision_id = visitor.post("/predict/fraud", role="decide", json=ORDER).json()["decision_id"]

    assert "admin key" in visitor.get("/").text
    assert "The last hour" not in visitor.get("/").text
    answer = visitor.get(f"/console/decisions/{decision_id}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert visitor.get("/", headers={"authorization": f"Bearer {visitor.keys['admin']}"}).text == visitor.get("/").text


@pytest.mark.parametrize("role", ["browser", "server", "decide", "privacy"])
def test_only_an_admin_key_opens_a_session(visitor: Client, role: str) -> None:
    answer = _sign_in(visitor, role)

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Client) -> None:
    cookie = _sign_in(visitor).headers["set-cookie"]

    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert visitor.keys["admin"] not in cookie
    foreign = visitor.post("/sign-in", data={"key": visitor.keys["admin"]}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403


def test_a_session_ends_with_its_key(visitor: Client, shop: ToyShop) -> None:
    signed_in = _cookie(_sign_in(visitor))
    assert "The last hour" in visitor.get("/", headers=signed_in).text

    admin = next(key for key in list_keys(shop.store) if key.role == "admin")
    revoke_key(shop.store, admin.key_id)
    again = Client(create_api(shop), shop.keys)

    assert "The last hour" not in again.get("/", headers=signed_in).text
    again.close()


def test_a_forged_changed_or_old_session_is_nobody() -> None:
    sessions = Sessions(Secrets(b"a" * 32))
    value = sessions.open("k-1", NOW)
    known = sessions.read(value, NOW)

    assert known is not None
    assert known.key_id == "k-1"
    assert sessions.read(value, NOW + HOURS * 3_600_000) is None
    assert Sessions(Secrets(b"b" * 32)).read(value, NOW) is None
    for wrong in ("", ".", value[:-1], "x" + value, value.replace(".", ""), "é." + value):
        assert sessions.read(wrong, NOW) is None
    assert find_cookie("a=1; tillwise_session=x.y; b=2") == "x.y"
    assert find_cookie("not_tillwise_session=x") == ""


def test_pages_load_nothing_from_anywhere_and_run_no_script(visitor: Client) -> None:
    decision_id = visitor.post("/predict/fraud", role="decide", json=ORDER).json()["decision_id"]
    signed_in = _cookie(_sign_in(visitor))
    for path in ("/", f"/console/decisions/{decision_id}", "/docs", "/console/decisions/unknown"):
        answer = visitor.get(path, headers=signed_in)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "<script" not in answer.text
        assert " style=" not in answer.text
        assert not re.search(r"""(src|href|action)=["']?(https?:)?//""", answer.text)
    for name in ("console.css", "icon.svg"):
        assert visitor.get(f"/assets/{name}").status_code == 200


def test_the_first_page_tells_the_last_hour(visitor: Client) -> None:
    for number in range(3):
        visitor.post("/predict/fraud", role="decide", json=ORDER | {"device_id": f"d-{number}"})
    visitor.post("/rank/recommendations", role="decide", json={"placement": "home", "place": {"country": "US"}})
    visitor.post("/predict/churn", role="decide", json={"subject": "u-1", "place": {"country": "DE"}})
    text = visitor.get("/", headers=_cookie(_sign_in(visitor))).text

    assert "review 3" in text
    assert "items 1" in text
    assert "no consent" in text
    assert "nothing is released: the declared rules answer" in text


def test_an_hour_without_decisions_has_a_page_too(visitor: Client) -> None:
    text = visitor.get("/", headers=_cookie(_sign_in(visitor))).text

    assert "Nothing was asked in the last hour." in text


def test_one_decision_is_opened_up_in_six_steps(visitor: Client) -> None:
    decision_id = visitor.post("/predict/fraud", role="decide", json=ORDER).json()["decision_id"]
    visitor.post("/outcomes", role="decide", json={"decision_id": decision_id, "kind": "fraud_cleared"})
    text = visitor.get(f"/console/decisions/{decision_id}", headers=_cookie(_sign_in(visitor))).text

    steps = re.findall(r"<h2>(\w+) <span>", text)
    assert steps == ["Permit", "Features", "Score", "Action", "Receipt", "Outcome"]
    assert '<span class="chip good">same</span>' in text
    assert "The amount is high" in text
    assert "fraud cleared" in text


def test_what_callers_send_is_shown_as_text(visitor: Client) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    order = {"order": {"id": nasty, "amount": 1, "currency": "EUR"}, "payment": {"method": nasty}}
    decision_id = visitor.post("/predict/fraud", role="decide", json=order).json()["decision_id"]
    signed_in = _cookie(_sign_in(visitor))

    for path in ("/", f"/console/decisions/{decision_id}"):
        assert nasty not in visitor.get(path, headers=signed_in).text
    found = visitor.get("/console/decisions/%3Cscript%3E", headers=signed_in)
    assert found.status_code == 404
    assert "<script" not in found.text


def test_the_api_page_shows_every_route(visitor: Client) -> None:
    text = visitor.get("/docs").text

    for path in visitor.get("/openapi.json").json()["paths"]:
        assert path in text
