"""People's requests over HTTP: the contract's body and answer, deadlines, and nothing for anybody else."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from knocking import Client
from toy_shop import SECRETS, ToyShop

from tillwise.events.people import pseudonym_for
from tillwise.privacy.consent_receipt import check_receipt
from tillwise.rights.request import Kind

KINDS = [each.value for each in Kind]


@pytest.fixture(autouse=True)
def _known(shop: ToyShop) -> None:
    """One person is known."""
    shop.store.commit(lambda transaction: pseudonym_for(transaction, SECRETS, "u-17")).result()


def ask(client: Client, **body: Any) -> Any:
    return client.post("/privacy/requests", role="privacy", json={"subject": "u-17", "country": "DE", **body})


def decided(client: Client, subject: str) -> str:
    order = {"id": f"o-{subject}", "amount": 99_000, "currency": "EUR"}
    body = {"subject": subject, "order": order, "payment": {"method": "card"}}
    return str(client.post("/predict/fraud", role="decide", json=body).json()["decision_id"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_taken_and_waits_for_a_check(client: Client, kind: str) -> None:
    """Without `identity: verified` it waits: {id, state, deadline, law}, and no result."""
    told = ask(client, kind=kind).json()
    assert (told["state"], told["law"], told["identity"]) == ("verifying", "GDPR 12(3)", "not checked")
    assert told["deadline"] > told["received"]
    assert client.get(f"/privacy/requests/{told['id']}/result", role="privacy").status_code == 409
    listed = client.get("/privacy/requests", role="privacy").json()["requests"]
    assert [each["id"] for each in listed] == [told["id"]]


@pytest.mark.parametrize("kind", [each for each in KINDS if each not in ("rectification", "lift_restriction")])
def test_a_verified_request_is_done_at_once(client: Client, kind: str) -> None:
    """State, steps and a signed receipt that checks."""
    decided(client, "u-17")
    told = ask(client, kind=kind, identity="verified").json()
    assert told["state"] == "done"
    assert [each["what"] for each in told["steps"]] == ["received", "working", "done"]
    receipt = told["receipt"]
    check_receipt(receipt["receipt"], receipt["signature"], receipt["public_key"])


def test_a_check_later_carries_out_what_was_asked(client: Client) -> None:
    """The body is kept sealed until then; the copy comes as JSON or as an archive of tables."""
    waiting = ask(client, kind="access").json()["id"]
    one = f"/privacy/requests/{waiting}"
    assert client.post(f"{one}/verify", role="privacy", json={}).json()["state"] == "done"
    assert client.post(f"{one}/verify", role="privacy", json={}).status_code == 409
    copy = client.get(f"{one}/result", role="privacy")
    assert copy.json()["identity"] == [{"id": "u-17"}]
    archive = client.get(f"{one}/result", role="privacy", headers={"accept": "application/zip"})
    names = zipfile.ZipFile(io.BytesIO(archive.content)).namelist()
    assert "everything.json" in names
    assert client.get(f"{one}/result?format=csv", role="privacy").headers["content-type"] == "application/zip"
    assert client.get(f"{one}/result?format=xml", role="privacy").status_code == 422


def test_a_check_alone_carries_nothing_out(client: Client) -> None:
    """`carry_out: false` only notes that somebody checked."""
    waiting = ask(client, kind="erasure").json()["id"]
    told = client.post(f"/privacy/requests/{waiting}/verify", role="privacy", json={"carry_out": False}).json()
    assert (told["state"], told["identity"]) == ("working", "verified")


def test_corrections_are_done_or_wait(client: Client) -> None:
    """A trait is corrected; what says nothing waits; an event that is not theirs is refused."""
    told = ask(client, kind="rectification", identity="verified", corrections={"traits": {"country": "FR"}}).json()
    assert told["result"] == {"corrected": ["country"]}
    assert ask(client, kind="rectification", identity="verified").json()["state"] == "received"
    strange = ask(client, kind="rectification", identity="verified", corrections={"remove_events": [4_711]})
    assert strange.status_code == 404
    assert "position 4711" in strange.json()["detail"]
    assert ask(client, kind="rectification", corrections={"traits": {"shoe": "44"}}).status_code == 422


def test_nobody_gets_what_is_somebody_elses(client: Client) -> None:
    """A decision of another person, a request of another person: refused with a clear message, nothing of it shown."""
    theirs = decided(client, "u-18")
    for kind in ("explanation", "human_review"):
        refused = ask(client, kind=kind, identity="verified", decision_id=theirs)
        assert refused.status_code == 404
        assert "about this person" in refused.json()["detail"]
    mine = ask(client, kind="access", identity="verified").json()["id"]
    for path in (f"/privacy/requests/{mine}", f"/privacy/requests/{mine}/result"):
        assert client.get(f"{path}?subject=u-17", role="privacy").status_code == 200
        refused = client.get(f"{path}?subject=u-18", role="privacy")
        assert refused.status_code == 403
        assert "somebody else" in refused.json()["detail"]


def test_deadlines_move_once_and_refusals_are_coded(client: Client) -> None:
    """The person is told why it takes longer; a refusal carries its DPV name; a final state stays."""
    waiting = ask(client, kind="explanation").json()
    one = f"/privacy/requests/{waiting['id']}"
    longer = client.post(f"{one}/extend", role="privacy", json={"reason": "many_requests"}).json()
    assert longer["deadline"] > waiting["deadline"]
    assert "many requests" in longer["told"]
    assert client.post(f"{one}/extend", role="privacy", json={"reason": "complex"}).status_code == 409
    assert client.post(f"{one}/refuse", role="privacy", json={"reason": "busy"}).status_code == 422
    refused = client.post(f"{one}/refuse", role="privacy", json={"reason": "excessive"}).json()
    assert (refused["state"], refused["refusal"]) == ("refused", "justifications:ProcessExcessive")
    assert client.post(f"{one}/refuse", role="privacy", json={"reason": "excessive"}).status_code == 409


@pytest.mark.parametrize("role", ["browser", "server", "decide"])
def test_only_a_privacy_key_may_ask(client: Client, role: str) -> None:
    """Every route of requests has the scope `privacy`."""
    assert client.post("/privacy/requests", role=role, json={"subject": "u", "kind": "access"}).status_code == 403
    assert client.get("/privacy/requests", role=role).status_code == 403


def test_a_region_sets_the_law(client: Client) -> None:
    """`place` with a region, or `country` as ISO 3166-2: California has its own deadline; unknown has the shortest."""
    for where in ({"place": {"country": "US", "region": "CA"}}, {"country": "US-CA"}):
        body = {"subject": "nobody", "kind": "access", **where}
        told = client.post("/privacy/requests", role="privacy", json=body).json()
        assert told["law"].startswith("Cal. Civ. 1798.130")
    unknown = client.post("/privacy/requests", role="privacy", json={"anonymous_id": "v-9", "kind": "access"}).json()
    assert "shortest" in unknown["law"]
    both = {"subject": "a", "anonymous_id": "b", "kind": "access"}
    assert client.post("/privacy/requests", role="privacy", json=both).status_code == 409
    assert client.post("/privacy/requests", role="privacy", json={"kind": "access"}).status_code == 422


def test_an_explanation_shows_procedure_data_and_effect(client: Client) -> None:
    """`GET /decisions/{id}/explanation` says how, from what, to which effect, and who looked at it."""
    told = client.get(f"/decisions/{decided(client, 'u-17')}/explanation", role="decide").json()
    assert told["procedure"]["human_involved"] is True
    assert told["effect"] == "The order waits until a person has looked at it."
    assert told["data"]["values"][0]["name"] == "amount"
    assert told["review"]["state"] == "open"
