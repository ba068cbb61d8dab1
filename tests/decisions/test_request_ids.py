"""A request id names one question for 24 hours: asked again, it gets the same answer, or says why not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from toy import Shop, ask, fraud_like, open_shop, toy

from tillwise.decisions import receipts
from tillwise.decisions.answer import Answer
from tillwise.decisions.decision import Degraded
from tillwise.errors import Conflict
from tillwise.privacy.ledger import State


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path / "shop.db") as shop:
        yield shop


def test_same_id_and_body_gives_the_stored_answer_byte_for_byte(shop: Shop) -> None:
    """A client's retry gets the bytes of the first answer, and nothing is decided twice."""
    first = shop.road.decide(toy(), ask(subject=None, request_id="r-1"), "key")
    shop.models.in_force = None
    again = shop.road.decide(toy(), ask(subject=None, request_id="r-1", deadline_ms=500), "key")
    assert again.body == first.body
    assert shop.count("receipts") == 1


@pytest.mark.parametrize("change", [{"amount": 11.0}, {"subject": "u-2"}, {"country": "US"}, {"body": {"more": 1}}])
def test_same_id_other_body_is_a_conflict(shop: Shop, change: dict[str, object]) -> None:
    """Whatever differs in the question, the id is refused."""
    shop.road.decide(fraud_like(), ask(request_id="r-1"), "key")
    with pytest.raises(Conflict, match="r-1"):
        shop.road.decide(fraud_like(), ask(**{"request_id": "r-1", **change}), "key")


def test_withdrawn_permit_gives_a_new_decision_that_names_the_old(shop: Shop) -> None:
    """The stored answer holds while its permit does; after a withdrawal the id is answered anew."""
    shop.consent("u-1")
    first = shop.road.decide(toy(), ask(request_id="r-1"), "key")
    shop.consent("u-1", State.WITHDRAWN)
    second = shop.road.decide(toy(), ask(request_id="r-1"), "key")
    assert second.decision.degraded is Degraded.NO_CONSENT
    assert second.envelope()["supersedes"] == first.decision_id
    third = shop.road.decide(toy(), ask(request_id="r-1"), "key")
    assert third.body == second.body
    shop.consent("u-1", State.GIVEN)
    assert shop.road.decide(toy(), ask(request_id="r-1"), "key").body == second.body


def test_after_erasure_the_id_gets_a_new_decision(shop: Shop) -> None:
    """When the receipt is gone the id answers anew, and names nothing."""
    first = shop.road.decide(toy(), ask(subject=None, request_id="r-1"), "key")
    shop.store.commit(lambda t: t.run("DELETE FROM receipts WHERE decision_id = ?", (first.decision_id,))).result()
    second = shop.road.decide(toy(), ask(subject=None, request_id="r-1"), "key")
    assert second.recorded
    assert second.decision_id != first.decision_id
    assert second.envelope()["supersedes"] is None


def test_id_is_free_again_after_a_day(shop: Shop) -> None:
    """Ids are taken for 24 hours of the wall clock, then forgotten."""
    shop.road.decide(toy(), ask(subject=None, request_id="r-1"), "key")
    shop.wall.now += receipts.DAY - 1
    with pytest.raises(Conflict):
        shop.road.decide(toy(), ask(12.0, subject=None, request_id="r-1"), "key")
    shop.wall.now += 1
    second = shop.road.decide(toy(), ask(12.0, subject=None, request_id="r-1"), "key")
    assert second.recorded
    shop.wall.now += receipts.DAY
    assert shop.store.commit(lambda t: receipts.forget_requests(t, shop.wall.now)).result() == 1


def test_failures_do_not_take_the_id(shop: Shop) -> None:
    """A degraded answer that is a failure is recorded, but the retry is decided anew."""
    shop.models.in_force, kept = None, shop.models.in_force
    first = shop.road.decide(toy(), ask(subject=None, request_id="r-1"), "key")
    shop.models.in_force = kept
    second = shop.road.decide(toy(), ask(subject=None, request_id="r-1"), "key")
    assert (first.decision.degraded, second.decision.degraded) == (Degraded.NO_MODEL, None)
    assert first.decision_id != second.decision_id


def test_concurrent_twins_get_one_answer(shop: Shop) -> None:
    """Several callers ask the same at once: one decides, all get its answer."""
    meeting = threading.Barrier(4)
    use_case = toy(think=lambda: meeting.wait(timeout=10) and None)
    answers: list[Answer] = []

    def go() -> None:
        answers.append(shop.road.decide(use_case, ask(subject=None, request_id="r-1"), "key"))

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.body for answer in answers}) == 1
    assert answers[0].recorded
    assert shop.count("receipts") == 1


def test_concurrent_twins_of_different_bodies_conflict(shop: Shop) -> None:
    """Two callers use one id for two questions at once: one is answered, the other is told."""
    meeting = threading.Barrier(2)
    use_case = toy(think=lambda: meeting.wait(timeout=10) and None)
    outcomes: list[object] = []

    def go(amount: float) -> None:
        try:
            outcomes.append(shop.road.decide(use_case, ask(amount, subject=None, request_id="r-1"), "key"))
        except Conflict as error:
            outcomes.append(error)

    threads = [threading.Thread(target=go, args=(amount,)) for amount in (1.0, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(each).__name__ for each in outcomes) == ["Answer", "Conflict"]
    assert shop.count("receipts") == 1


def test_question_is_kept_as_a_keyed_hash(shop: Shop) -> None:
    """Neither what was asked nor the id itself is stored, nor a hash that could be guessed without the secret."""
    request = replace(ask(subject=None), request_id="r-1")
    shop.road.decide(toy(), request, "key")
    with shop.store.snapshot() as snapshot:
        row = snapshot.one("SELECT question, request_id FROM requests")
    assert row is not None
    assert len(row[0]) == 16
    assert len(row[1]) == 32
    assert "r-1" not in row[1]
