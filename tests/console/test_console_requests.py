"""The data protection officer's pages: guarded, without script, and every step of a request can be taken from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from knocking import Client
from toy_shop import SECRETS, ToyShop, build_toy

from tillwise.api.create import create_api
from tillwise.events.people import pseudonym_for
from tillwise.rights.request import Kind, State
from tillwise.rights.requests import Asked


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ToyShop]:
    built = build_toy(tmp_path)
    built.store.commit(lambda transaction: pseudonym_for(transaction, SECRETS, "<u-17>")).result()
    yield built
    built.close()


@pytest.fixture
def officer(shop: ToyShop) -> Iterator[Client]:
    knocking = Client(create_api(shop), shop.keys)
    yield knocking
    knocking.close()


def _cookie(officer: Client) -> dict[str, str]:
    answer = officer.post("/sign-in", data={"key": officer.keys["admin"]})
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def waiting(shop: ToyShop, kind: Kind = Kind.ACCESS, *, identity: bool = False) -> str:
    return shop.rights.take(Asked("<u-17>", kind, place="DE", identity=identity)).id


def act(officer: Client, request_id: str, what: str, **form: str) -> httpx.Response:
    return officer.post(f"/console/requests/{request_id}/{what}", headers=_cookie(officer), data=form)


def test_strangers_see_nothing_and_change_nothing(officer: Client, shop: ToyShop) -> None:
    """Without a session every page leads to the form, and a form posted from another site is refused."""
    request_id = waiting(shop)
    for path in ("/console/requests", f"/console/requests/{request_id}", f"/console/requests/{request_id}/result"):
        assert (officer.get(path).status_code, officer.get(path).headers["location"]) == (303, "/")
    assert officer.post(f"/console/requests/{request_id}/verify").status_code == 303
    foreign = {**_cookie(officer), "origin": "https://evil.example"}
    assert officer.post(f"/console/requests/{request_id}/verify", headers=foreign).status_code == 403
    assert shop.rights.requests.find(request_id).state is State.VERIFYING


@pytest.mark.parametrize("what", ["verify", "extend", "refuse", "carry-out"])
def test_a_form_that_is_none_of_ours_is_refused(officer: Client, shop: ToyShop, what: str) -> None:
    """Too many fields are somebody's mistake or attack: a problem, nothing done, and no incident."""
    request_id = waiting(shop)
    assert act(officer, request_id, what, **{f"field{n}": "x" for n in range(20)}).status_code == 400
    assert shop.rights.requests.find(request_id).state is State.VERIFYING


def test_a_request_goes_from_the_list_to_its_receipt(officer: Client, shop: ToyShop) -> None:
    """Found in the list with its deadline in words; checked, extended, carried out, fetched: each step on the page."""
    request_id = waiting(shop)
    listed = officer.get("/console/requests", headers=_cookie(officer)).text
    assert request_id[-12:] in listed
    assert re.search(r"(29|30) days left", listed)
    assert "u-17" not in listed, "the list names nobody"
    opened = officer.get(f"/console/requests/{request_id}", headers=_cookie(officer))
    assert "&lt;u-17&gt;" in opened.text
    assert "<script" not in opened.text
    assert "default-src 'none'" in opened.headers["content-security-policy"]

    assert act(officer, request_id, "extend", reason="many_requests").status_code == 303
    assert act(officer, request_id, "verify").status_code == 303
    assert act(officer, request_id, "carry-out").status_code == 303
    done = officer.get(f"/console/requests/{request_id}", headers=_cookie(officer)).text
    for each in ("received", "extended", "many requests", "working", "done", "Ed25519", "GDPR 12(3)", "extended once"):
        assert each in done
    copy = officer.get(f"/console/requests/{request_id}/result?format=json", headers=_cookie(officer))
    assert copy.json()["identity"] == [{"id": "<u-17>"}]
    tables = officer.get(f"/console/requests/{request_id}/result?format=csv", headers=_cookie(officer))
    assert tables.headers["content-type"] == "application/zip"
    assert tables.content[:2] == b"PK"
    with shop.store.snapshot() as snapshot:
        reads = snapshot.one("SELECT count(*) FROM access_reads WHERE what = 'page request'")
    assert reads is not None
    assert reads[0] >= 2, "that somebody looked is written down"


def test_what_cannot_be_done_is_said_on_the_page(officer: Client, shop: ToyShop) -> None:
    """An erasure asks to be sure; nothing is carried out for a stranger; a wrong reason changes nothing."""
    request_id = waiting(shop, Kind.ERASURE)
    refused = act(officer, request_id, "carry-out", sure="yes")
    assert refused.status_code == 409
    assert "first check who is asking" in refused.text
    act(officer, request_id, "verify")
    assert "cannot be undone" in act(officer, request_id, "carry-out").text
    assert act(officer, request_id, "refuse", reason="no time").status_code == 409
    assert shop.rights.requests.find(request_id).state is State.WORKING
    assert officer.get("/console/requests/nothing", headers=_cookie(officer)).status_code == 404
    assert act(officer, request_id, "refuse", reason="legal_claims").status_code == 303
    page = officer.get(f"/console/requests/{request_id}", headers=_cookie(officer)).text
    assert "justifications:LegalClaimImpaired" in page
    assert "What to do" not in page


def test_an_objection_to_marketing_offers_no_reason_to_refuse(officer: Client, shop: ToyShop) -> None:
    """Only doubt about who asks can be chosen."""
    request_id = waiting(shop, Kind.OBJECTION, identity=True)
    page = officer.get(f"/console/requests/{request_id}", headers=_cookie(officer)).text
    assert "identity_not_proven" in page
    assert "legal_claims" not in page


def test_lifting_asks_whether_the_person_knows(officer: Client, shop: ToyShop) -> None:
    """The tick is asked for, and recorded in the receipt."""
    request_id = waiting(shop, Kind.LIFTING)
    act(officer, request_id, "verify")
    assert "before it is lifted" in act(officer, request_id, "carry-out").text
    assert act(officer, request_id, "carry-out", informed="yes").status_code == 303
    assert shop.rights.requests.find(request_id).state is State.DONE
