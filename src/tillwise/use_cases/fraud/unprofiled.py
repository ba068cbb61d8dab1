"""How well the order alone tells: what people get of whom nothing personal may be used, measured like any model."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.jobs.binary import Labelled, judge
from tillwise.jobs.learning import Result
from tillwise.use_cases.fraud.policy import ACTIONS, RuleLimits
from tillwise.use_cases.fraud.rules import apply

NAME: Final = "rules on the order alone"


def judge_unprofiled(
    labelled: Labelled, limits: RuleLimits, before: NDArray[np.bool_], period: tuple[int, int], primary: str, seed: int
) -> Result:
    """Judge the action these rules take as a score over a period.

    Each action stands for the rate of fraud it had in the rows `before`, a milder one never for more than a stricter.
    """
    place = _places(labelled, limits)
    seen = place[before]
    yes = np.bincount(seen, weights=labelled.y[before], minlength=len(ACTIONS))
    rates = np.maximum.accumulate((yes + 0.5) / (np.bincount(seen, minlength=len(ACTIONS)) + 1.0))
    judged = (labelled.at >= period[0]) & (labelled.at < period[1])
    scores = rates[place[judged]]
    return judge(NAME, primary, labelled.y[judged], scores, labelled.subjects[judged], seed=seed, profiled=False)


def _places(labelled: Labelled, limits: RuleLimits) -> NDArray[np.int64]:
    """Return, per row, the place among ACTIONS of what the rules say."""
    known = [labelled.columns.index(name) for name in ("order_amount", "country_mismatch")]
    kinds, place = np.unique(np.nan_to_num(labelled.x[:, known], nan=-1.0), axis=0, return_inverse=True)
    said = [
        ACTIONS.index(apply({"order_amount": amount, "country_mismatch": differ}, limits, request_only=True).action)
        for amount, differ in kinds.tolist()
    ]
    return np.array(said, dtype=np.int64)[place.reshape(-1)]
