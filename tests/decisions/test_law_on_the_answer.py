"""What the law adds to an answer: the place that decided, and what must be said beside it; replayed as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from toy import SECRETS, Shop, ToySteps, ask, fraud_like, open_shop, toy

from tillwise.decisions.answer import Answer
from tillwise.decisions.decision import Request
from tillwise.decisions.replay import Replayer, Verdict
from tillwise.decisions.use_case import UseCase
from tillwise.events.people import pseudonym_for, set_traits
from tillwise.features.row import FeatureRow
from tillwise.privacy.gate import Gate
from tillwise.privacy.ledger import State
from tillwise.privacy.permit import Permit
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

CN = "cn_non_personal_option"


class RememberedSteps(ToySteps):
    """Read from the log again, it is what it was."""

    def recall(self, permit: Permit, row: FeatureRow, snapshot: Snapshot) -> FeatureRow:
        return replace(row, permit=permit)


def remembered(purpose: Purpose = Purpose.RECOMMEND) -> UseCase:
    return replace(toy(), steps=RememberedSteps(), purpose=purpose)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path / "shop.db", use_cases=(toy(),)) as shop:
        yield shop


def lives(shop: Shop, country: str) -> None:
    shop.store.commit(lambda t: set_traits(t, pseudonym_for(t, SECRETS, "u-1"), {"country": country})).result()


def decide(shop: Shop, request: Request, use_case: UseCase | None = None) -> Answer:
    return shop.road.decide(use_case or remembered(), request, "key")


def verdicts(shop: Shop, answer: Answer, use_case: UseCase | None = None) -> list[Verdict]:
    replayer = Replayer(shop.store, Gate(wall=shop.wall), shop.models, {"toy": use_case or remembered()})
    return [replayer.replay(answer.decision_id or "", from_log=each).verdict for each in (False, True)]


def test_the_country_of_the_profile_stands_in_permit_and_receipt(shop: Shop) -> None:
    """Somebody living in France who asks from the US is answered without a profile, and the answer says why."""
    lives(shop, "FR")
    answer = decide(shop, ask(country="US"))
    permit = answer.envelope()["permit"]
    assert (permit["place"], permit["basis"], answer.envelope()["degraded"]) == ("FR", None, "no_consent")
    assert permit["withheld"] == [{"feature_group": "personal", "cause": "consent_missing"}]
    part = shop.receipt(answer.decision_id or "").receipt.permit
    assert (part.place, part.places) == ("FR", ("US", "FR"))


@pytest.mark.parametrize(("then", "now"), [("US", "FR"), ("FR", "US"), ("IN", "FR")])
def test_a_later_move_does_not_change_what_was_right_then(shop: Shop, then: str, now: str) -> None:
    """From the log, a decision is judged by the places of its receipt: a profile tells where somebody lives now."""
    lives(shop, then)
    shop.consent("u-1", purpose=Purpose.SEARCH, age=16, place="US")
    answer = decide(shop, ask(country="US"))
    assert shop.receipt(answer.decision_id or "").receipt.permit.granted is (then == "US")
    lives(shop, now)
    assert verdicts(shop, answer) == [Verdict.SAME, Verdict.SAME]


def test_a_country_without_its_region_is_judged_again_as_it_was(shop: Shop) -> None:
    """The strictest of all states decided on sharing, and another one's age with it: both come back."""
    use_case = remembered(Purpose.SHARE)
    shop.consent("u-1", purpose=Purpose.SHARE, age=16, place="US")
    answer = decide(shop, ask(country="US"), use_case)
    part = shop.receipt(answer.decision_id or "").receipt.permit
    assert (part.granted, part.withheld[0].cause, part.places) == (False, "banned_for_minors", ("US",))
    assert verdicts(shop, answer, use_case) == [Verdict.SAME, Verdict.SAME]


def test_what_the_law_wants_said_stands_beside_a_personal_answer(shop: Shop) -> None:
    """China: people are told that personal results can be switched off; in envelope, receipt and replay."""
    shop.consent("u-1", place="CN")
    answer = decide(shop, ask(country="CN"))
    assert answer.envelope()["disclosures"] == [CN]
    assert shop.receipt(answer.decision_id or "").receipt.decision.disclosures == (CN,)
    assert verdicts(shop, answer) == [Verdict.SAME, Verdict.SAME]
    assert shop.replayer.explain(answer.decision_id or "").decision.disclosures == (CN,)


def test_every_place_that_counts_has_its_say(shop: Shop) -> None:
    """Two places that may hold, two sentences: a stricter law elsewhere takes none away."""
    shop.consent("u-1", purpose=Purpose.PRICE, place="DE")
    answer = decide(shop, ask(country="US-NY"), remembered(Purpose.PRICE))
    assert answer.envelope()["permit"]["place"] == "DE"
    assert answer.envelope()["disclosures"] == ["ny_price_algorithm", "price_personalised"]


def test_an_answer_that_is_not_personal_says_nothing(shop: Shop) -> None:
    """Without permission, without anybody known, without a model, or for a purpose the law is silent on: nothing."""
    assert decide(shop, ask(country="CN")).envelope()["disclosures"] == []
    assert decide(shop, ask(country="CN", subject=None)).envelope()["disclosures"] == []
    assert decide(shop, ask(country="CN"), fraud_like()).envelope()["disclosures"] == []
    shop.consent("u-1", place="CN")
    shop.models.in_force = None
    answer = decide(shop, ask(country="CN"))
    assert (answer.envelope()["disclosures"], answer.envelope()["degraded"]) == ([], "no_model")


def test_whoever_withdraws_is_told_nothing_more(shop: Shop) -> None:
    """The next answer is not personal, and says so by itself."""
    shop.consent("u-1", place="CN")
    assert decide(shop, ask(country="CN")).envelope()["disclosures"] == [CN]
    shop.consent("u-1", State.WITHDRAWN)
    assert decide(shop, ask(country="CN")).envelope()["disclosures"] == []
