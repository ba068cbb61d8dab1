"""Who answers, and which gates only warn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tillwise.app.build import App
from tillwise.app.doctor.finding import Finding, day
from tillwise.app.readiness import model_problems
from tillwise.vocabulary.store import Snapshot

_FAIRNESS: Final = "compare its errors across groups of your customers yourself: nothing here does it yet"


def releases(app: App, snapshot: Snapshot) -> Iterator[Finding]:
    """Look at the release of every use case."""
    for use_case, problem in model_problems(app.models, app.use_cases, snapshot).items():
        yield Finding("wrong", "release", problem, f"tillwise rollback {use_case}, or tillwise train {use_case}")
    released = {release.use_case: release for release in app.releases.in_force(snapshot)}
    for name in app.use_cases:
        release = released.get(name)
        if release is None:
            says = f"nothing is released for {name}: it answers by its declared rules"
            yield Finding("warning", "release", says, f"tillwise train {name}")
            continue
        yield Finding("fine", "release", f"{name}: {release.name} answers since {day(release.wall)}")
        for gate in release.gates:
            if gate.verdict.value in ("not_assessed", "insufficient"):
                says = f"{name}: gate '{gate.gate}' is {gate.verdict.value}: {gate.text}"
                mend = _FAIRNESS if gate.gate == "fairness" else f"tillwise train {name}, once more people were seen"
                yield Finding("warning", "gate", says, mend)
