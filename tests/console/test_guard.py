"""Who gets in and what they see: forged, stolen, old and weak sessions, roles, reasons, and what is written down."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from knocking import Client
from toy_shop import SECRETS, ToyShop, build_toy

from tillwise.access import passwords
from tillwise.access.grants import DAY, give_grant, grants_of, revoke_grant
from tillwise.access.passwords import hash_password, new_link, set_password
from tillwise.access.person import Person, add_person, find_person, set_disabled
from tillwise.access.reads import Read, reads_by
from tillwise.access.tables import TABLES
from tillwise.api.create import create_api
from tillwise.api.route import CONSOLE
from tillwise.console.session import REASON_MS, Session, Sessions, find_cookie
from tillwise.vocabulary.clock import wall_now

GOOD = "lamp otter velvet 7 canoe"
FRAUD = {
    "subject": "u-1", "place": {"country": "DE"}, "payment": {"method": "card"},
    "order": {"id": "o-1", "amount": 99_000, "currency": "EUR"},
}  # fmt: skip
LIST = {"subject": "u-1", "placement": "home", "place": {"country": "US"}}
OPEN = {"/", "/sign-in", "/sign-out", "/reason", "/set-password"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(passwords, "_KIBIBYTES", 8)
    monkeypatch.setattr(passwords, "_PASSES", 1)
    for cached in (passwords._hasher, passwords._nobody):
        cached.cache_clear()
    yield
    for cached in (passwords._hasher, passwords._nobody):
        cached.cache_clear()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ToyShop]:
    built = build_toy(tmp_path)
    built.store.create(TABLES)
    yield built
    built.close()


@pytest.fixture
def visitor(shop: ToyShop) -> Iterator[Client]:
    knocking = Client(create_api(shop), shop.keys)
    yield knocking
    knocking.close()


def hire(shop: ToyShop, *roles: str, login: str = "anna", days: int = 90, given: int | None = None) -> Person:
    now = wall_now() if given is None else given

    def work(transaction: object) -> Person:
        person = add_person(transaction, login, login.title(), now)  # type: ignore[arg-type]
        set_password(transaction, person, hash_password(GOOD))  # type: ignore[arg-type]
        for role in roles:
            give_grant(transaction, person, role, now, days=days)  # type: ignore[arg-type]
        return person

    return shop.store.commit(work).result()


def sign_in(visitor: Client, login: str = "anna", password: str = GOOD, **headers: str) -> httpx.Response:
    return visitor.post("/sign-in", data={"login": login, "password": password}, headers=headers)


def cookie(answer: httpx.Response) -> dict[str, str]:
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def say(visitor: Client, session: dict[str, str], reason: str, back: str = "/") -> dict[str, str]:
    answer = visitor.post("/reason", data={"reason": reason, "back": back}, headers=session)
    assert (answer.status_code, answer.headers["location"]) == (303, back)
    return cookie(answer)


def decide(visitor: Client, path: str = "/predict/fraud", body: dict[str, object] = FRAUD) -> str:
    return str(visitor.post(path, role="decide", json=body).json()["decision_id"])


def reads(shop: ToyShop, who: str) -> list[Read]:
    with shop.store.snapshot() as snapshot:
        return reads_by(snapshot, who, 0, 1 << 62)


def test_every_page_is_closed_to_strangers(visitor: Client) -> None:
    """Whatever pages there are, now and later: without a session each one answers with the way to the form."""
    pages = [route for route in visitor.door.routes if route.scope == CONSOLE and route.path not in OPEN]
    assert pages
    for route in pages:
        path = re.sub(r"\{\w+\}", "x", route.path)
        answer = visitor.send(route.method, path, headers={"cookie": "tillwise_session=e30=.00"})
        assert answer.status_code in (303, 403), route.name
        assert answer.headers.get("location", "/") == "/", route.name


def test_somebody_without_a_role_is_somebody_without_a_page(visitor: Client, shop: ToyShop) -> None:
    """Signing in gives nothing by itself: every page says no, in words."""
    hire(shop)
    session = cookie(sign_in(visitor))
    for route in visitor.door.routes:
        if route.scope == CONSOLE and route.method == "GET" and route.path not in OPEN - {"/"}:
            answer = visitor.get(re.sub(r"\{\w+\}", "x", route.path), headers=session)
            assert answer.status_code == 403, route.name
            assert "None of your roles" in answer.text, route.name


def test_name_and_password_open_the_pages_of_the_role(visitor: Client, shop: ToyShop) -> None:
    """A reviewer sees the last hour and decisions; the page of accounts is not theirs, nor in their bar."""
    anna = hire(shop, "reviewer")
    answer = sign_in(visitor, " ANNA ")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in answer.headers["set-cookie"].split(";")}
    text = visitor.get("/", headers=cookie(answer)).text
    assert "Anna" in text
    assert "/console/people" not in text
    assert visitor.get("/console/people", headers=cookie(answer)).status_code == 403
    shop.store.commit(lambda _: None).result()  # the time of last use is written behind the answer
    with shop.store.snapshot() as snapshot:
        assert grants_of(snapshot, anna.person_id)[0].last_used is not None


def test_https_makes_the_cookie_secure(visitor: Client, shop: ToyShop) -> None:
    """Behind TLS the cookie never travels in the clear."""
    hire(shop, "analyst")
    assert "Secure" not in sign_in(visitor).headers["set-cookie"]
    session = Sessions(SECRETS).open("", wall_now(), person_id="p-1")
    assert "tillwise_session" not in session


def test_a_person_says_why_before_seeing_people(visitor: Client, shop: ToyShop) -> None:
    """The question comes first, only reasons of their roles are offered, and the answer is written with the read."""
    anna, decision = hire(shop, "reviewer", "support"), decide(visitor)
    session, path = cookie(sign_in(visitor)), f"/console/decisions/{decision}"
    asked = visitor.get(path, headers=session)
    assert "Why do you look?" in asked.text
    assert decision not in re.sub(r'value="[^"]*"', "", asked.text)
    assert set(re.findall(r'<option value="(\w+)"', asked.text)) == {"fraud_review", "customer_asked"}
    assert reads(shop, anna.person_id) == []

    session = say(visitor, session, "fraud_review", path)
    assert "Permit" in visitor.get(path, headers=session).text
    (line,) = reads(shop, anna.person_id)
    assert (line.what, line.purpose, line.reason) == ("page decision", "fraud_review", "fraud_review")
    assert (line.people, line.decision_id) == (1, decision)


def test_a_reason_of_another_purpose_does_not_open_payment_data(visitor: Client, shop: ToyShop) -> None:
    """Support sees what was recommended to a customer, and never the devices and cards behind a fraud decision."""
    hire(shop, "support")
    session = say(visitor, cookie(sign_in(visitor)), "customer_asked")
    shown = visitor.get(f"/console/decisions/{decide(visitor, '/rank/recommendations', LIST)}", headers=session)
    assert "Permit" in shown.text
    refused = visitor.get(f"/console/decisions/{decide(visitor)}", headers=session)
    assert refused.status_code == 403
    forged = say(visitor, session, "fraud_review")
    assert "Permit" not in visitor.get(f"/console/decisions/{decide(visitor)}", headers=forged).text


def test_figures_are_for_analysts_and_single_decisions_are_not(visitor: Client, shop: ToyShop) -> None:
    """An analyst reads the hour without a list of decisions, needs no reason, and opens none by its address."""
    hire(shop, "analyst")
    decision, session = decide(visitor), cookie(sign_in(visitor))
    text = visitor.get("/", headers=session).text
    assert "The last hour" in text
    assert decision not in text
    assert visitor.get(f"/console/decisions/{decision}", headers=session).status_code == 403


def test_an_expired_or_revoked_grant_ends_inside_an_open_session(visitor: Client, shop: ToyShop) -> None:
    """What counts is asked at every page, in every process: the next page is denied."""
    anna = hire(shop, "auditor", days=1)
    session = cookie(sign_in(visitor))
    assert visitor.get("/console/people", headers=session).status_code == 200
    with shop.store.snapshot() as snapshot:
        (grant,) = grants_of(snapshot, anna.person_id)
    shop.store.commit(lambda t: t.run("UPDATE grants SET expires = ?", (wall_now(),))).result()
    assert visitor.get("/console/people", headers=session).status_code == 403
    shop.store.commit(lambda t: t.run("UPDATE grants SET expires = ?", (wall_now() + DAY,))).result()
    assert visitor.get("/console/people", headers=session).status_code == 200
    shop.store.commit(lambda t: revoke_grant(t, grant.grant_id, wall_now())).result()
    assert visitor.get("/console/people", headers=session).status_code == 403


def test_a_session_ends_with_lock_out_new_password_and_sign_out(visitor: Client, shop: ToyShop) -> None:
    """At once, and also for a copy of the cookie that somebody else kept."""
    anna = hire(shop, "auditor")

    def seen(session: dict[str, str]) -> bool:
        return "The last hour" in visitor.get("/", headers=session).text

    first = cookie(sign_in(visitor))
    second = cookie(sign_in(visitor))
    assert seen(first)
    assert seen(second)
    visitor.post("/sign-out", headers=first)
    assert not seen(first)
    assert seen(second)
    assert (
        visitor.post("/reason", data={"reason": "audit", "back": "/"}, headers=first).headers.get("set-cookie") is None
    )
    shop.store.commit(lambda t: set_password(t, anna, hash_password(GOOD))).result()
    assert not seen(second)
    third = cookie(sign_in(visitor))
    shop.store.commit(lambda t: set_disabled(t, anna, wall_now(), disabled=True)).result()
    assert not seen(third)
    shop.store.commit(lambda t: set_disabled(t, anna, wall_now(), disabled=False)).result()
    assert not seen(third)


def test_what_one_process_ends_is_ended_in_every_other(visitor: Client, shop: ToyShop) -> None:
    """Two doors on one shop: signed in at one, good at both; revoked or signed out of at one, over at both."""
    anna = hire(shop, "auditor")
    other = Client(create_api(shop), shop.keys)
    session = cookie(sign_in(visitor))
    assert other.get("/console/people", headers=session).status_code == 200
    with shop.store.snapshot() as snapshot:
        (grant,) = grants_of(snapshot, anna.person_id)
    shop.store.commit(lambda t: revoke_grant(t, grant.grant_id, wall_now())).result()
    assert other.get("/console/people", headers=session).status_code == 403
    visitor.post("/sign-out", headers=session)
    assert other.get("/console/people", headers=session).status_code == 303
    other.close()


def test_a_session_brought_along_is_never_taken_over(visitor: Client, shop: ToyShop) -> None:
    """Signing in makes a new id whatever the browser sent: nobody can fix one for somebody else."""
    hire(shop, "analyst")
    planted = Sessions(SECRETS).open("", wall_now(), person_id="p-attacker")
    before = find_cookie(f"tillwise_session={planted}")
    one = sign_in(visitor, cookie=f"tillwise_session={planted}").headers["set-cookie"]
    two = sign_in(visitor).headers["set-cookie"]
    assert before not in one
    assert one != two


@pytest.mark.parametrize(
    "change",
    [{"person_id": "p-2"}, {"key_id": "k"}, {"generation": 0}, {"reason": "audit"}, {"ends": 1 << 60}, {"admin": True}],
)
def test_a_changed_cookie_is_nobody(change: dict[str, object]) -> None:
    """Every field is under the seal, and a seal of another body does not fit."""
    sessions = Sessions(SECRETS)
    value = sessions.open("", wall_now(), person_id="p-1", generation=1)
    body, _, seal = value.rpartition(".")
    told = json.loads(base64.urlsafe_b64decode(body)) | change
    forged = base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
    for each in (f"{forged}.{seal}", f"{forged}.", f".{seal}", f"{forged}.{'0' * 64}", forged, f"{value}{value}"):
        assert sessions.read(each, wall_now()) is None


def test_a_sealed_session_of_nobody_is_nobody(visitor: Client) -> None:
    """A seal proves who wrote it, not that the person exists; neither do an empty id and a key that is none."""
    for told in ({"person_id": "p-none"}, {"key_id": "k-none"}, {}):
        value = Sessions(SECRETS).seal(Session("s", wall_now() + 1_000_000, **told))  # type: ignore[arg-type]
        assert "The last hour" not in visitor.get("/", headers={"cookie": f"tillwise_session={value}"}).text


def test_a_reason_counts_for_half_an_hour() -> None:
    """Afterwards it is asked again."""
    session = Session("s", wall_now() + 1_000_000, person_id="p-1", reason="audit", asked=1_000)
    assert session.reason_at(1_000 + REASON_MS - 1) == "audit"
    assert session.reason_at(1_000 + REASON_MS) == ""


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nset-cookie: x", "x"]
)
def test_the_way_back_stays_in_the_console(visitor: Client, shop: ToyShop, back: str) -> None:
    """A reason form cannot be used to send somebody to another site."""
    hire(shop, "auditor")
    answer = visitor.post("/reason", data={"reason": "audit", "back": back}, headers=cookie(sign_in(visitor)))
    assert answer.headers["location"] == "/"


def test_an_unknown_reason_is_refused(visitor: Client, shop: ToyShop) -> None:
    """What would be written down is one of the purposes, not free text from a form."""
    hire(shop, "auditor")
    answer = visitor.post("/reason", data={"reason": "curiosity", "back": "/"}, headers=cookie(sign_in(visitor)))
    assert answer.status_code == 422


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/reason", "/set-password"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_no_form_is_taken_from_another_site(visitor: Client, path: str, headers: dict[str, str]) -> None:
    """Whatever the browser says about where a form came from must be this site."""
    assert visitor.post(path, data={"login": "anna", "password": GOOD}, headers=headers).status_code == 403


def test_failures_look_alike_and_bursts_close_the_door(visitor: Client, shop: ToyShop) -> None:
    """Wrong, unknown and disabled get the same bytes; after ten the form says to wait; the admin key still opens."""
    hire(shop, "analyst")
    shop.store.commit(lambda t: set_disabled(t, find_person(t, "anna"), wall_now(), disabled=True)).result()
    answers = {sign_in(visitor, login).content for login in ("anna", "nobody", "", "anna@example.org")}
    assert len(answers) == 1
    for _ in range(10):
        last = sign_in(visitor, "nobody")
    assert last.status_code == 429
    assert visitor.post("/sign-in", data={"key": visitor.keys["admin"]}).status_code == 303


def test_a_link_sets_a_password_and_then_is_over(visitor: Client, shop: ToyShop) -> None:
    """The page says for whom, refuses what is weak or mistyped, keeps what is good once, and ends older sessions."""
    anna = hire(shop, "analyst")
    old = cookie(sign_in(visitor))
    code = shop.store.commit(lambda t: new_link(t, anna, wall_now())).result()
    assert "anna" in visitor.get("/set-password", params={"code": code}).text

    def keep(password: str, again: str) -> httpx.Response:
        return visitor.post("/set-password", data={"code": code, "password": password, "again": again})

    assert keep("anna-anna-1234", "anna-anna-1234").status_code == 422
    assert keep("quiet harbour onion", "quiet harbour union").status_code == 422
    assert keep("quiet harbour onion", "quiet harbour onion").headers["location"] == "/"
    assert keep("another harbour onion", "another harbour onion").status_code == 403
    assert visitor.get("/set-password", params={"code": code}).status_code == 403
    assert "The last hour" not in visitor.get("/", headers=old).text
    assert sign_in(visitor).status_code == 403
    assert sign_in(visitor, password="quiet harbour onion").status_code == 303


@pytest.mark.parametrize("code", ["", "x", "%00", "é" * 50, "' OR 1=1 --"])
def test_a_code_that_is_none_sets_nothing(visitor: Client, code: str) -> None:
    """Guessing gets the same no as a link that is over."""
    assert visitor.get("/set-password", params={"code": code}).status_code == 403
    form = {"code": code, "password": GOOD, "again": GOOD}
    assert visitor.post("/set-password", data=form).status_code == 403


def test_who_may_see_but_not_act_gets_a_no_and_no_question(visitor: Client, shop: ToyShop) -> None:
    """A page refuses somebody it lets look when they act without the scope: in words, not by asking why again."""
    hire(shop, "auditor")
    session = say(visitor, cookie(sign_in(visitor)), "audit")
    seen = visitor.get("/console/requests", headers=session)
    acted = visitor.post("/console/requests/r-1/carry-out", data={"sure": "yes"}, headers=session)
    assert seen.status_code == 200
    assert acted.status_code in (403, 404, 405)
    assert "Why do you look?" not in acted.text


def test_an_admin_key_looks_under_its_own_name(visitor: Client, shop: ToyShop) -> None:
    """The shared key opens everything as before; the ledger says it was a key, and which."""
    decision = decide(visitor)
    session = cookie(visitor.post("/sign-in", data={"key": visitor.keys["admin"]}))
    assert "Permit" in visitor.get(f"/console/decisions/{decision}", headers=session).text
    with shop.store.snapshot() as snapshot:
        (row,) = snapshot.all("SELECT who, reason, decision_id FROM access_reads WHERE what = 'page decision'")
        (key,) = snapshot.all("SELECT key_id FROM keys WHERE role = 'admin'")
    assert row == (key[0], "admin key", decision)


def test_the_page_of_people_shows_no_secret(visitor: Client, shop: ToyShop) -> None:
    """Names, roles and days; no hash, no code, no key text, and names are shown as text."""
    hire(shop, "admin")
    shop.store.commit(lambda t: add_person(t, "mallory", "<script>alert(1)</script>", wall_now())).result()
    text = visitor.get("/console/people", headers=cookie(sign_in(visitor))).text
    assert "anna" in text
    assert "until" in text
    assert "<script" not in text
    assert "argon2" not in text
    assert all(key not in text for key in shop.keys.values())


def test_nothing_is_shown_that_could_not_be_written_down(visitor: Client, shop: ToyShop) -> None:
    """When the ledger takes no line, the page is an error and no data."""
    decision = decide(visitor)
    session = cookie(visitor.post("/sign-in", data={"key": visitor.keys["admin"]}))
    shop.store.commit(lambda t: t.run("DROP TABLE access_reads")).result()
    answer = visitor.get(f"/console/decisions/{decision}", headers=session)
    assert answer.status_code == 500
    assert "Permit" not in answer.text
