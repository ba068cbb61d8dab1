"""Does everybody whose order was stopped hear what would have changed it, and is it true?

    python benchmarks/counterfactuals.py --shop DIR [--most 5000]     a shop with a released fraud model, such as the
                                                                    demo's (its payments are simulated)

Protocol. The orders of the shop's log are judged again by its own model and policy, at their own log positions, the
newest first; `--most` of those that were not approved are taken. For each, the counterfactual is searched for and
timed (search only, one thread). What is found is checked apart from the search: the named values are put into the row,
LightGBM's own Python predictor scores it from the released text (calibrated as the artifact says), and the policy
decides: the action must be one that is not adverse. Columns that change must belong to a declared way; nothing about
who somebody is may change (their own chargebacks and history change by waiting alone). Targets: found for at least
95 %, all of them valid, p95 of the search at most 50 ms.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from tillwise.app import build_app
from tillwise.decisions.counterfactual import NO_LOT, Counterfactual, counterfactual
from tillwise.decisions.decision import Explain
from tillwise.decisions.use_case import UseCase
from tillwise.events.log import read_head
from tillwise.features.row import FeatureRow
from tillwise.jobs.learning import Material
from tillwise.models.score import Score
from tillwise.use_cases.fraud.learning import FraudLearner
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose


def rows_of(app: Any, use_case: UseCase) -> list[FeatureRow]:
    """Return the orders of the log as the road would know them, newest first."""
    material = Material(app.store, app.segments, app.gate, app.clock, app.folder.path, 0)
    labelled, _, _ = FraudLearner(features=use_case.features)._labelled(material)
    with app.store.snapshot() as snapshot:
        point = Point.after(read_head(snapshot), app.clock.now())
        permit = app.gate.permit(
            snapshot, purpose=Purpose.FRAUD_PREVENTION, subject=None, anonymous=None, country="US", point=point,
            signals=frozenset(),
        )  # fmt: skip
    facts = {"currency": "USD", "open_reviews": 0}
    found = []
    for place in np.argsort(-labelled.at, kind="stable").tolist():
        values = tuple(None if np.isnan(v) else float(v) for v in labelled.x[place])
        found.append(FeatureRow(permit, use_case.features.hash, use_case.features.columns, values, facts))
    return found


def action(use_case: UseCase, model: Any, row: FeatureRow) -> str:
    """Return what is decided without any luck."""
    return use_case.steps.act(use_case.steps.think(row, model, Explain.NONE), NO_LOT, Explain.NONE).action


def valid(use_case: UseCase, model: Any, booster: lightgbm.Booster, row: FeatureRow, found: Counterfactual) -> bool:
    """Score the named values apart from the search, and let the policy decide."""
    after = {each.column: each.becomes for each in found.changes}
    values = [after.get(name, value) for name, value in zip(row.columns, row.values, strict=True)]
    x = np.array([[np.nan if value is None else value for value in values]], dtype=np.float32)
    margin = np.asarray(booster.predict(x, raw_score=True))
    probability = float(model._calibration.probability(margin)[0])
    there = FeatureRow(row.permit, row.definition, row.columns, tuple(values), row.facts)
    return use_case.steps.act(Score(there, None, probability), NO_LOT, Explain.NONE).action not in use_case.adverse


def main() -> None:
    """Judge, search, check, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--most", type=int, default=5000)
    asked = parser.parse_args()
    app = build_app(asked.shop)
    use_case = app.use_case("fraud")
    with app.store.snapshot() as snapshot:
        in_force = app.models.current(snapshot, "fraud")
    if in_force is None:
        raise SystemExit("no fraud model is released in this shop")
    model = in_force.model
    booster = lightgbm.Booster(model_str=model._trees.text.decode())
    rows = rows_of(app, use_case)
    adverse = [row for row in rows if action(use_case, model, row) in use_case.adverse][: asked.most]
    spent, codes, right, said = [], Counter[str](), 0, 0
    for row in adverse:
        began = time.perf_counter()
        found = counterfactual(use_case, model, row)
        spent.append(1000 * (time.perf_counter() - began))
        if found is not None:
            said += 1
            right += valid(use_case, model, booster, row, found)
            codes[" + ".join(found.codes)] += 1
    app.close()
    times = np.array(spent)
    print(f"{len(rows)} orders, {len(adverse)} not approved")
    print(f"found {said} ({100 * said / max(1, len(adverse)):.1f} %; target ≥ 95 %), valid when scored apart {right}"
          f" ({100 * right / max(1, said):.1f} %; target 100 %)")  # fmt: skip
    print(f"search p50 {np.median(times):.1f} ms, p95 {np.quantile(times, 0.95):.1f} ms (target ≤ 50),"
          f" max {times.max():.1f} ms")  # fmt: skip
    for words, n in codes.most_common(8):
        print(f"  {n:6d}  {words}")


if __name__ == "__main__":
    main()
