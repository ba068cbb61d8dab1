"""Fraud from log to release to decision, on invented payments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from past import from_stream, happened, material, moment, shop

from tillwise.app.build import App
from tillwise.decisions.decision import Degraded, Explain, Place, Request
from tillwise.errors import InvalidInput
from tillwise.jobs.binary import Labelled
from tillwise.jobs.train import TrainResult, evaluate, train
from tillwise.models.artifact import Artifact
from tillwise.outcomes import outcomes
from tillwise.outcomes.outcomes import Outcome
from tillwise.simulator.payments import DAY, Shape, Stream, payments
from tillwise.use_cases.fraud.features import FEATURES, REQUEST
from tillwise.use_cases.fraud.learning import LABEL, PRIMARY
from tillwise.use_cases.fraud.policy import RuleLimits
from tillwise.use_cases.fraud.unprofiled import judge_unprofiled
from tillwise.vocabulary.purpose import Purpose

END = 1_760_000_000_000
WORLD = Shape(customers=400, days=240, card_tests=14, rings=10, takeovers=70, friendly=15)


class Shop:
    """A shop with invented payments, trained once for all tests of this file."""

    def __init__(self, folder: Path) -> None:
        self.stream: Stream = payments(7, END, WORLD)
        self.app: App = shop(folder, END)
        happened(self.app, from_stream(self.stream), (Purpose.FRAUD_PREVENTION, Purpose.TRAIN), simulated=True)
        self.trained: TrainResult = self.train()

    def train(self) -> TrainResult:
        app = self.app
        return train(app.use_cases["fraud"], app.learners["fraud"], material(app, END), app.releases)

    def ask(self, attempt: dict[str, Any], **other: Any) -> Request:
        body = {
            "order": {"id": "new", "amount": round(float(attempt["amount"]) * 100), "currency": "EUR", "items": []},
            "payment": {"method": "card", "card_hash": attempt["card_hash"]},
            "billing": {"country": attempt["billing_country"]},
            "shipping": {"country": attempt["shipping_country"], "address_hash": attempt["address_hash"]},
            "device_id": attempt["device_id"],
            "ip": attempt["ip"],
            "email_hash": attempt["email_hash"],
        }
        request = Request(
            None, body, subject=attempt["user_id"], place=Place("DE"), simulated=True, deadline_ms=20_000, dry_run=True
        )
        return replace(request, **other)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Shop(tmp_path_factory.mktemp("fraud") / "shop")
    yield made
    made.app.close()


def test_only_mature_labels_are_learnt_from(trained: Shop) -> None:
    """Labels mature (chargeback 90 days): nothing younger is in any split, and what is in them is real."""
    card = trained.trained.card
    assert max(split.end for split in card.splits) <= END - LABEL.maturity
    old = [a for a in trained.stream.attempts if moment(a["timestamp"]) < END - LABEL.maturity]
    orders = {a["order_id"] for a in old if a["status"] == "authorised"}
    back = {c["order_id"] for c in trained.stream.chargebacks} & orders
    assert sum(split.rows for split in card.splits) == len(orders)
    assert sum(split.positives for split in card.splits) == len(back)


def test_the_model_finds_fraud_and_says_it_is_simulated(trained: Shop) -> None:
    """The released answer beats chance by far; the card has intervals, baselines, and says what is invented."""
    card = trained.trained.card
    auc = card.metric("roc_auc")
    assert auc is not None
    assert auc.low is not None
    assert auc.low > 0.7
    assert [each.title for each in card.baselines] == [
        "rules only", "logistic", "rules on the order alone (nothing personal)",
    ]  # fmt: skip
    assert card.simulated
    assert trained.trained.report.read_text().startswith("<!doctype html>")
    assert trained.trained.released in ("model", "baseline")


def test_what_people_get_without_a_profile_is_measured_from_the_order_alone() -> None:
    """The variant reads amount and countries; whatever else is known of the order, its score is the same."""
    draw = np.random.default_rng(3)
    amount, differ = draw.integers(1_000, 300_000, 400), draw.choice([0.0, 1.0, np.nan], 400)
    x = draw.random((400, len(FEATURES.columns)), dtype=np.float32)
    x[:, FEATURES.columns.index("order_amount")] = amount
    x[:, FEATURES.columns.index("country_mismatch")] = differ
    y = (draw.random(400) < np.where(amount >= 200_000, 0.6, 0.1)).astype(np.float64)
    at = np.arange(400)
    known = Labelled(FEATURES.columns, x, y, at, at)
    personal = [place for place, name in enumerate(FEATURES.columns) if name not in REQUEST]
    other = x.copy()
    other[:, personal] = draw.random((400, len(personal)))
    first, second = (
        judge_unprofiled(each, RuleLimits(), at < 200, (200, 400), PRIMARY, 7)
        for each in (known, replace(known, x=other))
    )
    assert first.scores is not None
    assert second.scores is not None
    assert first.scores.tolist() == second.scores.tolist()
    stopped = amount[200:] >= RuleLimits().review_amount
    assert first.scores[stopped].min() > 2 * first.scores[~stopped].max()
    assert not first.profiled


def test_the_same_log_and_seed_give_the_same_bytes(trained: Shop) -> None:
    """Deterministic: training again names the same artifact and the same card."""
    again = trained.train()
    assert again.card.version == trained.trained.card.version
    assert again.card.to_json() == trained.trained.card.to_json()
    Artifact.load(trained.app.folder.models, again.card.version)


def test_a_released_model_decides_with_reasons(trained: Shop) -> None:
    """Rules and calibrated score together give an action, and reasons in plain words."""
    app = trained.app
    honest = next(a for a in trained.stream.attempts if trained.stream.patterns[a["order_id"]] == "honest")
    answer = app.road.decide(app.use_cases["fraud"], trained.ask(honest), "k").envelope()
    assert answer["degraded"] is None
    assert answer["action"] == "approve"
    assert 0 <= answer["score"] < 0.2
    assert answer["reasons"]
    assert answer["model"] is not None
    assert all(set(reason) == {"code", "text", "weight"} for reason in answer["reasons"])


def test_explain_none_has_no_contributions_and_full_has_all(trained: Shop) -> None:
    """`explain` says how much: rule reasons only, the strongest, or everything."""
    app, attempt = trained.app, trained.stream.attempts[-1]
    lengths = {
        explain: len(
            app.road.decide(app.use_cases["fraud"], trained.ask(attempt, explain=explain), "k").decision.reasons
        )
        for explain in Explain
    }
    assert lengths[Explain.NONE] <= lengths[Explain.TOP] <= lengths[Explain.FULL]
    assert lengths[Explain.FULL] > 5


def test_velocity_is_capped_by_rule_whatever_the_score(trained: Shop) -> None:
    """Card testing from one device trips the declared rules at once."""
    app = trained.app
    burst = [
        (END - 600_000 + i, "Payment Attempted", "sim-tester",
         {"order_id": f"burst-{i}", "amount": "2.00", "status": "declined", "device_id": "burst", "card_hash": f"c{i}"})
        for i in range(12)
    ]  # fmt: skip
    happened(app, burst, (Purpose.FRAUD_PREVENTION, Purpose.TRAIN), simulated=True)
    attempt = {**trained.stream.attempts[-1], "user_id": "sim-tester", "device_id": "burst"}
    decision = app.road.decide(app.use_cases["fraud"], trained.ask(attempt), "k").decision
    assert "velocity_cap" in decision.rules
    assert "cards_on_device" in decision.rules
    assert decision.action in ("review", "decline")
    assert any("12 payment attempts from this device in an hour" in reason.text for reason in decision.reasons)


def test_real_requests_never_see_simulated_rows(trained: Shop) -> None:
    """No feature mixes simulated people with real ones."""
    app, attempt = trained.app, trained.stream.attempts[-1]
    answer = app.road.decide(app.use_cases["fraud"], trained.ask(attempt, simulated=False), "k")
    features = answer.receipt.features
    assert features is not None
    values = dict(zip(features.columns, features.values, strict=True))
    assert values["attempts_90d_subject"] == 0
    assert values["since_attempt_device"] is None


def test_a_served_row_equals_the_training_row(trained: Shop) -> None:
    """Served features equal training features, bit for bit: `know` now, and the training table at the same point."""
    app = trained.app
    learner = app.learners["fraud"]
    steps = app.use_cases["fraud"].steps
    labelled, _, _ = learner._labelled(material(app, END))  # type: ignore[attr-defined]
    last = int(np.argmax(labelled.at))
    orders = [a for a in trained.stream.attempts if moment(a["timestamp"]) == labelled.at[last]]
    assert orders
    attempt = orders[0]
    with app.store.snapshot() as snapshot:
        head = snapshot.one("SELECT epoch FROM head")
        seq = snapshot.one("SELECT min(seq) FROM events WHERE at = ?", (int(labelled.at[last]),))
        assert head is not None
        assert seq is not None
        from tillwise.events.people import find_pseudonym  # noqa: PLC0415
        from tillwise.vocabulary.position import Point  # noqa: PLC0415

        point = Point.before(epoch=head[0], at=int(labelled.at[last]), seq=seq[0])
        person = find_pseudonym(snapshot, app.secrets, attempt["user_id"])
        permit = app.gate.permit(snapshot, purpose=Purpose.FRAUD_PREVENTION, subject=person, country="DE", point=point)
        request = trained.ask(attempt)
        request.body["order"]["id"] = attempt["order_id"]
        row = steps.know(permit, request, snapshot)
    served = np.array(row.values, dtype=np.float32)
    assert np.array_equal(served, labelled.x[last], equal_nan=True)


def test_judging_again_says_what_training_said(trained: Shop) -> None:
    """The rows, both baselines and the rules on the order alone, as the card of training has them."""
    app = trained.app
    again, _, _ = evaluate(app.use_cases["fraud"], app.learners["fraud"], material(app, END), app.releases)
    with app.store.snapshot() as snapshot:
        card = app.releases.card(snapshot, again.version)
    assert (again.splits, again.metrics, again.baselines) == (card.splits, card.metrics, card.baselines)
    assert (again.notes, again.position) == (card.notes, card.position)
    assert [each.name for each in again.baselines] == ["rules only", "logistic", "rules on the order alone"]


def test_a_confirmed_review_is_a_label(trained: Shop) -> None:
    """Chargebacks come back as labels, and so does what a reviewer found."""
    app = trained.app
    before = app.learners["fraud"]._labelled(material(app, END))[0]  # type: ignore[attr-defined]
    clean = next(
        a for a in trained.stream.attempts
        if a["status"] == "authorised" and trained.stream.patterns[a["order_id"]] == "honest"
    )  # fmt: skip
    from tillwise.events.keys import order_code  # noqa: PLC0415

    ref = order_code(app.secrets, clean["order_id"])
    told = Outcome("fraud_confirmed", 1.0, END - DAY, order_ref=ref)
    app.store.commit(lambda t: outcomes.append(t, told)).result()
    after = app.learners["fraud"]._labelled(material(app, END + DAY))[0]  # type: ignore[attr-defined]
    assert after.y[: len(before.y)].sum() == before.y.sum() + 1


def test_evaluate_refuses_a_period_it_learnt_from(trained: Shop) -> None:
    """Metrics are of a period the model never saw."""
    app = trained.app
    learnt = trained.trained.card.splits[0].start
    with pytest.raises(InvalidInput, match="learnt from"):
        evaluate(app.use_cases["fraud"], app.learners["fraud"], material(app, END), app.releases, start=learnt, end=END)
    card, evaluation, report = evaluate(app.use_cases["fraud"], app.learners["fraud"], material(app, END), app.releases)
    assert evaluation.model.metrics == card.metrics
    assert report.exists()


def test_too_little_to_learn_from_says_what_is_missing(tmp_path: Path) -> None:
    """Nothing could be released: one clear line, no half model."""
    app = shop(tmp_path / "shop", END)
    with pytest.raises(InvalidInput, match="mature history"):
        train(app.use_cases["fraud"], app.learners["fraud"], material(app, END), app.releases)
    answer = app.road.decide(
        app.use_cases["fraud"],
        Request(None, {"order": {"id": "o", "amount": 1000, "currency": "EUR"}}, deadline_ms=20_000),
        "k",
    )
    assert answer.decision.degraded is Degraded.NO_MODEL
    assert answer.decision.action == "approve"
    app.close()
