"""Churn from log to release, to single answers and to the nightly file."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from past import Past, happened, material, shop

from tillwise.app.build import App
from tillwise.decisions.decision import Degraded, Place, Request
from tillwise.errors import ConfigurationError, InvalidInput
from tillwise.events.people import find_pseudonym
from tillwise.jobs.score import COLUMNS, score
from tillwise.jobs.train import TrainResult, train
from tillwise.privacy import ledger
from tillwise.privacy.ledger import Consent, State
from tillwise.use_cases.churn import FEATURES, churn
from tillwise.use_cases.churn.audience import customers, requests
from tillwise.use_cases.churn.learning import HORIZON, LATEST, bought_within, grid
from tillwise.use_cases.churn.policy import ChurnPolicy
from tillwise.use_cases.churn.reasons import PHRASES
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose

DAY = 86_400_000
END = 1_760_000_000_000
PEOPLE = 220


def orders() -> list[Past]:
    """Return 700 days of orders: everybody buys at a rhythm of their own, and stops one day."""
    draw = random.Random(3)
    past: list[Past] = []
    for person in range(PEOPLE):
        at = END - draw.randrange(60, 700) * DAY
        gap, leaves = draw.uniform(8, 90), draw.expovariate(1 / 250)
        begun = at
        while at < END and (at - begun) / DAY < leaves:
            past.append((int(at), "Order Completed", f"p{person}",
                         {"order_id": f"o-{person}-{at}", "total": f"{draw.uniform(5, 90):.2f}"}))  # fmt: skip
            at += max(1.0, draw.expovariate(1 / gap)) * DAY
    return past


class Shop:
    """A shop with two years of orders, trained once for all tests of this file."""

    def __init__(self, folder: Path) -> None:
        self.app: App = shop(folder, END)
        happened(self.app, orders(), (Purpose.MARKETING, Purpose.TRAIN))
        app = self.app
        self.trained: TrainResult = train(
            app.use_cases["churn"], app.learners["churn"], material(app, END), app.releases
        )


def ask(person: str | None, **body: object) -> Request:
    """Return a question about a person in a place that lets a shop rely on notice."""
    return Request(None, dict(body), subject=person, place=Place("US"), deadline_ms=20_000)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Shop(tmp_path_factory.mktemp("churn") / "shop")
    yield made
    made.app.close()


def test_no_test_label_overlaps_what_was_learnt(trained: Shop) -> None:
    """Point in time: every learnt row's horizon is over before the test begins, and the test's before the end."""
    splits = {split.name: split for split in trained.trained.card.splits}
    assert splits["train"].end + HORIZON <= splits["test"].start
    assert splits["validation"].end + HORIZON <= splits["test"].start
    assert splits["test"].end - 1 + HORIZON <= END
    assert all(split.rows > 0 and split.positives > 0 for split in splits.values())


def test_it_beats_chance_and_names_its_baselines(trained: Shop) -> None:
    """The card carries metrics with intervals beside the recency rule and the logistic RFM."""
    auc = trained.trained.card.metric("roc_auc")
    assert auc is not None
    assert auc.low is not None
    assert auc.low > 0.6
    assert [each.name for each in trained.trained.card.baselines] == ["recency rule", "logistic RFM"]
    assert not trained.trained.card.simulated


def test_the_longer_the_pause_the_higher_the_risk(trained: Shop) -> None:
    """One answer: calibrated, with reasons in plain words and an effect that stays null until it is learnt."""
    app = trained.app
    last = {person: at for at, _, person, _ in sorted(orders(), key=lambda row: row[0])}
    recent, gone = max(last, key=lambda p: last[p]), min(last, key=lambda p: last[p])
    answers = {p: app.road.decide(app.use_cases["churn"], ask(p), "k").envelope() for p in (recent, gone)}
    assert answers[recent]["score"] < answers[gone]["score"]
    for answer in answers.values():
        assert answer["degraded"] is None
        assert answer["result"] == {"effect": None, "horizon_days": 90}
        assert answer["reasons"]
        assert answer["action"] in ("none", "win_back")
    assert "quiet_days" in answers[recent]["policy"]["rules"]


def test_a_horizon_nobody_learnt_is_refused_by_name(trained: Shop) -> None:
    """`horizon_days` is a released horizon, else 422 naming them."""
    app = trained.app
    with pytest.raises(InvalidInput, match="90") as caught:
        app.road.decide(app.use_cases["churn"], ask("p1", horizon_days=30), "k")
    assert caught.value.field == "horizon_days"


def test_strangers_have_no_history(trained: Shop) -> None:
    """Nobody is written to who never bought, and the answer says that nothing is known."""
    app = trained.app
    decision = app.road.decide(app.use_cases["churn"], ask("nobody"), "k").decision
    assert decision.action == "none"
    assert decision.degraded is Degraded.NO_HISTORY


def test_served_equals_trained_at_the_same_point(trained: Shop) -> None:
    """Served features equal training features, bit for bit, the tenure included."""
    app = trained.app
    moment = END - 120 * DAY
    labelled, head = app.learners["churn"].table(material(app, END), [moment])  # type: ignore[attr-defined]
    assert len(labelled.y) > 50
    steps = app.use_cases["churn"].steps
    with app.store.snapshot() as snapshot:
        for row in range(0, len(labelled.y), 7):
            permit = app.gate.permit(
                snapshot, purpose=Purpose.MARKETING, subject=int(labelled.subjects[row]), country="US",
                point=Point(head.epoch, moment, LATEST),
            )  # fmt: skip
            served = np.array(steps.know(permit, ask("x"), snapshot).values, dtype=np.float32)
            assert np.array_equal(served, labelled.x[row], equal_nan=True)


def test_the_nightly_file_has_a_row_for_everybody_who_may_be_asked_about(trained: Shop, tmp_path: Path) -> None:
    """Churn `none` and no row in the file for those who said no; Parquet and CSV hold the same."""
    app = trained.app
    with app.store.snapshot() as snapshot:
        person = find_pseudonym(snapshot, app.secrets, "p5")
    assert person is not None
    no = Consent(person, Purpose.MARKETING, State.WITHDRAWN, place="US")
    app.store.commit(lambda t: ledger.record(t, no, END)).result()
    people = customers(app.store, app.secrets, app.clock.now())
    assert "p5" in people
    written = score(app.use_cases["churn"], app.road, requests(people), tmp_path / "churn.csv", total=len(people))
    with (tmp_path / "churn.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == tuple(COLUMNS)
    assert {row["user_id"] for row in rows} == set(people) - {"p5"}
    assert (written.rows, written.left_out) == (len(people) - 1, 1)
    assert sum(written.actions.values()) == written.rows
    assert all(row["reason_1"] and row["decision_id"] for row in rows)
    score(app.use_cases["churn"], app.road, requests(people), tmp_path / "churn.parquet")
    read = duckdb.sql(f"SELECT user_id, score FROM '{tmp_path / 'churn.parquet'}' ORDER BY user_id").fetchall()
    assert [row[0] for row in read] == sorted(set(people) - {"p5"})
    scores = [float(row["score"]) for row in sorted(rows, key=lambda row: row["user_id"])]
    assert [row[1] for row in read] == pytest.approx(scores, abs=0.05)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["churn.csv", "churn.parquet"]
    with pytest.raises(InvalidInput, match="parquet"):
        score(app.use_cases["churn"], app.road, requests(people), tmp_path / "churn.xlsx")


def test_labels_look_forward_only() -> None:
    """A purchase at the moment itself is history; one at the end of the horizon still counts."""
    rows = {"subject": np.array([1, 1, 2]), "at": np.array([100, 200, 150]), "seq": np.array([1, 3, 2])}
    people, at = np.array([1, 1, 1, 2, 2]), np.array([99, 100, 101, 149, 150])
    assert bought_within(rows, people, at, 100).tolist() == [1, 1, 1, 1, 0]
    assert bought_within(rows, np.array([1]), np.array([200]), 100).tolist() == [0]
    assert grid(np.array([100, 900]), 1000, 300) == [399, 699, 999]


def test_a_message_is_sent_where_it_pays() -> None:
    """Dearer baskets lower the risk from which a message is worth it; for tiny ones it never is."""
    policy = ChurnPolicy()
    assert policy.threshold(20_000) < policy.threshold(5_000)
    assert policy.threshold(0) > 1
    assert churn({"contact_cost": 99}).revision != churn().revision
    with pytest.raises(ConfigurationError, match="contact_cost"):
        churn({"contact_cost": "dear"})


def test_every_column_of_churn_has_words() -> None:
    """Reasons are in plain words: no column is shown by its name."""
    assert set(PHRASES) == set(FEATURES.columns)
