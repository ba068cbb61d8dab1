"""A breach has two questions, and each has one answer: whose data this key could see and saw, who saw this person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from knocking import Client
from toy_shop import ToyShop, build_toy

from tillwise.access.grants import give_grant, revoke_grant
from tillwise.access.keys import DAY, create_key, revoke_key
from tillwise.access.person import add_person
from tillwise.access.reads import log_read
from tillwise.api.create import create_api
from tillwise.errors import NotFound
from tillwise.events.people import find_pseudonym
from tillwise.rights.breach import Exposure, exposure_of_key, exposure_of_person, reads_of
from tillwise.rights.person import find_person
from tillwise.vocabulary.clock import wall_now

EVER = 1 << 61


def fraud(subject: str, **more: object) -> dict[str, object]:
    order = {"id": f"o-{subject}", "amount": 99_000, "currency": "EUR"}
    return {"subject": subject, "place": {"country": "DE"}, "payment": {"method": "card"}, "order": order, **more}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ToyShop]:
    built = build_toy(tmp_path)
    yield built
    built.close()


@pytest.fixture
def caller(shop: ToyShop) -> Iterator[Client]:
    knocking = Client(create_api(shop), shop.keys)
    for subject in ("u-1", "u-2", "u-3"):
        knocking.post("/predict/fraud", role="decide", json=fraud(subject, request_id=f"r-{subject}"))
    yield knocking
    knocking.close()


def key_id(shop: ToyShop, role: str) -> str:
    with shop.store.snapshot() as snapshot:
        (row,) = snapshot.all("SELECT key_id FROM keys WHERE role = ?", (role,))
    return str(row[0])


def of_key(shop: ToyShop, key: str, since: int = 0, until: int = EVER) -> Exposure:
    with shop.store.snapshot() as snapshot:
        return exposure_of_key(snapshot, key, since, until)


def of_person(shop: ToyShop, login: str, since: int = 0, until: int = EVER) -> Exposure:
    with shop.store.snapshot() as snapshot:
        return exposure_of_person(snapshot, login, since, until)


def pseudonym(shop: ToyShop, subject: str) -> int:
    with shop.store.snapshot() as snapshot:
        found = find_pseudonym(snapshot, shop.secrets, subject)
    assert found is not None
    return int(found)


def test_what_a_key_could_see_follows_from_its_scopes(caller: Client, shop: ToyShop) -> None:
    """privacy: everybody; read:decisions: whoever was decided about; ingest: nobody."""
    everybody = {pseudonym(shop, subject) for subject in ("u-1", "u-2", "u-3")}
    assert of_key(shop, key_id(shop, "privacy")).could == everybody
    assert of_key(shop, key_id(shop, "decide")).could == everybody
    assert of_key(shop, key_id(shop, "server")).could == frozenset()
    assert of_key(shop, key_id(shop, "browser")).categories == ()
    assert "contact" not in of_key(shop, key_id(shop, "decide")).categories


def test_what_a_key_did_see_is_what_was_written_down(caller: Client, shop: ToyShop) -> None:
    """Reads by time, and the people it is known to have asked decisions about."""
    decision = caller.post("/predict/fraud", role="decide", json=fraud("u-1")).json()["decision_id"]
    caller.get(f"/decisions/{decision}", role="decide")
    caller.get(f"/decisions/{decision}", role="decide")
    found = of_key(shop, key_id(shop, "decide"))
    assert found.saw == {pseudonym(shop, "u-1"): 2}
    assert len(found.reads) == found.shown == 2
    assert found.asked == {pseudonym(shop, subject) for subject in ("u-1", "u-2", "u-3")}
    assert of_key(shop, key_id(shop, "decide"), 0, found.reads[0].wall).saw == {}


def test_a_key_that_only_asks_could_see_whom_it_asked_about(caller: Client, shop: ToyShop) -> None:
    """`decide:fraud` shows answers about the people it asked about, not those another key asked about."""
    key, text = create_key(shop.store, "decide", scopes=["decide:fraud"])
    caller.post("/predict/fraud", role="decide", json=fraud("u-8"))
    assert of_key(shop, key.key_id).could == frozenset()
    other = Client(create_api(shop), {"new": text})  # a door that has not read the keys yet
    other.post("/predict/fraud", role="new", json=fraud("u-9"))
    other.close()
    assert of_key(shop, key.key_id).could == {pseudonym(shop, "u-9")}


def test_the_time_is_cut_to_the_life_of_the_key(caller: Client, shop: ToyShop) -> None:
    """Before it was made and after it was revoked or had ended, a key could see nothing; it is found all the same."""
    key, _ = create_key(shop.store, "privacy", days=1)
    assert of_key(shop, key.key_id, 0, key.created).could == frozenset()
    assert of_key(shop, key.key_id, key.expires, EVER).could == frozenset()
    assert len(of_key(shop, key.key_id).could) == 3
    revoke_key(shop.store, key.key_id, now=key.created + 5)
    ended = of_key(shop, key.key_id)
    assert (ended.until, len(ended.could)) == (key.created + 5, 3)
    assert of_key(shop, key.key_id, key.created + 5, EVER).could == frozenset()
    with pytest.raises(NotFound, match="never was"):
        of_key(shop, "k-none")


def test_what_a_person_could_see_follows_from_roles_and_their_time(caller: Client, shop: ToyShop) -> None:
    """A reviewer sees whoever was decided about, a data protection officer everybody, an analyst nobody."""
    now = wall_now()
    anna = shop.store.commit(lambda t: add_person(t, "anna", "", now)).result()
    assert of_person(shop, "anna").could == frozenset()
    analyst = shop.store.commit(lambda t: give_grant(t, anna, "analyst", now)).result()
    assert of_person(shop, "anna").could == frozenset()
    reviewer = shop.store.commit(lambda t: give_grant(t, anna, "reviewer", now)).result()
    assert len(of_person(shop, "anna").could) == 3
    assert of_person(shop, "anna").through == ("analyst", "reviewer")
    shop.store.commit(lambda t: revoke_grant(t, reviewer.grant_id, now + 10)).result()
    assert len(of_person(shop, "anna", now, now + 20).could) == 3
    assert of_person(shop, "anna", now + 20, now + DAY).through == ("analyst",)
    assert of_person(shop, anna.person_id, analyst.expires, EVER).through == ()


def test_who_saw_one_person_is_told_with_when_and_why(caller: Client, shop: ToyShop) -> None:
    """By the person themselves, and by the decisions about them; nobody else's lines are among them."""
    decision = caller.post("/predict/fraud", role="decide", json=fraud("u-1")).json()["decision_id"]
    caller.get(f"/decisions/{decision}", role="decide", headers={"Tillwise-Reason": "complaint 12"})
    shop.store.commit(lambda t: log_read(t, who="p-1", what="page", reason="audit", decision_id=decision)).result()
    caller.get("/consent/u-2", role="privacy")
    with shop.store.snapshot() as snapshot:
        found = reads_of(snapshot, find_person(snapshot, shop.secrets, "u-1"))
    assert [(read.who, read.reason) for read in found] == [
        (key_id(shop, "decide"), "complaint 12"), ("p-1", "audit"),
    ]  # fmt: skip


def test_a_dry_run_is_seen_by_both_questions(caller: Client, shop: ToyShop) -> None:
    """A key that asks and leaves no receipt saw the person all the same: who-saw counts them, and they find it."""
    key, text = create_key(shop.store, "decide", scopes=["decide:churn"])
    other = Client(create_api(shop), {"new": text})
    asked = {"subject": "u-2", "place": {"country": "US"}, "dry_run": True, "explain": "full"}
    assert other.post("/predict/churn", role="new", json=asked).json()["recorded"] is False
    other.close()
    found = of_key(shop, key.key_id)
    assert found.saw == {pseudonym(shop, "u-2"): 1}
    assert found.could == {pseudonym(shop, "u-2")}
    assert [(read.what, read.reason) for read in found.reads] == [("decide:churn", "dry run of churn")]
    assert {"decisions", "behaviour", "orders"} == set(found.categories)
    with shop.store.snapshot() as snapshot:
        about = reads_of(snapshot, find_person(snapshot, shop.secrets, "u-2"))
    assert [(read.who, read.reason) for read in about] == [(key.key_id, "dry run of churn")]
