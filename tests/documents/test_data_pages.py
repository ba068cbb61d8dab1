"""The console's pages about data: for those whose role opens them, without a word from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from knocking import Client
from toy_shop import ToyShop, build_toy

from tillwise.api.create import create_api
from tillwise.documents.measures import measures

PAGES = ("/console/data", "/console/data/flow", "/console/data/record", "/console/data/notices")


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


def _cookie(visitor: Client) -> dict[str, str]:
    answer = visitor.post("/sign-in", data={"key": visitor.keys["admin"]})
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_a_stranger_sees_none_of_them(visitor: Client) -> None:
    """Not signed in: the way to the form, nothing else."""
    for path in (*PAGES, "/console/data/notices/1/2"):
        answer = visitor.get(path)
        assert answer.status_code in (303, 403)
        assert "fraud" not in answer.text


def test_every_page_opens_for_who_may_see_figures(visitor: Client) -> None:
    """Inventory, flow, record, notices: own style sheet only, no script, no foreign address."""
    cookie = _cookie(visitor)
    for path in PAGES:
        answer = visitor.get(path, headers=cookie)
        assert answer.status_code == 200, path
        assert "<script" not in answer.text
        assert "http://" not in answer.text
        assert "https://" not in answer.text
    assert "How events become decisions" in visitor.get("/console/data/flow", headers=cookie).text
    assert visitor.get("/assets/documents.css").status_code == 200


def test_the_notice_page_keeps_and_compares(visitor: Client, shop: ToyShop) -> None:
    """A place and a language can be asked for; an unknown language or notice is a page that says so."""
    cookie = _cookie(visitor)
    german = visitor.get("/console/data/notices", params={"place": "DE", "language": "de"}, headers=cookie)
    assert german.status_code == 200
    assert "Was Sie von uns verlangen können" in german.text
    assert "Nothing to show" in visitor.get("/console/data/notices?language=xx", headers=cookie).text
    visitor.get("/console/data/notices?place=US", headers=cookie)
    compared = visitor.get("/console/data/notices/1/2", headers=cookie)
    assert "Whose yes has to be renewed" in compared.text
    assert "Nothing to show" in visitor.get("/console/data/notices/1/99", headers=cookie).text


def test_get_notice_tells_what_runs_in_the_language_asked_for(visitor: Client) -> None:
    """The contract's answer, from the same desk as the page; an unknown language is a 422 naming the field."""
    told = visitor.get("/notice", role="privacy", params={"subject": "u-1", "country": "DE", "language": "es"}).json()
    assert told["short"].startswith("shop usa sus datos") or "sus datos" in told["short"]
    again = visitor.get("/notice", role="privacy", params={"subject": "u-2", "country": "DE", "language": "es"}).json()
    assert again["notice_id"] == told["notice_id"]
    wrong = visitor.get("/notice", role="privacy", params={"country": "DE", "language": "xx"})
    assert wrong.status_code == 422
    assert wrong.json()["field"] == "language"


def test_measures_need_no_folder(shop: ToyShop) -> None:
    """A shop whose folder nobody named says nothing about files, and does not fail."""
    with shop.store.snapshot() as snapshot:
        assert all(each.name != "file modes" for each in measures(shop.described, snapshot))
