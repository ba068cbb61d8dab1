"""Learning depends on what happened and on nothing else: again is the same, and judging again says the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from small_shop import material
from test_survival import ask

from tillwise.app import App
from tillwise.decisions.answer import Answer
from tillwise.errors import ArtifactDamaged
from tillwise.events.build import Header, build_event
from tillwise.events.event import Event
from tillwise.events.log import read_head
from tillwise.events.record import record
from tillwise.features.feature import DAY
from tillwise.jobs.train import evaluate, train
from tillwise.releases.card import ModelCard
from tillwise.use_cases.churn.learning import STEP
from tillwise.vocabulary.store import Transaction

LEARNT = ("churn", "recommendations")


def learn(app: App, name: str) -> ModelCard:
    """Train, and return the card of who answers now."""
    train(app.use_case(name), app.learners[name], material(app), app.releases)
    return card_in_force(app, name)


def judge(app: App, name: str, **period: int) -> ModelCard:
    return evaluate(app.use_case(name), app.learners[name], material(app), app.releases, **period)[0]


def card_in_force(app: App, name: str) -> ModelCard:
    with app.store.snapshot() as snapshot:
        release = app.releases.current(snapshot, name)
        assert release is not None
        assert release.version is not None
        return app.releases.card(snapshot, release.version)


def later(app: App, days: int) -> None:
    """Let the log's clock go on without any event, as decisions do."""

    def work(transaction: Transaction) -> None:
        transaction.run("UPDATE head SET at = at + ?", (days * DAY,))

    app.store.commit(work).result()


def ordered(app: App, user: str, days: int) -> None:
    """Let an order happen some days after the end of the log."""

    def work(transaction: Transaction) -> None:
        head = read_head(transaction)
        at = head.at + days * DAY
        event = build_event("Order Completed", {"order_id": f"late-{at}", "total": "9.90"}, Header(ts=at, user_id=user))
        assert isinstance(event, Event), event
        record(transaction, app.secrets, [event], first_seq=head.seq + 1, at=at, epoch=head.epoch)
        transaction.run("UPDATE head SET seq = ?, at = ?", (head.seq + 1, at))

    app.store.commit(work).result()


@pytest.mark.parametrize("name", LEARNT)
def test_decisions_and_passing_time_change_no_byte(app: App, name: str) -> None:
    """The log clock goes on with every decision; what is learnt, and how it was judged, hangs on events alone."""
    before = card_in_force(app, name)
    answers: list[Answer] = [ask(app, each) for each in (*LEARNT, "fraud") for _ in range(3)]
    assert all(answer.recorded for answer in answers)
    later(app, 3)
    with app.store.snapshot() as snapshot:
        head, known = read_head(snapshot), material(app).head(snapshot)
    assert (known.seq, known.epoch) == (head.seq, head.epoch)
    assert known.at < head.at - 2 * DAY
    assert learn(app, name) == before


@pytest.mark.parametrize("name", LEARNT)
def test_judging_again_says_what_training_said(app: App, name: str) -> None:
    """The same rows, the same numbers, every baseline with its own name and version: also after more has happened."""
    trained = learn(app, name)
    assert judge(app, name) == trained
    ordered(app, "c-2", 3)
    ordered(app, "c-4", 5)
    assert judge(app, name) == trained
    assert len(trained.baselines) >= 2


def test_a_later_period_is_judged_on_the_same_grid_by_the_saved_baselines(app: App) -> None:
    """Months after the test period follow it in the same step, as far as their horizon is over."""
    trained = learn(app, "churn")
    ordered(app, "c-2", 70)
    test = trained.splits[-1]
    card = judge(app, "churn", start=test.end, end=test.end + 60 * DAY + 1)
    months = (card.splits[-1].rows, card.splits[-1].subjects)
    assert months[1] < months[0] <= 2 * months[1], "two months, most people in both"
    assert [each.version for each in card.baselines] == [each.version for each in trained.baselines]
    assert card.metrics != trained.metrics
    assert STEP == 30 * DAY


def test_a_damaged_baseline_is_named_and_mended_by_training(app: App, opened: Callable[[], App]) -> None:
    """Judging reads the baselines' own files: one that changed is not judged by."""
    trained = learn(app, "churn")
    version = trained.baselines[0].version
    assert version is not None
    file = app.folder.models / version.removeprefix("sha256:") / "rule.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ArtifactDamaged, match=r"rule\.npy.*train again"):
        judge(app, "churn")
    learn(app, "churn")
    assert judge(app, "churn") == trained


def test_a_past_run_can_be_repeated(app: App) -> None:
    """With `until` and `epoch` the log ends where it ended then, whatever came in since."""
    now, learner = material(app), app.learners["churn"]
    with app.store.snapshot() as snapshot:
        past = replace(now, until=now.now, epoch=now.head(snapshot).epoch)
    first = learner.learn(now)
    ordered(app, "c-2", 40)
    moved = now.now - past.now
    assert moved >= 40 * DAY
    assert learner.learn(now).window.test[1] == first.window.test[1] + moved, "labels mature with what happens"
    assert learner.learn(past).window.test == first.window.test
    assert learner.learn(past).evaluation.model.metrics == first.evaluation.model.metrics
