"""Consent over HTTP: notice, yes, no, receipt; and the next decision does as it was told."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from knocking import Client
from toy_shop import ToyShop

from tillwise.decisions.receipts import find
from tillwise.errors import InvalidInput
from tillwise.privacy.consent_receipt import check_receipt

CHURN = {"subject": "u-17", "place": {"country": "DE"}}


def put(client: Client, subject: str = "u-17", **body: Any) -> Any:
    asked = {"purpose": "marketing", "state": "given", "country": "DE", "source": "account page"} | body
    headers = asked.pop("headers", {})
    return client.send("PUT", f"/consent/{subject}", role="privacy", json=asked, headers=headers)


def notice(client: Client, **query: str) -> Any:
    return client.get("/notice", role="privacy", params={"subject": "u-17", "country": "DE"} | query)


def withheld(client: Client, **body: Any) -> list[str]:
    answer = client.post("/predict/churn", role="decide", json=CHURN | body).json()
    return [each["cause"] for each in answer["permit"]["withheld"]]


def test_a_yes_after_its_notice_acts_on_the_next_decision(client: Client) -> None:
    """Notice, yes, decision, no, decision: each acts on the very next one."""
    assert withheld(client) == ["consent_missing"]
    shown = notice(client).json()
    assert shown["served"]
    assert put(client, notice_id=shown["notice_id"]).status_code == 200
    assert withheld(client) == []
    assert put(client, state="withdrawn").status_code == 200
    assert withheld(client) == ["consent_withdrawn"]
    assert put(client, state="refused").status_code == 200
    assert withheld(client) == ["consent_refused"]


def test_the_receipt_is_signed_and_cannot_be_changed(client: Client) -> None:
    """Fields of ISO/IEC TS 27560; a changed byte or another key is found out."""
    shown = notice(client).json()
    signed = put(client, notice_id=shown["notice_id"]).json()
    receipt = signed["receipt"]
    assert receipt["pii_principal_id"] == "u-17"
    served = {"id": shown["notice_id"], "sha256": shown["sha256"], "served": receipt["privacy_notice"]["served"]}
    assert receipt["privacy_notice"] == served
    assert served["served"] <= receipt["event"]["event_time"]
    assert receipt["purposes"][0]["purpose"] == "marketing"
    assert receipt["purposes"][0]["jurisdiction"] == "DE"
    assert receipt["event"]["event_state"] == "ConsentGiven"
    assert receipt["event"]["validity_duration"] == "P730D"
    check_receipt(receipt, signed["signature"], signed["public_key"])
    forged = json.loads(json.dumps(receipt).replace("u-17", "u-18"))
    with pytest.raises(InvalidInput, match="changed"):
        check_receipt(forged, signed["signature"], signed["public_key"])
    with pytest.raises(InvalidInput, match="no signed receipt"):
        check_receipt(receipt, "not base64!", signed["public_key"])
    again = put(client, notice_id=shown["notice_id"]).json()["receipt"]
    assert again["event"]["event_state"] == "RenewedConsentGiven"


def test_a_yes_without_a_served_notice_is_refused_and_nothing_is_kept(client: Client, shop: ToyShop) -> None:
    """No notice, a made-up one, or one that only somebody else was shown: no yes."""
    other = notice(client, subject="u-99").json()["notice_id"]
    for notice_id in ("", "n-0000000000000000", other):
        answer = put(client, notice_id=notice_id)
        assert answer.status_code == 404
        assert "never served" in answer.json()["detail"]
    assert client.get("/consent/u-17", role="privacy").status_code == 404
    assert withheld(client) == ["consent_missing"]


def test_what_counts_now_and_everything_ever_said(client: Client) -> None:
    """GET shows both, in words and in DPV states; a signal that came with a choice stands in the record."""
    shown = notice(client).json()["notice_id"]
    put(client, notice_id=shown, headers={"sec-gpc": "1"})
    put(client, purpose="train", state="refused")
    put(client, purpose="marketing", state="withdrawn")
    told = client.get("/consent/u-17", role="privacy").json()
    assert [(c["purpose"], c["state"], c["dpv"]) for c in told["now"]] == [
        ("marketing", "withdrawn", "ConsentWithdrawn"), ("train", "refused", "ConsentRefused"),
    ]  # fmt: skip
    assert [row["state"] for row in told["history"]] == ["given", "refused", "withdrawn"]
    assert "signals: gpc" in told["history"][0]["evidence"]
    assert told["history"][0]["notice"] == shown


def test_only_the_exact_signal_counts(client: Client) -> None:
    """`Sec-GPC: 1` is a signal, any other value is none."""
    for value, noted in (("1", True), ("0", False), ("true", False), ("1, 1", False)):
        put(client, state="refused", headers={"sec-gpc": value})
        last = client.get("/consent/u-17", role="privacy").json()["history"][-1]
        assert ("gpc" in last["evidence"]) is noted


def test_the_notice_is_plain_layered_and_named_by_its_text(client: Client) -> None:
    """Same place, same text, same id; another place, another text. Without a person nothing is recorded."""
    german, again, texan = notice(client).json(), notice(client).json(), notice(client, country="US-TX").json()
    assert german["notice_id"] == again["notice_id"] != texan["notice_id"]
    assert "With your yes also" in german["short"]
    assert "only if you say yes" in german["long"]
    assert "unless you say no" in texan["long"]
    assert len(german["short"]) < len(german["long"])
    for_nobody = client.get("/notice", role="privacy", params={"country": "DE"}).json()
    assert (for_nobody["served"], for_nobody["notice_id"]) == (None, german["notice_id"])


def test_an_anonymous_id_is_a_person_of_its_own(client: Client) -> None:
    """A visitor consents as a visitor; the customer of the same name did not."""
    shown = client.get("/notice", role="privacy", params={"anonymous_id": "a-1", "country": "DE"}).json()["notice_id"]
    assert put(client, "a-1", notice_id=shown).status_code == 404
    assert put(client, "a-1", notice_id=shown, anonymous=True).status_code == 200
    assert client.get("/consent/a-1", role="privacy").status_code == 404
    assert client.get("/consent/a-1?anonymous=true", role="privacy").json()["now"][0]["state"] == "given"
    answer = client.post("/predict/churn", role="decide", json={"anonymous_id": "a-1", "place": {"country": "DE"}})
    assert answer.json()["permit"]["withheld"] == []


def test_the_young_are_asked_with_their_parents_or_not_at_all(client: Client) -> None:
    """Below the age of the place a guardian agrees too; in India nobody under 18 may be profiled."""
    shown = notice(client).json()["notice_id"]
    refused = put(client, notice_id=shown, age=15)
    assert (refused.status_code, "guardian" in refused.json()["detail"]) == (409, True)
    assert put(client, notice_id=shown, age=15, guardian=True).status_code == 200
    assert put(client, notice_id=shown, age=16).status_code == 200
    assert put(client, notice_id=shown, age=17, guardian=True, country="IN").status_code == 409
    assert put(client, state="withdrawn", age=9).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"purpose": "world domination"}, "purpose"),
        ({"purpose": "operations"}, "purpose"),
        ({"state": "expired"}, "state"),
        ({"state": "declared"}, "state"),
        ({"country": "Germany"}, "country"),
        ({"consented_in": 2031}, "consented_in"),
        ({"source": ""}, "source"),
        ({"age": -1}, "age"),
    ],
)
def test_what_nobody_can_say_is_refused_by_name(client: Client, body: dict[str, Any], field: str) -> None:
    """Unknown purposes, states of ours, and fields of the future are 422 problem documents."""
    answer = put(client, **body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer.headers["content-type"] == "application/problem+json"


def test_queries_are_read_strictly_too(client: Client) -> None:
    """A place is a code, an id is an id."""
    assert notice(client, country="Germany").json()["field"] == "country"
    assert notice(client, subject=" ").json()["field"] == "subject"
    assert client.get("/consent/u-17?anonymous=maybe", role="privacy").status_code == 422


def test_consent_needs_its_own_scope(client: Client) -> None:
    """Whoever decides or sends events cannot speak for people."""
    for role in ("decide", "server", "browser"):
        assert client.get("/notice", role=role).status_code == 403
        assert client.send("PUT", "/consent/u-17", role=role, json={}).status_code == 403
        assert client.get("/consent/u-17", role=role).status_code == 403


def test_the_gate_is_measured_in_receipt_and_metrics(client: Client, shop: ToyShop) -> None:
    """Every decision tells how long the gate took, as a part of its permit step."""
    done = client.post("/predict/churn", role="decide", json=CHURN).json()
    with shop.store.snapshot() as snapshot:
        latency = find(snapshot, done["decision_id"]).receipt.latency
    assert 0 <= latency.gate <= latency.permit + 1
    assert "tillwise_gate_seconds_count 1.0" in client.get("/metrics", role="admin").text


def test_a_signal_and_a_choice_both_stand_in_the_receipt(client: Client, shop: ToyShop) -> None:
    """A yes outweighs the signal of the same request, and the receipt names both; without the yes neither allows."""
    shown = notice(client).json()["notice_id"]
    put(client, notice_id=shown)
    for value, noted in (("1", ["gpc"]), ("0", []), ("1 ", [])):
        headers = {"sec-gpc": value}
        done = client.send("POST", "/predict/churn", role="decide", json=CHURN, headers=headers).json()
        assert done["permit"]["withheld"] == []
        receipt = client.get(f"/decisions/{done['decision_id']}", role="decide").json()
        assert (receipt["permit"]["basis"], receipt["permit"]["signals"]) == ("consent", noted)


def test_implied_is_kept_as_what_it_is_and_asks_where_people_are_asked(client: Client) -> None:
    """Going on after a notice is no yes in Germany; the receipt says how it came about."""
    assert put(client, state="implied").status_code == 404
    shown = notice(client).json()["notice_id"]
    receipt = put(client, state="implied", notice_id=shown).json()["receipt"]
    assert receipt["event"]["event_type"] == "implicit"
    assert withheld(client) == ["consent_missing"]
    assert client.get("/consent/u-17", role="privacy").json()["now"][0]["state"] == "implied"


@pytest.mark.parametrize("subject", ["team/7", "a/verify", "50%/é"])
def test_a_person_whose_id_holds_a_slash_has_the_same_rights(client: Client, subject: str) -> None:
    """The shop chose the id, encoded it as URLs want it, and reaches that person and nobody else."""
    path = quote(subject, safe="")
    assert put(client, path, state="refused").json()["receipt"]["pii_principal_id"] == subject
    assert client.get(f"/consent/{path}", role="privacy").json()["subject"] == subject
    assert withheld(client, subject=subject) == ["consent_refused"]
    assert client.get(f"/consent/{subject.rpartition('/')[2]}", role="privacy").status_code == 404


def test_going_on_after_a_no_is_no_yes(client: Client) -> None:
    """Where nobody has to be asked a no still stands, until they say yes themselves (GDPR 7(3), 21(3))."""
    shown = notice(client, country="US").json()["notice_id"]
    for state in ("refused", "withdrawn"):
        put(client, state=state, country="US")
        again = put(client, state="implied", notice_id=shown, country="US")
        assert (again.status_code, "their own yes" in again.json()["detail"]) == (409, True)
        assert withheld(client, place={"country": "US"}) == [f"consent_{state}"]


def test_an_age_told_with_a_refused_yes_is_known_from_then_on(client: Client) -> None:
    """Who was told that somebody is ten treats them so: where silence would do for others, it does not for them."""
    shown = notice(client, country="US").json()["notice_id"]
    us = {"place": {"country": "US"}}
    put(client, purpose="train", state="refused", country="US")
    assert withheld(client, **us) == []
    assert put(client, notice_id=shown, country="US", age=10).status_code == 409
    assert client.get("/consent/u-17", role="privacy").json()["age"] != "unknown"
    assert withheld(client, **us) == ["consent_missing"]


@pytest.mark.parametrize(("language", "what"), [("en", "decision"), ("de", "Entscheidung"), ("pt", "decisão")])
def test_a_receipt_speaks_the_language_of_the_notice(client: Client, language: str, what: str) -> None:
    """Language, purpose, data and the way back are told as the notice was; without a notice, in English."""
    shown = notice(client, language=language).json()["notice_id"]
    receipt = put(client, notice_id=shown).json()["receipt"]
    assert receipt["language"] == language
    assert what in receipt["purposes"][0]["withdrawal_method"]
    assert put(client, purpose="search", state="refused").json()["receipt"]["language"] == "en"


def test_an_age_told_once_binds_the_next_decision(client: Client) -> None:
    """A yes of 20 stands; when the shop learns that they are 15, a guardian has to agree."""
    shown = notice(client).json()["notice_id"]
    put(client, notice_id=shown, age=20)
    assert withheld(client) == []
    put(client, purpose="train", state="refused", age=15)
    assert withheld(client) == ["guardian_missing"]
    assert client.get("/consent/u-17", role="privacy").json()["age"] == "15"


@pytest.mark.parametrize(
    ("purpose", "state", "country", "basis"),
    [
        ("marketing", "given", "DE", "consent"), ("marketing", "refused", "DE", None),
        ("marketing", "implied", "DE", None), ("marketing", "implied", "US-TX", "notice"),
        ("marketing", "given", "US-TX", "consent"), ("marketing", "withdrawn", "US-TX", None),
        ("fraud_prevention", "given", "DE", "legitimate_interest"),
        ("fraud_prevention", "refused", "DE", "legitimate_interest"),
        ("fraud_prevention", "implied", "US-TX", "legitimate_interest"),
    ],
)  # fmt: skip
def test_a_receipt_names_the_basis_the_next_decision_rests_on(
    client: Client, purpose: str, state: str, country: str, basis: str | None
) -> None:
    """Consent only where a yes carries the use; none after a no; its own basis where no word switches it off."""
    shown = notice(client, country=country).json()["notice_id"]
    receipt = put(client, purpose=purpose, state=state, country=country, notice_id=shown).json()["receipt"]
    assert receipt["purposes"][0]["lawful_basis"] == basis
    assert (receipt["purposes"][0]["withdrawal_method"] is None) == (purpose == "fraud_prevention")
    assert (receipt["event"]["validity_duration"] is not None) == (basis == "consent" and country == "DE")
    if purpose == "marketing":
        where, _, region = country.partition("-")
        place = {"country": where} | ({"region": region} if region else {})
        answer = client.post("/predict/churn", role="decide", json=CHURN | {"place": place}).json()
        assert answer["permit"]["basis"] == basis


def test_a_receipt_of_a_restricted_person_names_no_basis(client: Client) -> None:
    """While their data are on hold nothing rests on anything, also no check against fraud."""
    asked = {"subject": "u-17", "kind": "restriction", "identity": "verified", "place": {"country": "DE"}}
    put(client, state="refused")
    assert client.send("POST", "/privacy/requests", role="privacy", json=asked).status_code < 300
    receipt = put(client, purpose="fraud_prevention", state="refused").json()["receipt"]
    assert receipt["purposes"][0]["lawful_basis"] is None


def test_a_yes_to_what_the_notice_does_not_tell_is_refused(client: Client) -> None:
    """Nobody receives data here: there is nothing to agree to, now or for a recipient of tomorrow; a no is taken."""
    shown = notice(client).json()
    assert "hands no data" in shown["long"]
    for purpose in ("share", "price", "search", "service", "moderation"):
        refused = put(client, purpose=purpose, notice_id=shown["notice_id"])
        assert (refused.status_code, "does not stand for" in refused.json()["detail"]) == (409, True)
        assert put(client, purpose=purpose, state="refused", notice_id=shown["notice_id"]).status_code == 200


def test_a_yes_under_another_places_notice_is_refused(client: Client) -> None:
    """American rights were shown and Germany is named: the person has not been told what they agree to."""
    american = notice(client, country="US").json()["notice_id"]
    refused = put(client, notice_id=american)
    assert (refused.status_code, "tells the law of US" in refused.json()["detail"]) == (409, True)
    assert withheld(client) == ["consent_missing"]
    french = notice(client, country="FR").json()["notice_id"]
    assert put(client, notice_id=french).status_code == 200
    assert withheld(client) == []


def test_going_on_after_a_yes_changes_nothing(client: Client) -> None:
    """An explicit choice outweighs silence: it is refused, and the yes stands."""
    shown = notice(client).json()["notice_id"]
    put(client, notice_id=shown)
    again = put(client, state="implied", notice_id=shown)
    assert (again.status_code, "they said yes" in again.json()["detail"]) == (409, True)
    assert withheld(client) == []


def test_made_up_countries_make_no_notices(client: Client, shop: ToyShop) -> None:
    """They are shown the strictest notice; a region without rules of its own is shown its country's."""
    shown = {country: notice(client, country=country).json() for country in ("ZZ", "QQ-1", "XA", "DE-BY", "DE")}
    assert {country: each["place"] for country, each in shown.items()} == {
        "ZZ": "unknown", "QQ-1": "unknown", "XA": "unknown", "DE-BY": "DE", "DE": "DE",
    }  # fmt: skip
    with shop.store.snapshot() as snapshot:
        assert len(snapshot.all("SELECT id FROM notices_in_force")) == 2
    assert put(client, notice_id=shown["ZZ"]["notice_id"], country="ZZ").status_code == 200
    assert put(client, notice_id=shown["DE-BY"]["notice_id"], country="DE-BY").status_code == 200
