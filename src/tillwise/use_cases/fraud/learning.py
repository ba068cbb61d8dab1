"""Learning from chargebacks: every order whose label is certain, as it stood just before its first event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.features.feature import DAY, HOUR, FeatureSet
from tillwise.features.points import Points
from tillwise.jobs.binary import Labelled, data_of, enough, evaluate, learned, window_of
from tillwise.jobs.learning import Evaluation, Learned, Material
from tillwise.jobs.split import TimeSplit, split_in_time
from tillwise.models.artifact import Artifact
from tillwise.models.baseline import fit_ranked_column
from tillwise.models.logistic import fit_logistic
from tillwise.models.model import Design
from tillwise.models.tabular import fit_tabular
from tillwise.outcomes.label import LabelDefinition
from tillwise.outcomes.outcomes import of_kinds
from tillwise.outcomes.rows import NULL, Columns, rows_of
from tillwise.privacy.permit import Permit
from tillwise.use_cases.fraud.features import ATTEMPT, CHARGEBACK, FEATURES, KEYS, REFUSED
from tillwise.use_cases.fraud.policy import RuleLimits
from tillwise.use_cases.fraud.unprofiled import judge_unprofiled
from tillwise.vocabulary.position import Head, Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

LABEL: Final = LabelDefinition(
    name="chargeback",
    meaning="the bank took the payment back, or a person confirmed the fraud, within 90 days",
    events=(CHARGEBACK,),
    horizon=90 * DAY,
    maturity=90 * DAY,
    kinds=("chargeback", "fraud_confirmed"),
)
PRIMARY: Final = "average_precision"
MONOTONE: Final = {
    name: 1 for name in FEATURES.columns if name.startswith(("refused_", "chargebacks_", "country_mismatch"))
}
"""More of these never lowers the risk, whatever a small sample says."""
SIMULATED_NOTE: Final = "learnt from simulated payments: no real payment has a certain label yet"
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Orders:
    """One row per order that went through: its first event, and the point it is judged from."""

    rows: Columns
    epoch: Integers
    at: Integers
    mark: Integers


@dataclass(frozen=True, slots=True)
class FraudLearner:
    """Boosted trees against the declared rules alone and a logistic regression."""

    label: LabelDefinition = LABEL
    features: FeatureSet = FEATURES
    limits: RuleLimits = field(default_factory=RuleLimits)

    def learn(self, material: Material) -> Learned:
        """Fit on the oldest mature orders, calibrate on the next, judge on the newest.

        Raises InvalidInput, saying what is missing, while too few orders have a certain label.
        """
        material.progress.start(4, "fraud")
        labelled, head, notes = self._labelled(material)
        material.progress.advance()
        split = split_in_time(labelled.at, embargo=self.label.maturity)
        enough(labelled, split)
        window = window_of(labelled, split, head)
        design = Design("fraud", labelled.columns, self.features.hash, material.seed, data_of(window))
        train, validation = labelled.rows(split.train(labelled.at)), labelled.rows(split.validation(labelled.at))
        model = fit_tabular(design, train, validation, monotone=MONOTONE)
        material.progress.advance()
        baselines = {
            "rules only": fit_ranked_column(design, train, "rule_points", rising=True),
            "logistic": fit_logistic(design, train, validation),
        }
        material.progress.advance()
        evaluation = self._evaluation(
            labelled, split.train(labelled.at), (split.test_start, split.end), model, baselines, material.seed,
            (*notes, *_embargo_note(split)),
        )  # fmt: skip
        material.progress.advance()
        return learned(labelled, model, baselines, evaluation, window)

    def evaluate(self, material: Material, artifact: Artifact, start: int, end: int) -> Evaluation:
        """Judge a model on orders of [start, end) whose labels are certain."""
        labelled, _, notes = self._labelled(material)
        first, last = artifact.manifest["data"]["train"]
        learnt = (labelled.at >= first) & (labelled.at < last)
        return self._evaluation(
            labelled, learnt, (start, end), artifact, material.baselines, material.seed, notes
        )  # fmt: skip

    def _evaluation(
        self, labelled: Labelled, before: NDArray[np.bool_], period: tuple[int, int], model: Artifact,
        baselines: Mapping[str, Artifact], seed: int, notes: tuple[str, ...],
    ) -> Evaluation:  # fmt: skip
        judged = evaluate(labelled, model, baselines, primary=PRIMARY, period=period, seed=seed, notes=notes)
        return replace(judged, unprofiled=(judge_unprofiled(labelled, self.limits, before, period, PRIMARY, seed),))

    def _labelled(self, material: Material) -> tuple[Labelled, Head, tuple[str, ...]]:
        material.segments.export(material.store)
        with material.store.snapshot() as snapshot:
            head = material.head(snapshot)
            trainable = material.gate.trainable(snapshot, Purpose.FRAUD_PREVENTION)
            decided = _decided(snapshot, material.now)
            told = of_kinds(snapshot, self.label.kinds, before=material.now)
        permit = material.gate.training_permit(Purpose.FRAUD_PREVENTION, Point.after(head, material.now))
        attempts = rows_of(
            material.store, (ATTEMPT,), permit, before=self.label.mature_before(material.now), columns=_COLUMNS,
            after=material.since((ATTEMPT,), Purpose.FRAUD_PREVENTION, head.at),
        )  # fmt: skip
        attempts, simulated = _one_world(attempts)
        confirmed = {o.order_ref for o in told if o.order_ref is not None and o.value > 0}
        orders = _orders(attempts, np.array(sorted(trainable), dtype=np.int64), decided, confirmed, head)
        y = self._labels(material, orders.rows, permit, confirmed)
        table = material.segments.training_table(self.features, points_of(orders.rows, orders), permit)
        subjects = np.where(orders.rows["subject"] == NULL, orders.rows["seq"], orders.rows["subject"])
        labelled = Labelled(self.features.columns, table.values, y, subjects, orders.at, simulated=simulated)
        return labelled, head, (SIMULATED_NOTE,) if simulated else ()

    def _labels(self, material: Material, orders: Columns, permit: Permit, confirmed: set[int]) -> NDArray[np.float64]:
        events = rows_of(
            material.store, self.label.events, permit, before=material.now, columns=("at", "order_ref", "simulated")
        )
        first: dict[int, int] = {}
        for ref, at in zip(events["order_ref"].tolist(), events["at"].tolist(), strict=True):
            first.setdefault(ref, at)
        return np.array(
            [
                float(ref != NULL and (ref in confirmed or at <= first.get(ref, NULL) <= at + self.label.horizon))
                for ref, at in zip(orders["order_ref"].tolist(), orders["at"].tolist(), strict=True)
            ]
        )


_COLUMNS: Final = (
    "epoch", "at", "seq", *KEYS, "order_ref", "amount", "billing_country", "shipping_country", "kind", "simulated",
)  # fmt: skip


def _one_world(attempts: Columns) -> tuple[Columns, bool]:
    """Real payments where there are any; simulated ones only in a shop without."""
    real = attempts["simulated"] == 0
    simulated = not bool(real.any())
    chosen = ~real if simulated else real
    return {name: column[chosen] for name, column in attempts.items()}, simulated


def _decided(snapshot: Snapshot, before: int) -> dict[int, tuple[int, int, int, str]]:
    """Return epoch, at, mark and action of the newest decision about each order, taken before the end of the log."""
    rows = snapshot.all(
        "SELECT order_ref, epoch, at, mark, action FROM receipts"
        " WHERE use_case = 'fraud' AND order_ref IS NOT NULL AND delivered = 1 AND at < ? ORDER BY seq",
        (before,),
    )
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}


def _orders(
    attempts: Columns,
    trainable: Integers,
    decided: dict[int, tuple[int, int, int, str]],
    confirmed: set[int],
    head: Head,
) -> _Orders:
    """Choose the orders to learn from.

    What never went through has no outcome: refused attempts are left out, and so are orders we declined ourselves,
    unless a person later said what they were. The point of an order that was decided live is the decision's own.
    """
    went_through = ~np.isin(attempts["kind"], REFUSED)
    ref = attempts["order_ref"]
    passed_orders = np.unique(ref[went_through & (ref != NULL)])
    blocked = np.array([r for r, d in decided.items() if d[3] == "decline" and r not in confirmed], dtype=np.int64)
    allowed = (attempts["subject"] == NULL) | np.isin(attempts["subject"], trainable)
    usable = allowed & ~np.isin(ref, blocked) & (went_through | np.isin(ref, passed_orders))
    place = np.flatnonzero(usable)
    own = np.where(ref[place] == NULL, attempts["seq"][place], ref[place])
    _, first = np.unique(own, return_index=True)
    place = np.sort(place[first])
    rows = {name: column[place] for name, column in attempts.items()}
    epoch, at, mark = np.full(len(place), head.epoch), rows["at"].copy(), 2 * rows["seq"] - 1
    for i, order in enumerate(rows["order_ref"].tolist()):
        if order in decided:
            epoch[i], at[i], mark[i] = decided[order][:3]
    return _Orders(rows, epoch.astype(np.int64), at, mark)


def points_of(rows: Columns, place: _Orders) -> Points:
    """Return the points of the orders, with the request's numbers as the event tells them."""
    amount, billing, shipping = rows["amount"], rows["billing_country"], rows["shipping_country"]
    known = (billing != NULL) & (shipping != NULL)
    return Points.build(
        epoch=place.epoch,
        at=place.at,
        mark=place.mark,
        order_ref=rows["order_ref"],
        simulated=rows["simulated"],
        keys={key: rows[key] for key in KEYS},
        request={
            "order_amount": np.where(amount == NULL, np.nan, amount.astype(np.float64)),
            "country_mismatch": np.where(known, (billing != shipping).astype(np.float64), np.nan),
            "hour": (place.at // HOUR % 24).astype(np.float64),
            **{f"has_{key}": (rows[key] != NULL).astype(np.float64) for key in KEYS[1:]},
        },
    )


def _embargo_note(split: TimeSplit) -> tuple[str, ...]:
    if split.embargo:
        return ()
    return ("the history is too short to leave the labels' maturity between training and test: results may flatter",)
