"""Every kind of request does what it promises, to the person who asked and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tillwise.app.build import App, build_app
from tillwise.cli.init import create_shop
from tillwise.decisions import receipts
from tillwise.decisions.decision import Place, Request
from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.events.ingest import read_message
from tillwise.events.keys import order_code
from tillwise.events.people import find_pseudonym
from tillwise.outcomes import outcomes
from tillwise.outcomes.outcomes import Outcome
from tillwise.privacy import ledger
from tillwise.privacy.consent_receipt import check_receipt
from tillwise.privacy.ledger import Consent
from tillwise.privacy.material import read_materials
from tillwise.releases.card import Label, LogPosition, ModelCard, Split
from tillwise.releases.gate import Choice
from tillwise.review.case import Verdict
from tillwise.rights.asked import Corrections
from tillwise.rights.export import as_files, as_zip
from tillwise.rights.holders import row_holders
from tillwise.rights.lineage import RENEWAL_DAYS
from tillwise.rights.objecting import ReviewObjected
from tillwise.rights.request import DAY, FETCH_DAYS, Kind, State
from tillwise.rights.requests import Asked
from tillwise.rights.rights import Rights
from tillwise.vocabulary.clock import LogClock, wall_now
from tillwise.vocabulary.purpose import Purpose


@dataclass
class Lived:
    """A shop, and rights on a wall clock that a test moves."""

    app: App
    rights: Rights
    now: list[int]

    def send(self, *messages: dict[str, Any]) -> None:
        now = self.app.clock.now()
        self.app.log.append([read_message(each, received=now) for each in messages]).result()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("answered") / "shop"
    create_shop(folder)
    app = build_app(folder)
    now = [wall_now()]
    rights = Rights(
        app.store, app.secrets, LogClock(0, lambda: now[0]), app.replayer, lineage=app.rights.lineage,
        rows=row_holders(app.tiles, app.secrets),
    )  # fmt: skip
    yield Lived(app, rights, now)
    app.close()


def live(shop: Lived, who: str) -> str:
    """Let somebody browse, sign in, search, buy, say yes, be decided about, be refused once; return the decision."""
    order = {"order_id": f"o-{who}", "currency": "EUR"}
    products = [{"product_id": "tea", "quantity": 2, "price": 9.5}]
    shop.send(
        {"type": "track", "event": "Product Viewed", "anonymousId": f"v-{who}", "properties": {"product_id": "tea"}},
        {"type": "identify", "anonymousId": f"v-{who}", "userId": who, "traits": {"country": "DE", "language": "de"}},
        {"type": "track", "event": "Products Searched", "userId": who, "properties": {"query": f"wish of {who}"}},
        {"type": "track", "event": "Order Completed", "userId": who, "properties": {**order, "products": products}},
        {"type": "track", "event": "Products Searched", "userId": who, "properties": {"category": who}},
    )

    def said(transaction: Any) -> None:
        person = find_pseudonym(transaction, shop.app.secrets, who)
        assert person is not None
        used = read_materials(transaction)
        for purpose in (Purpose.RECOMMEND, Purpose.TRAIN, Purpose.MARKETING):
            yes = Consent(person, purpose, ledger.State.GIVEN, place="DE", material=used.get(purpose, ""))
            ledger.record(transaction, yes, shop.app.clock.now())

    shop.app.store.commit(said).result()
    body = {"order": {"id": f"o-{who}", "amount": 9_000_000, "currency": "EUR", "items": []}, "payment": {}}
    answer = decide(shop, who, body)
    assert answer.decision.action in ("review", "decline", "challenge")
    return str(answer.decision_id)


def decide(shop: Lived, who: str, body: Any) -> Any:
    asked = Request(None, body, subject=who, place=Place("DE"), deadline_ms=20_000)
    return shop.app.road.decide(shop.app.use_case("fraud"), asked, "key")


def ask(who: str, kind: Kind, **more: Any) -> Asked:
    return Asked(who, kind, **{"identity": True, **more})


def test_access_shows_every_kind_of_data(shop: Lived) -> None:
    """One of each for one person: events, consent, decision, review, outcome, quarantine, reads, requests, profile."""
    decision = live(shop, "canary")
    shop.app.reviews.decide("rev", decision, Verdict.APPROVE, "called the customer")
    told = Outcome("chargeback", 1.0, shop.app.clock.now(), decision)
    shop.app.store.commit(lambda transaction: outcomes.append(transaction, told)).result()
    shop.rights.ask(ask("canary", Kind.ACCESS))
    answered = shop.rights.ask(ask("canary", Kind.ACCESS))
    data = answered.data
    assert data is not None
    wanted = (
        "identity", "profile", "consent", "events", "decisions", "reviews", "outcomes", "quarantine", "reads",
        "requests", "information",
    )  # fmt: skip
    assert [kind for kind in wanted if not data.get(kind)] == []
    text = msgspec.json.encode(data).decode()
    assert [each for each in ("canary", "v-canary", "wish of canary", "o-canary", decision) if each not in text] == []
    assert data["requests"][0]["kind"] == "access"
    assert "human_review" in data["information"][0]["rights"]
    assert "notice" not in data["information"][0], "this test's rights know no notice"
    told = shop.app.rights.ask(ask("canary", Kind.ACCESS)).data or {}
    assert "complain" in told["information"][0]["notice"], "the notice in force at their place comes with it"
    assert answered.request.law == "GDPR 12(3)", "the place is known from what they said"
    portable = shop.rights.ask(ask("canary", Kind.PORTABILITY)).data
    assert portable is not None
    assert "information" not in portable
    assert {"everything.json", "events.csv", "consents.csv"} <= as_files(portable).keys()
    assert as_zip(portable) == as_zip(portable)


def test_without_a_check_nothing_is_handed_over(shop: Lived) -> None:
    """It waits; no result, no carrying out; and once checked it goes on by itself with what was asked then."""
    live(shop, "waits")
    waiting = shop.rights.ask(ask("waits", Kind.ACCESS, identity=False))
    assert (waiting.request.state, waiting.data) == (State.VERIFYING, None)
    for attempt in (shop.rights.carry_out, shop.rights.result):
        with pytest.raises(Conflict):
            attempt(waiting.request.id)
    shop.rights.requests.verified(waiting.request.id, who="p-7")
    answered = shop.rights.carry_out(waiting.request.id, who="p-7")
    assert answered.data is not None
    assert [each.who for each in shop.rights.requests.steps(waiting.request.id)] == ["shop", "shop", "p-7", "p-7"]
    signed = shop.rights.signed(answered.request)
    check_receipt(signed["receipt"], signed["signature"], signed["public_key"])
    with pytest.raises(InvalidInput):
        check_receipt({**signed["receipt"], "state": "refused"}, signed["signature"], signed["public_key"])


def test_a_copy_is_made_afresh_for_some_days_and_never_kept(shop: Lived) -> None:
    """What is stored of the request is sealed; after the days it is gone, and has to be asked for again."""
    live(shop, "copy")
    request = shop.rights.ask(ask("copy", Kind.ACCESS)).request
    before = len(shop.rights.result(request.id)["events"])
    shop.send({"type": "track", "event": "Products Searched", "userId": "copy", "properties": {"query": "more"}})
    assert len(shop.rights.result(request.id)["events"]) == before + 1
    with shop.app.store.snapshot() as snapshot:
        rows = snapshot.all("SELECT sealed FROM rights_asked WHERE request = ?", (request.id,))
    assert b"copy" not in rows[0][0]
    shop.now[0] += (FETCH_DAYS + 1) * DAY
    with pytest.raises(Conflict, match="ask again"):
        shop.rights.result(request.id)
    assert shop.rights.requests.forget_asked() >= 1
    shop.now[0] -= (FETCH_DAYS + 1) * DAY


def test_traits_events_and_links_can_be_corrected(shop: Lived) -> None:
    """Traits are replaced; one event goes with its sums; a wrong link ends; what is not theirs is not touched."""
    live(shop, "wrong")
    live(shop, "other")
    found = shop.rights.ask(ask("wrong", Kind.ACCESS)).data or {}
    search = next(each for each in found["events"] if each["type"] == "Products Searched")
    strange = (shop.rights.ask(ask("other", Kind.ACCESS)).data or {})["events"][0]["position"]

    for wrong in (Corrections({"shoe": "44"}), Corrections({"country": "Germany"}), Corrections({"country": 4})):
        with pytest.raises(InvalidInput):
            shop.rights.ask(ask("wrong", Kind.RECTIFICATION, corrections=wrong))
    for theirs in (Corrections(remove_events=(strange,)), Corrections(detach=("v-other",))):
        asked = ask("wrong", Kind.RECTIFICATION, corrections=theirs)
        with pytest.raises(NotFound):
            shop.rights.ask(asked)

    right = Corrections({"country": "FR", "language": "fr"}, (search["position"],), ("v-wrong",))
    done = shop.rights.ask(ask("wrong", Kind.RECTIFICATION, corrections=right))
    assert done.receipt["result"]["corrected"] == ["country", "language"]
    assert (done.receipt["result"]["removed_events"], done.receipt["result"]["detached"]) == (1, 1)
    after = shop.rights.ask(ask("wrong", Kind.ACCESS)).data or {}
    assert {each["id"] for each in after["identity"]} == {"wrong"}
    assert search["position"] not in {each["position"] for each in after["events"]}
    assert after["profile"][0]["country"] == "FR"
    assert (shop.rights.ask(ask("other", Kind.ACCESS)).data or {})["identity"] != after["identity"]
    with shop.app.store.snapshot() as snapshot:
        subtracted = snapshot.all("SELECT * FROM tiles ORDER BY 1, 2, 3, 4, 5, 6, 7")
    shop.app.store.commit(lambda transaction: shop.app.tiles.rebuild(transaction, everything=True)).result()
    with shop.app.store.snapshot() as snapshot:
        assert snapshot.all("SELECT * FROM tiles ORDER BY 1, 2, 3, 4, 5, 6, 7") == subtracted


def test_a_vague_correction_waits_for_a_person(shop: Lived) -> None:
    """Somebody who only says that something is wrong has a request with a deadline, and nothing is guessed."""
    live(shop, "vague")
    waiting = shop.rights.ask(ask("vague", Kind.RECTIFICATION))
    assert (waiting.request.state, waiting.request.finished) == (State.RECEIVED, None)


def states(shop: Lived, who: str) -> dict[str, str]:
    with shop.app.store.snapshot() as snapshot:
        person = find_pseudonym(snapshot, shop.app.secrets, who)
        assert person is not None
        facts = ledger.history(snapshot, person)
    return {str(each["purpose"]): str(each["state"]) for each in facts}


def test_a_restriction_holds_everything_and_gives_back_what_stood_before(shop: Lived) -> None:
    """Nothing reads the person, fraud decides on the request alone, nobody trains on them; lifting restores."""
    live(shop, "held")
    shop.rights.ask(ask("held", Kind.RESTRICTION))
    receipt = receipt_of_decision(shop, live_again(shop, "held"))
    assert (receipt.permit.granted, receipt.permit.withheld[0].cause) == (False, "restricted")
    with shop.app.store.snapshot() as snapshot:
        key = find_pseudonym(snapshot, shop.app.secrets, "held")
        assert key not in shop.app.gate.trainable(snapshot, Purpose.RECOMMEND)
    assert shop.rights.find(ask("held", Kind.ACCESS))["events"]["events"] >= 4, "kept"

    with pytest.raises(Conflict, match="before it is lifted"):
        shop.rights.ask(ask("held", Kind.LIFTING))
    lifted = shop.rights.ask(ask("held", Kind.LIFTING, informed=True))
    assert lifted.receipt["result"]["lifted"] is True
    assert lifted.receipt["result"]["person_informed"] <= lifted.request.finished
    assert receipt_of_decision(shop, live_again(shop, "held")).permit.granted
    assert states(shop, "held")["recommend"] == "given"


def live_again(shop: Lived, who: str) -> str:
    body = {"order": {"id": f"o2-{who}", "amount": 900, "currency": "EUR", "items": []}, "payment": {}}
    return str(decide(shop, who, body).decision_id)


def receipt_of_decision(shop: Lived, decision_id: str) -> Any:
    with shop.app.store.snapshot() as snapshot:
        return receipts.find(snapshot, decision_id).receipt


def test_an_objection_to_fraud_checks_opens_reviews_now_and_later(shop: Lived) -> None:
    """The check goes on; the adverse decision of now is looked at, and so is every later one; others are not."""
    decision = live(shop, "objects")
    stranger = live(shop, "content")
    said = shop.rights.ask(ask("objects", Kind.OBJECTION, purposes=(Purpose.FRAUD_PREVENTION,))).receipt["result"]
    assert (said["ended"], said["reviews"]) == ([], 1)
    assert shop.app.reviews.find(decision).state == "open"
    assert receipt_of_decision(shop, live_again(shop, "objects")).permit.granted, "fraud prevention goes on"
    hook = ReviewObjected(shop.app.use_cases)
    for kept, expected in ((decision, 1), (stranger, 0)):
        with shop.app.store.snapshot() as snapshot:
            old = receipts.find(snapshot, kept)
        action = replace(old.receipt.decision, action="decline")
        receipt = msgspec.structs.replace(old.receipt, decision_id=f"later-{kept}", decision=action)
        later = msgspec.structs.replace(old, receipt=receipt)
        shop.app.store.commit(lambda transaction, later=later: hook(transaction, later)).result()
        with shop.app.store.snapshot() as snapshot:
            found = snapshot.one("SELECT count(*) FROM reviews WHERE decision_id = ?", (f"later-{kept}",))
        assert found == (expected,)


def test_an_objection_ends_the_purposes_it_names(shop: Lived) -> None:
    """Marketing alone, or all of them; recommendations the person did not object to go on."""
    live(shop, "partly")
    assert shop.rights.ask(ask("partly", Kind.OBJECTION, purposes=(Purpose.MARKETING,))).receipt["result"]["ended"] == [
        "marketing"
    ]
    assert (states(shop, "partly")["marketing"], states(shop, "partly")["recommend"]) == ("withdrawn", "given")
    shop.rights.ask(ask("partly", Kind.OBJECTION))
    assert states(shop, "partly")["recommend"] == "withdrawn"
    with pytest.raises(InvalidInput):
        ask("partly", Kind.OBJECTION, purposes=(Purpose.OPERATIONS,))


def test_a_decision_is_explained_with_procedure_data_effect_and_review(shop: Lived) -> None:
    """How it was decided, from which events, what it meant, who looked at it; of one's own decisions only."""
    decision, stranger = live(shop, "why"), live(shop, "not-me")
    (told,) = (shop.rights.ask(ask("why", Kind.EXPLANATION, decision_id=decision)).data or {})["decisions"]
    assert told["procedure"]["use_case"] == "fraud"
    assert "rules" in told["procedure"]["how"]
    assert told["effect"]
    assert told["review"] is None or told["review"]["state"] == "open"
    counted = [each for each in told["data"]["values"] if each["source"] == "events"]
    assert counted
    assert all(each["events"] and each["meaning"] for each in counted)
    assert "would_change" in told
    shop.app.reviews.decide("rev", decision, Verdict.APPROVE, "called the customer")
    (after,) = (shop.rights.ask(ask("why", Kind.EXPLANATION, decision_id=decision)).data or {})["decisions"]
    assert after["procedure"]["human"] == "A person looked at it and found: approve."
    assert after["review"]["reason"] == "called the customer"
    for kind in (Kind.EXPLANATION, Kind.HUMAN_REVIEW):
        with pytest.raises(NotFound, match="no such decision about this person"):
            shop.rights.ask(ask("why", kind, decision_id=stranger))
    assert shop.rights.ask(ask("why", Kind.HUMAN_REVIEW)).receipt["result"] == {"review": "opened"}


def card(shop: Lived, version: str) -> ModelCard:
    """Return the card of a model that learnt from everything so far."""
    with shop.app.store.snapshot() as snapshot:
        seq, at = snapshot.one("SELECT seq, at FROM head") or (0, 0)
    return ModelCard(
        use_case="recommendations", version=version, kind="blend", features="", columns=(), seed=7,
        label=Label("", "", 0, 0), position=LogPosition(0, at + 1, seq), primary="ndcg", metrics=(),
        splits=(Split("train", 0, at + 1, 9), Split("test", at + 1, at + 2, 1)),
    )  # fmt: skip


def test_models_that_learnt_from_a_person_are_named_and_renewed(shop: Lived) -> None:
    """Access and erasure name them; the one that answers is due in 30 days until it is learnt anew."""
    app = shop.app
    live(shop, "teacher")
    app.releases.keep_card(card(shop, "sha256:aa"))
    app.releases.release("recommendations", Choice("model", "blend", "sha256:aa", "better", ()), who="t")
    live(shop, "latecomer")
    (named,) = (shop.rights.ask(ask("teacher", Kind.ACCESS)).data or {})["models"]
    assert (named["model"], named["answers_now"]) == ("sha256:aa", True)
    assert (shop.rights.ask(ask("latecomer", Kind.ACCESS)).data or {})["models"] == [], "came after it was learnt"

    erased = shop.rights.ask(ask("teacher", Kind.ERASURE))
    assert [each["model"] for each in erased.receipt["result"]["models"]] == ["sha256:aa"]

    def due() -> list[tuple[str, int]]:
        with app.store.snapshot() as snapshot:
            return [(each.version, each.due) for each in shop.rights.lineage.renewals(snapshot)]

    assert due() == [("sha256:aa", shop.now[0] + RENEWAL_DAYS * DAY)]
    app.releases.keep_card(card(shop, "sha256:bb"))
    app.releases.release("recommendations", Choice("model", "blend", "sha256:bb", "newer", ()), who="t")
    assert due() == []
    app.releases.rollback("recommendations", who="t")
    assert [version for version, _ in due()] == ["sha256:aa"], "going back makes it due again"
    app.releases.keep_card(card(shop, "sha256:aa"))
    assert due() == [], "the same bytes learnt again without the person"


def test_who_said_no_to_training_taught_nobody(shop: Lived) -> None:
    """A model did not learn from somebody whose word did not allow it."""
    live(shop, "private")
    shop.rights.ask(ask("private", Kind.OBJECTION, purposes=(Purpose.TRAIN,)))
    shop.app.releases.keep_card(card(shop, "sha256:cc"))
    models = (shop.rights.ask(ask("private", Kind.ACCESS)).data or {})["models"]
    assert "sha256:cc" not in {each["model"] for each in models}


def test_an_erasure_answers_what_else_was_open(shop: Lived) -> None:
    """Who asked what goes with the person; a request that still waited is answered: nothing is held, erased when."""
    live(shop, "gone")
    waiting = shop.rights.ask(ask("gone", Kind.ACCESS, identity=False)).request
    shop.rights.ask(ask("gone", Kind.ERASURE))
    assert shop.rights.requests.asked(waiting.id) is None
    shop.rights.requests.verified(waiting.id)
    result = shop.rights.carry_out(waiting.id).receipt["result"]
    assert result.keys() == {"held", "erased"}


def test_a_restricted_person_may_still_be_erased_when_they_ask(shop: Lived) -> None:
    """GDPR 18 keeps data from being used; it does not keep the person from leaving."""
    live(shop, "leaves")
    shop.rights.ask(ask("leaves", Kind.RESTRICTION))
    assert shop.rights.ask(ask("leaves", Kind.ERASURE)).request.state is State.DONE
    with pytest.raises(NotFound):
        shop.rights.find(ask("leaves", Kind.ACCESS))


def test_overdue_and_soon_are_seen(shop: Lived) -> None:
    """Seven days before the deadline it is soon, after it overdue, and the month counts it as late."""
    waiting = shop.rights.ask(Asked("slow", Kind.ACCESS, place="US-CA")).request
    assert not waiting.soon(shop.now[0])
    assert waiting.soon(waiting.deadline - 6 * DAY)
    assert waiting.overdue(waiting.deadline + 1)
    shop.now[0] += 46 * DAY
    assert shop.rights.requests.months()[0].late >= 1
    shop.now[0] -= 46 * DAY


def test_no_table_of_requests_names_anybody(shop: Lived, tmp_path: Path) -> None:
    """Requests, steps and renewals outlive an erasure: no id of anybody stands in them."""
    live(shop, "nameless")
    shop.rights.ask(ask("nameless", Kind.ERASURE))
    with shop.app.store.snapshot() as snapshot:
        for table in ("rights_requests", "rights_steps", "rights_asked", "renewals"):
            assert "nameless" not in str(snapshot.all(f"SELECT * FROM {table}"))


def test_two_who_finish_the_same_erasure_both_see_it_done(shop: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    """While files wait nobody can end or refuse the request; finished twice at once, it is done once."""
    live(shop, "twice")
    request = shop.rights.take(ask("twice", Kind.ERASURE))
    shop.rights.requests.begin(request.id)
    erasure = shop.rights._erasure
    erasure.rows(request.id, ask("twice", Kind.ERASURE))
    for ending in (
        lambda: shop.rights.requests.done(request.id, {"held": "nothing"}),
        lambda: shop.rights.requests.refuse(request.id, "excessive"),
    ):
        with pytest.raises(Conflict, match="resume"):
            ending()
    files, ended = erasure.files, []

    def overtaken(request_id: str, noted: Any) -> Any:
        monkeypatch.undo()
        (other,) = shop.rights.resume()
        ended.append(other.request)
        return files(request_id, noted)

    monkeypatch.setattr(erasure, "files", overtaken)
    again = shop.rights.carry_out(request.id).request
    assert [again] == ended, "the receipt that was entered in the log stays"
    assert [each.what for each in shop.rights.requests.steps(request.id)].count("done") == 1


def accused(shop: Lived, who: str) -> int:
    """Let the shop ask about an order it sends no event of, and hear of a chargeback in both ways; return its code."""
    body = {"order": {"id": f"o-{who}", "amount": 5_000, "currency": "EUR", "items": []}, "payment": {}}
    decide(shop, who, body)
    order = order_code(shop.app.secrets, f"o-{who}")
    told = Outcome("chargeback", 1.0, shop.app.clock.now(), None, order)
    shop.app.store.commit(lambda transaction: outcomes.append(transaction, told)).result()
    chargeback = {"order_id": f"o-{who}", "amount": 50, "currency": "EUR"}
    shop.send({"type": "track", "event": "Chargeback Received", "anonymousId": "backoffice", "properties": chargeback})
    return order


def rows_of_order(shop: Lived, order: int) -> dict[str, int]:
    with shop.app.store.snapshot() as snapshot:
        return {
            table: snapshot.all(f"SELECT count(*) FROM {table} WHERE order_ref = ?", (order,))[0][0]
            for table in ("events", "facts", "outcomes", "receipts")
        }


def test_an_order_known_only_from_a_decision_is_handed_over_and_erased(shop: Lived) -> None:
    """What the back office later says about it names nobody: the order leads from the receipt to the person."""
    order = accused(shop, "by-phone")
    data = shop.rights.ask(ask("by-phone", Kind.ACCESS)).data or {}
    assert [each["kind"] for each in data["outcomes"]] == ["chargeback"]
    assert [each["type"] for each in data["events"]] == ["Chargeback Received"]
    shop.rights.ask(ask("by-phone", Kind.ERASURE))
    assert set(rows_of_order(shop, order).values()) == {0}


def test_an_order_two_people_were_asked_about_stays_with_the_other(shop: Lived) -> None:
    """Who is decided about with the order of another does not get, or erase, what belongs to that order."""
    order = accused(shop, "pays")
    products = [{"product_id": "tea", "quantity": 1, "price": 50}]
    bought = {"order_id": "o-pays", "currency": "EUR", "products": products}
    shop.send({"type": "track", "event": "Order Completed", "userId": "pays", "properties": bought})
    decide(shop, "borrows", {"order": {"id": "o-pays", "amount": 5_000, "currency": "EUR", "items": []}, "payment": {}})
    data = shop.rights.ask(ask("borrows", Kind.ACCESS)).data or {}
    assert (data["events"], data["outcomes"], len(data["decisions"])) == ([], [], 1)
    shop.rights.ask(ask("borrows", Kind.ERASURE))
    assert {table: n for table, n in rows_of_order(shop, order).items() if table != "facts"} == {
        "events": 2, "outcomes": 1, "receipts": 1,
    }  # fmt: skip
    shop.rights.ask(ask("pays", Kind.ERASURE))
    assert set(rows_of_order(shop, order).values()) == {0}


def test_a_correction_of_somebody_elses_data_leaves_no_request_behind(shop: Lived) -> None:
    """It is told before anything is recorded: no open request that nobody can ever finish."""
    live(shop, "mine")
    live(shop, "theirs")
    theirs = shop.rights.ask(ask("theirs", Kind.ACCESS)).data or {}
    before = shop.rights.requests.open()
    for corrections in (
        Corrections(remove_events=(theirs["events"][0]["position"],)),
        Corrections(detach=("v-theirs",)),
        Corrections(traits={"language": "fr"}, detach=("v-nobody",)),
    ):
        with pytest.raises(NotFound):
            shop.rights.ask(ask("mine", Kind.RECTIFICATION, corrections=corrections))
    assert shop.rights.requests.open() == before


def test_what_names_somebody_elses_data_is_refused_once_it_is_known_who_asks(shop: Lived) -> None:
    """Asked without proof it says nothing; verified, it ends with a coded reason and a receipt, not open for good."""
    decision = live(shop, "hers")
    live(shop, "asks-for-hers")
    hers = shop.rights.ask(ask("hers", Kind.ACCESS)).data or {}
    wrong = Corrections(remove_events=(hers["events"][0]["position"],))
    for asked in (
        ask("asks-for-hers", Kind.RECTIFICATION, identity=False, corrections=wrong),
        ask("asks-for-hers", Kind.EXPLANATION, identity=False, decision_id=decision),
    ):
        waiting = shop.rights.ask(asked).request
        shop.rights.requests.verified(waiting.id, who="p-7")
        ended = shop.rights.carry_out(waiting.id, who="p-7")
        assert (ended.request.state, ended.receipt["refusal"], ended.data) == (
            State.REFUSED, "right_does_not_apply", None,
        )  # fmt: skip
    assert len((shop.rights.ask(ask("hers", Kind.ACCESS)).data or {})["events"]) == len(hers["events"])
