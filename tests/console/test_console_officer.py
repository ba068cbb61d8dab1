"""Requests are for the data protection officer: an auditor sees that there are some, nobody else sees who asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from knocking import Client
from toy_shop import ToyShop, build_toy

from tillwise.access import passwords
from tillwise.access.grants import give_grant
from tillwise.access.passwords import hash_password, set_password
from tillwise.access.person import add_person
from tillwise.access.reads import reads_by
from tillwise.access.tables import TABLES
from tillwise.api.create import create_api
from tillwise.rights.request import Kind, State
from tillwise.rights.requests import Asked
from tillwise.vocabulary.clock import wall_now

GOOD = "lamp otter velvet 7 canoe"


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


def enter(shop: ToyShop, visitor: Client, role: str, reason: str) -> tuple[str, dict[str, str]]:
    """Hire somebody, sign them in, let them say why; return their id and their session."""

    def work(transaction: object) -> str:
        person = add_person(transaction, role, role.title(), wall_now())  # type: ignore[arg-type]
        set_password(transaction, person, hash_password(GOOD))  # type: ignore[arg-type]
        give_grant(transaction, person, role, wall_now())  # type: ignore[arg-type]
        return str(person.person_id)

    who = shop.store.commit(work).result()
    answer = visitor.post("/sign-in", data={"login": role, "password": GOOD})
    session = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
    answer = visitor.post("/reason", data={"reason": reason, "back": "/"}, headers=session)
    return who, {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_the_officer_answers_and_every_look_is_written_down(shop: ToyShop, visitor: Client) -> None:
    """With the role and the reason, one request is opened, verified and answered under the officer's own name."""
    who, session = enter(shop, visitor, "dpo", "data_rights")
    request = shop.rights.take(Asked("u-9", Kind.ACCESS, place="DE"))
    one = f"/console/requests/{request.id}"
    assert "u-9" in visitor.get(one, headers=session).text
    assert visitor.post(f"{one}/verify", headers=session).status_code == 303
    assert visitor.post(f"{one}/carry-out", headers=session).status_code == 303
    assert shop.rights.requests.find(request.id).state is State.DONE
    assert who in {each.who for each in shop.rights.requests.steps(request.id)}
    with shop.store.snapshot() as snapshot:
        looks = reads_by(snapshot, who, 0, 1 << 62)
    assert {(each.what, each.purpose) for each in looks} >= {("page request", "data_rights")}


def test_an_auditor_sees_the_list_and_no_name(shop: ToyShop, visitor: Client) -> None:
    """What is open and until when; one request, its copy and its buttons are closed."""
    _, session = enter(shop, visitor, "auditor", "audit")
    request = shop.rights.take(Asked("u-9", Kind.ERASURE, place="DE", identity=True))
    listed = visitor.get("/console/requests", headers=session)
    assert listed.status_code == 200
    assert "u-9" not in listed.text
    one = f"/console/requests/{request.id}"
    for answer in (
        visitor.get(one, headers=session),
        visitor.get(f"{one}/result", headers=session),
        visitor.post(f"{one}/carry-out", headers=session, data={"sure": "yes"}),
    ):
        assert answer.status_code == 403
        assert "u-9" not in answer.text
    assert shop.rights.requests.find(request.id).finished is None


@pytest.mark.parametrize(("role", "reason"), [("support", "customer_asked"), ("reviewer", "fraud_review")])
def test_other_roles_see_no_requests(shop: ToyShop, visitor: Client, role: str, reason: str) -> None:
    """Support and reviewers have their own pages; these are not among them."""
    _, session = enter(shop, visitor, role, reason)
    assert visitor.get("/console/requests", headers=session).status_code == 403
