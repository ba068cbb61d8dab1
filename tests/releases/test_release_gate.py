"""Nobody answers without a passed gate: the model, its best baseline, or the declared rules."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tillwise.errors import InvalidInput, NotPermitted
from tillwise.models.metrics import average_precision, log_loss, negated, roc_auc
from tillwise.releases.gate import Entrant, GateResult, Verdict, choose, fairness, quality
from tillwise.releases.override import LONGEST, Override, check, sign
from tillwise.settings import Secrets

SECRETS = Secrets(log=bytes(range(32)))
DAY = 86_400_000


def period(n: int = 900) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, the score of a good model, and three rows per person."""
    rng = np.random.default_rng(2)
    z = rng.normal(size=n)
    return (rng.random(n) < 1 / (1 + np.exp(-2 * z))).astype(float), z, np.arange(n) // 3


def entrants(*noise: float) -> list[Entrant]:
    y, z, _ = period()
    rng = np.random.default_rng(8)
    return [Entrant(f"e{i}", f"sha256:{i}", roc_auc(y, z + s * rng.normal(size=len(z)))) for i, s in enumerate(noise)]


def test_a_better_model_is_released() -> None:
    """A model above the best baseline passes; the numbers of the comparison stay with the verdict."""
    model, bad, good = entrants(0.0, 9.0, 2.0)
    choice = choose(model, [bad, good], period()[2])
    assert (choice.kind, choice.version) == ("model", model.version)
    numbers = choice.gates[0].numbers
    assert numbers["low"] < numbers["difference"] < numbers["high"]
    assert numbers["baseline"] == good.measure(np.ones(900))
    assert [warning.gate for warning in choice.warnings] == ["fairness"]


def test_a_worse_model_gives_way_to_the_best_baseline() -> None:
    """If the model fails, the best baseline is released in its place and says why."""
    model, bad, good = entrants(9.0, 5.0, 0.0)
    choice = choose(model, [bad, good], period()[2])
    assert (choice.kind, choice.name, choice.version) == ("baseline", good.name, good.version)
    assert "refused" in choice.why
    assert "reaches below" in choice.why


def test_an_equal_model_is_within_the_tolerance_and_pairs_cancel() -> None:
    """The comparison is paired: an identical model has an interval of width zero and passes."""
    model, _ = entrants(0.5, 9.0)
    result = quality(model, model, period()[2])
    assert result.verdict is Verdict.PASS
    assert result.numbers["low"] == result.numbers["high"] == 0.0


def test_the_gate_is_the_same_for_the_same_seed() -> None:
    """Same people, same seed, same interval."""
    model, baseline = entrants(0.3, 1.0)
    people = period()[2]
    assert quality(model, baseline, people, seed=5) == quality(model, baseline, people, seed=5)
    assert quality(model, baseline, people, seed=5) != quality(model, baseline, people, seed=6)


def test_the_tolerance_is_a_share_of_the_baseline_whatever_its_sign() -> None:
    """With a loss turned round (negative values) the floor is still below zero."""
    y, z, people = period()
    p = 1 / (1 + np.exp(-2 * z))
    good, bad = (Entrant(n, n, negated(log_loss(y, q))) for n, q in (("good", p), ("bad", np.full(len(y), y.mean()))))
    result = quality(good, bad, people)
    assert result.numbers["floor"] < 0
    assert result.verdict is Verdict.PASS
    assert quality(bad, good, people).verdict is Verdict.FAIL


def test_too_few_people_are_insufficient() -> None:
    """Without enough people no model is released: the baseline answers."""
    model, baseline = entrants(0.0, 5.0)
    choice = choose(model, [baseline], np.zeros(900, dtype=np.int64))
    assert choice.kind == "baseline"
    assert choice.gates[0].verdict is Verdict.INSUFFICIENT


def test_a_baseline_is_always_needed() -> None:
    """A model that was compared with nothing is not released."""
    with pytest.raises(InvalidInput, match="baseline"):
        choose(entrants(0.0)[0], [], period()[2])


def test_an_unmeasurable_baseline_never_wins() -> None:
    """NaN is not best."""
    y, z, people = period()
    broken = Entrant("broken", "sha256:b", lambda weights: float("nan"))
    fine = Entrant("fine", "sha256:f", average_precision(y, z))
    assert (
        choose(Entrant("m", "sha256:m", average_precision(y, z)), [broken, fine], people).gates[0].numbers["low"] == 0
    )


def test_nothing_answers_with_a_failed_fairness_verdict() -> None:
    """Model and baseline alike: the rules answer."""
    model, baseline = entrants(0.0, 5.0)
    failed = GateResult("fairness", Verdict.FAIL, "declined twice as often in one area")
    choice = choose(model, [baseline], period()[2], fair=failed)
    assert (choice.kind, choice.version) == ("rules", None)


def test_significant_use_cases_need_a_signed_override() -> None:
    """Not assessed is a warning, except where decisions are significant: there somebody must sign, and it ends."""
    model, baseline = entrants(0.0, 5.0)
    people = period()[2]
    assert choose(model, [baseline], people, significant=True).kind == "rules"
    override = sign(SECRETS, Override("fraud", model.version, "Mara, head of payments", "pilot", 0, 30 * DAY))
    accepted = check(SECRETS, override, 5)
    choice = choose(model, [baseline], people, significant=True, override=accepted)
    assert (choice.kind, choice.expires) == ("model", 30 * DAY)
    assert "Mara" in choice.why
    other = choose(entrants(9.0, 0.0)[0], [entrants(9.0, 0.0)[1]], people, significant=True, override=accepted)
    assert other.kind == "rules"
    assert fairness().verdict is Verdict.NOT_ASSESSED


def test_an_override_cannot_be_moved_stretched_or_forged() -> None:
    """Its signature covers version, name, reason and end; another secret is another shop."""
    signed = sign(SECRETS, Override("fraud", "sha256:a", "Mara", "pilot", 0, DAY))
    assert check(SECRETS, signed, 1) == signed
    for change in ({"version": "sha256:b"}, {"expires": 2 * DAY}, {"who": "Nils"}, {"signature": ""}):
        with pytest.raises(NotPermitted, match="signature"):
            check(SECRETS, msgspec.structs.replace(signed, **change), 1)
    with pytest.raises(NotPermitted, match="signature"):
        check(Secrets(log=b"x" * 32), signed, 1)
    with pytest.raises(NotPermitted, match="ended"):
        check(SECRETS, signed, DAY)
    for wrong in (Override("f", "v", " ", "why", 0, DAY), Override("f", "v", "who", "why", 0, LONGEST + 1)):
        with pytest.raises(NotPermitted):
            sign(SECRETS, wrong)
