"""Learning churn: everybody who had bought, looked at on a monthly grid of the past, never on the day of an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import InvalidInput
from tillwise.features.feature import DAY, FeatureSet
from tillwise.features.points import Points
from tillwise.jobs.binary import Labelled, data_of, enough, evaluate, learned, window_of
from tillwise.jobs.learning import Evaluation, Learned, Material
from tillwise.jobs.split import FEWEST, TimeSplit, split_in_time
from tillwise.models.artifact import Artifact
from tillwise.models.baseline import fit_ranked_column
from tillwise.models.loading import load_model
from tillwise.models.logistic import fit_logistic
from tillwise.models.model import Design, Rows
from tillwise.models.tabular import fit_tabular
from tillwise.outcomes.label import LabelDefinition
from tillwise.outcomes.rows import Columns, rows_of
from tillwise.use_cases.churn.features import FEATURES, ORDER, RFM, RHYTHM
from tillwise.use_cases.churn.tenure import memory_of, tenure_then
from tillwise.vocabulary.position import Head, Point
from tillwise.vocabulary.purpose import Purpose

HORIZON: Final = 90 * DAY
LABEL: Final = LabelDefinition(
    name="no_order_90d",
    meaning="no order within 90 days",
    events=(ORDER,),
    horizon=HORIZON,
    maturity=HORIZON,
)
NOT_PERSONAL: Final = (
    "without permission nobody is scored and the action is none: there is no variant without a profile to measure"
)
PRIMARY: Final = "roc_auc"
STEP: Final = 30 * DAY
ACTIVE: Final = 730 * DAY
"""Somebody who has not ordered for two years is no customer any more, and nothing is learnt from them."""
PARAMS: Final = {"num_leaves": 8, "max_depth": 4, "min_data_in_leaf": 200, "learning_rate": 0.03, "lambda_l2": 10.0}
MONOTONE: Final = {
    "since_order": 1, "since_days": 1, "log_since": 1, "gap_ratio": 1, "silence": 1, "rate": -1, "log_rate": -1,
    "repeats": -1, "log_orders": -1, "orders_1095d": -1, "views_30d": -1, "added_30d": -1,
    **{f"orders_{days}d": -1 for days in (14, 30, 60, 90, 180, 365)},
    **{f"log_orders_{days}d": -1 for days in (30, 90, 180)},
}  # fmt: skip
"""A longer pause never lowers the risk, and more orders never raise it."""
LATEST: Final = 2**62
"""A mark after every row of its `at`."""
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ChurnLearner:
    """Trees or a logistic regression on a person's rhythm: the simpler unless people held out say otherwise."""

    label: LabelDefinition = LABEL
    step: int = STEP
    features: FeatureSet = FEATURES

    def learn(self, material: Material) -> Learned:
        """Fit on old months, choose and calibrate on later ones, judge on the last ones.

        Raises InvalidInput, saying what is missing, while too little history is older than the horizon.
        """
        material.progress.start(4, "churn")
        labelled, head = self.table(material)
        material.progress.advance()
        split = self._split(labelled.at)
        enough(labelled, split)
        window = window_of(labelled, split, head)
        design = Design("churn", self.features.columns, self.features.hash, material.seed, data_of(window))
        train, newest = split.train(labelled.at), split.validation(labelled.at)
        model = best_candidate(design, labelled, train, newest, half_life=self.label.horizon)
        material.progress.advance()
        baselines = fit_baselines(design, labelled.rows(train), labelled.rows(newest))
        material.progress.advance()
        evaluation = evaluate(
            labelled,
            model,
            baselines,
            primary=PRIMARY,
            period=(split.test_start, split.end),
            seed=material.seed,
            notes=(NOT_PERSONAL,),
        )
        material.progress.advance()
        return learned(labelled, model, baselines, evaluation, window)

    def evaluate(self, material: Material, artifact: Artifact, start: int, end: int) -> Evaluation:
        """Judge a model on the months of [start, end) whose horizon is over, on the grid it was judged on at first."""
        last = int(artifact.manifest["data"]["test"][1])
        first = start + (last - 1 - start) % self.step
        moments = range(first, min(end, self._mature(material)), self.step)
        labelled, _ = self.table(material, moments)
        return evaluate(labelled, artifact, material.baselines, primary=PRIMARY, period=(start, end),
                        seed=material.seed, notes=(NOT_PERSONAL,))  # fmt: skip

    def _split(self, at: Integers) -> TimeSplit:
        """Keep a horizon free before the test; of what lies before it, the newest moment is for choosing."""
        split = split_in_time(at, embargo=self.label.horizon)
        before = at[at < split.validation_end]
        newest = int(before.max())
        if newest == int(before.min()):
            raise InvalidInput("there is only one month of mature history before the test period yet")
        return replace(split, train_end=newest, validation_start=newest)

    def _mature(self, material: Material) -> int:
        """Return the moment before which everybody's horizon is over."""
        return self.label.mature_before(material.now)

    def table(self, material: Material, moments: Sequence[int] | None = None) -> tuple[Labelled, Head]:
        """Return the labelled rows at these moments of the log clock (default: a grid back from the last mature one).

        People are in it from their first order on, for as long as they ordered within two years.
        """
        material.segments.export(material.store)
        with material.store.snapshot() as snapshot:
            head = material.head(snapshot)
            trainable = material.gate.trainable(snapshot, Purpose.MARKETING)
        permit = material.gate.training_permit(Purpose.MARKETING, Point.after(head, material.now))
        orders = rows_of(
            material.store, (ORDER,), permit, before=material.now, columns=("at", "seq", "subject", "simulated"),
            after=material.since((ORDER,), Purpose.MARKETING, head.at),
        )  # fmt: skip
        orders = _of_people(orders, np.array(sorted(trainable), dtype=np.int64))
        if moments is None:
            moments = grid(orders["at"], self._mature(material), self.step)
        people, at = at_moments(orders, moments)
        y = 1.0 - bought_within(orders, people, at, self.label.horizon)
        points = Points.build(
            epoch=np.full(len(at), head.epoch), at=at, mark=np.full(len(at), LATEST), keys={"subject": people},
            request={"tenure": tenure_then(orders, people, at, memory_of(self.features))},
        )  # fmt: skip
        table = material.segments.training_table(self.features, points, permit)
        return Labelled(self.features.columns, table.values, y, people, at), head


def best_candidate(
    design: Design, labelled: Labelled, train: Mask, newest: Mask, *, half_life: int = HORIZON
) -> Artifact:
    """Return trees or the logistic regression on a person's rhythm, calibrated on the newest moment.

    A quarter of the people is held out of both: their newest rows decide, and the simpler candidate stays unless the
    trees are better by more than one standard error (Breiman et al., CART, 1984). A row counts half as much for each
    `half_life` milliseconds it is older, since buying changes with season and range.
    """
    learn = train | newest
    age = (labelled.at[newest].max() - labelled.at).astype(np.float64)
    weight = np.exp2(-np.maximum(age, 0.0) / half_life)
    held = _held_out(labelled.subjects, design.seed)
    rows, judges = Rows(labelled.x[learn], labelled.y[learn], weight[learn]), labelled.rows(newest)
    others = Rows(labelled.x[learn & ~held], labelled.y[learn & ~held], weight[learn & ~held])
    witnesses = labelled.rows(newest & held)
    simple = fit_logistic(design, only(design, rows, RHYTHM), only(design, judges, RHYTHM))
    if min(witnesses.y.sum(), (1 - witnesses.y).sum(), others.y.sum(), (1 - others.y).sum()) < FEWEST:
        return simple
    trees = fit_tabular(design, others, witnesses, params=PARAMS, monotone=MONOTONE)
    rival = fit_logistic(design, only(design, others, RHYTHM), only(design, witnesses, RHYTHM))
    saved = _losses(rival, witnesses) - _losses(trees, witnesses)
    return trees if saved.mean() > saved.std() / np.sqrt(len(saved)) else simple


def _held_out(subjects: Integers, seed: int) -> Mask:
    """Return which rows belong to a seeded quarter of the people."""
    people, who = np.unique(subjects, return_inverse=True)
    return np.asarray((np.random.default_rng(seed).permutation(len(people)) % 4 == 0)[who], dtype=np.bool_)


def _losses(artifact: Artifact, rows: Rows) -> NDArray[np.float64]:
    """Return the log loss of each row, in nats."""
    chance = np.clip(load_model(artifact).predict(rows.x), 1e-12, 1 - 1e-12)
    return np.asarray(-np.where(rows.y == 1, np.log(chance), np.log1p(-chance)))


def fit_baselines(design: Design, train: Rows, validation: Rows) -> dict[str, Artifact]:
    """Return the declared baselines: the longer ago the likelier, and a logistic regression on RFM."""
    return {
        "recency rule": fit_ranked_column(design, train, "since_order", rising=True),
        "logistic RFM": fit_logistic(design, only(design, train, RFM), only(design, validation, RFM)),
    }


def only(design: Design, rows: Rows, columns: Sequence[str]) -> Rows:
    """Return rows in which every other column is 0, so that a linear model gives it no weight."""
    x = np.zeros_like(rows.x)
    places = [design.columns.index(name) for name in columns]
    x[:, places] = rows.x[:, places]
    return replace(rows, x=x)


def grid(at: Integers, last: int, step: int) -> list[int]:
    """Return moments from the last mature one backwards in steps, oldest first, each with an order before it."""
    if not len(at):
        return []
    return list(range(last - 1, int(at.min()), -step))[::-1]


def at_moments(orders: Columns, moments: Sequence[int]) -> tuple[Integers, Integers]:
    """Return everybody who is a customer at each moment, and the moment, ordered by moment and person."""
    people, at = [], []
    for moment in moments:
        recent = orders["subject"][(orders["at"] <= moment) & (orders["at"] > moment - ACTIVE)]
        known = np.unique(recent)
        people.append(known)
        at.append(np.full(len(known), moment, dtype=np.int64))
    empty = np.empty(0, dtype=np.int64)
    return np.concatenate([empty, *people]), np.concatenate([empty, *at])


def bought_within(orders: Columns, people: Integers, at: Integers, horizon: int) -> NDArray[np.float64]:
    """Return 1 for everybody with an order in (at, at + horizon]. `orders` are sorted by (subject, at)."""
    rank = np.unique(orders["subject"], return_inverse=True)[1]
    known = np.unique(orders["subject"])
    person = np.searchsorted(known, people)
    begin, stop = np.searchsorted(rank, person, side="left"), np.searchsorted(rank, person, side="right")
    result = np.zeros(len(people))
    for i, (first, last, moment) in enumerate(zip(begin.tolist(), stop.tolist(), at.tolist(), strict=True)):
        place = first + int(np.searchsorted(orders["at"][first:last], moment, side="right"))
        result[i] = float(place < last and orders["at"][place] <= moment + horizon)
    return result


def _of_people(orders: Columns, trainable: Integers) -> Columns:
    """Keep real orders of people who may be learnt from, sorted by (subject, at)."""
    chosen = np.flatnonzero((orders["simulated"] == 0) & np.isin(orders["subject"], trainable))
    order = chosen[np.lexsort((orders["seq"][chosen], orders["at"][chosen], orders["subject"][chosen]))]
    return {name: column[order] for name, column in orders.items()}
