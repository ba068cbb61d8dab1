"""The gates between a model and the people it would decide about.

Quality: on the untouched test period the model must not be worse than the best declared baseline by more than 1 % of
that baseline, with 95 % confidence, people resampled whole and in pairs. If it is, the best baseline is released in
its place and says why. Fairness: the gate with the verdicts exists, its assessment is not built yet, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tillwise.errors import InvalidInput
from tillwise.models.bootstrap import DRAWS, Resamples
from tillwise.models.metrics import Measure
from tillwise.releases.override import Override, holds

TOLERANCE: Final = 0.01
"""How much worse than the best baseline a model may be, as a share of that baseline."""
FEWEST_SUBJECTS: Final = 30
"""With fewer people in the test period no interval deserves trust."""


class Verdict(StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INSUFFICIENT = "insufficient"
    NOT_ASSESSED = "not_assessed"


class GateResult(msgspec.Struct, frozen=True):
    """A gate's verdict, in plain words and with the numbers it rests on."""

    gate: str
    verdict: Verdict
    text: str
    numbers: dict[str, float] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Entrant:
    """Somebody who could answer: an artifact and its primary metric on the test period; higher must be better."""

    name: str
    version: str
    measure: Measure


class Choice(msgspec.Struct, frozen=True):
    """Who may answer: the model, a baseline in its place, or the declared rules (`version` None)."""

    kind: str
    name: str
    version: str | None
    why: str
    gates: tuple[GateResult, ...]
    expires: int | None = None

    @property
    def warnings(self) -> tuple[GateResult, ...]:
        """Return the verdicts that stay as a standing warning in card and doctor."""
        return tuple(gate for gate in self.gates if gate.verdict not in (Verdict.PASS, Verdict.FAIL))


def best_of(baselines: Sequence[Entrant], rows: int) -> Entrant:
    """Return the baseline with the highest metric; the first of equals."""
    if not baselines:
        raise InvalidInput("a release needs at least one declared baseline to be measured against")
    ones = np.ones(rows)
    values = [baseline.measure(ones) for baseline in baselines]
    return baselines[int(np.argmax([value if np.isfinite(value) else -np.inf for value in values]))]


def quality(
    model: Entrant, baseline: Entrant, subjects: NDArray[np.int64], *, seed: int = 7, draws: int = DRAWS
) -> GateResult:
    """Compare model and baseline on the same resampled people (paired cluster bootstrap)."""
    people = len(np.unique(subjects))
    if people < FEWEST_SUBJECTS:
        text = f"only {people} people in the test period; {FEWEST_SUBJECTS} are needed to compare with {baseline.name}"
        return GateResult("quality", Verdict.INSUFFICIENT, text, {"people": float(people)})
    ones = np.ones(len(subjects))
    ours, theirs = model.measure(ones), baseline.measure(ones)
    differences = np.array(
        [model.measure(drawn) - baseline.measure(drawn) for drawn in Resamples(subjects, seed=seed, draws=draws)]
    )
    low, high = (float(bound) for bound in np.quantile(differences, (0.025, 0.975)))
    floor = -TOLERANCE * abs(theirs)
    numbers = {"model": ours, "baseline": theirs, "difference": ours - theirs, "low": low, "high": high, "floor": floor}
    if not np.isfinite(low):
        return GateResult("quality", Verdict.INSUFFICIENT, "the metric cannot be computed on the test period", {})
    shown = f"{ours:.4g} against {theirs:.4g} of {baseline.name}; difference {low:+.4g} to {high:+.4g}"
    if low >= floor:
        return GateResult("quality", Verdict.PASS, f"{shown}, not below {floor:+.4g}", numbers)
    return GateResult("quality", Verdict.FAIL, f"{shown}, which reaches below {floor:+.4g}", numbers)


def fairness() -> GateResult:
    """Return the standing verdict: group metrics and limits are not built yet."""
    return GateResult("fairness", Verdict.NOT_ASSESSED, "fairness across groups has not been assessed yet")


def choose(
    model: Entrant,
    baselines: Sequence[Entrant],
    subjects: NDArray[np.int64],
    *,
    seed: int = 7,
    significant: bool = False,
    override: Override | None = None,
    fair: GateResult | None = None,
) -> Choice:
    """Return who may answer, and why.

    Nothing answers with a failed fairness verdict, baselines included. A `significant` use case whose fairness is
    insufficient or not assessed needs a valid `override` for the version that would answer; its expiry goes with it.
    Pass `override` only after `releases.override.check` accepted its signature.
    """
    baseline = best_of(baselines, len(subjects))
    verdicts = (quality(model, baseline, subjects, seed=seed), fair or fairness())
    passed = verdicts[0].verdict is Verdict.PASS
    chosen, kind = (model, "model") if passed else (baseline, "baseline")
    why = verdicts[0].text if passed else f"the model was refused: {verdicts[0].text}"
    fair_verdict = verdicts[1].verdict
    if fair_verdict is Verdict.FAIL:
        return Choice("rules", "rules", None, f"nothing may answer: {verdicts[1].text}", verdicts)
    if significant and fair_verdict is not Verdict.PASS:
        if override is None or not holds(override, chosen.version):
            text = f"{verdicts[1].text}; this use case is significant: release needs a signed, expiring override"
            return Choice("rules", "rules", None, text, verdicts)
        why = f"{why}; fairness overridden by {override.who}: {override.why}"
        return Choice(kind, chosen.name, chosen.version, why, verdicts, override.expires)
    return Choice(kind, chosen.name, chosen.version, why, verdicts)
