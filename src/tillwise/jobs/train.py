"""Training from log to release: learn, judge, gate, let the winner answer, write card and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from tillwise.decisions.use_case import UseCase
from tillwise.errors import InvalidInput, NotReleased
from tillwise.jobs.asking import ask
from tillwise.jobs.learning import Evaluation, Learned, Learner, Material, Result
from tillwise.models.artifact import Artifact
from tillwise.outcomes.label import LabelDefinition
from tillwise.releases.card import Caution, Contender, Curve, Importance, Label, LogPosition, ModelCard, Split
from tillwise.releases.curves import curves_of
from tillwise.releases.gate import Choice, Entrant, choose
from tillwise.releases.override import Override
from tillwise.releases.releases import Release, Releases
from tillwise.releases.report import write_report
from tillwise.settings import ShopFolder

_SHOWN: Final = 15
"""Columns shown in a card's importances."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainResult:
    """What came of a training run. `released` is `model`, `baseline`, or `rules` when nothing may answer."""

    use_case: str
    released: str
    choice: Choice
    release: Release
    card: ModelCard
    evaluation: Evaluation
    report: Path


def train(
    use_case: UseCase,
    learner: Learner,
    material: Material,
    releases: Releases,
    *,
    label: LabelDefinition | None = None,
    meanings: Mapping[str, str] | None = None,
    override: Override | None = None,
    who: str = "train",
) -> TrainResult:
    """Learn, and release the model, or its best baseline with the reason why the model was refused.

    Artifacts are saved before anything is released, so that a release never names a model that is not there. Raises
    InvalidInput, saying what is missing, while there is not enough to learn from. The same log and seed give the same
    artifacts and card, whatever was decided meanwhile; what happens during the run is for the next one.
    """
    material = replace(material, until=material.now)
    learned = ask(learner, use_case.name, material.folder, partial(learner.learn, material), Learned)
    evaluation = learned.evaluation
    models = ShopFolder(material.folder).models
    for artifact in (learned.model, *learned.baselines):
        artifact.save(models)
    model, baselines = _entrants(learned)
    choice = choose(
        model, baselines, evaluation.subjects, seed=material.seed, significant=use_case.significant, override=override
    )
    cards = _cards(use_case, learned, material, choice, label or getattr(learner, "label", None), meanings or {})
    for card in cards:
        releases.keep_card(card)
    release = releases.release(use_case.name, choice, who=who)
    report = write_report(ShopFolder(material.folder).reports / f"{use_case.name}.html", cards[0], choice)
    return TrainResult(use_case.name, choice.kind, choice, release, cards[0], evaluation, report)


def evaluate(
    use_case: UseCase,
    learner: Learner,
    material: Material,
    releases: Releases,
    *,
    start: int | None = None,
    end: int | None = None,
) -> tuple[ModelCard, Evaluation, Path]:
    """Judge who answers now on a period of the log clock it never saw (default: the test period of its training).

    Returns its card with the new numbers, the evaluation, and the HTML report. Model and baselines are the saved ones,
    and the log is read up to where training read it while the period lies within the test period: by default the rows
    and numbers are those of training. Raises NotReleased when no learnt answer is in force, InvalidInput when the
    period overlaps what was learnt from or holds too little.
    """
    with material.store.snapshot() as snapshot:
        release = releases.current(snapshot, use_case.name)
        if release is None or release.version is None:
            raise NotReleased(f"{use_case.name}: no model is released; run `tillwise train {use_case.name}` first")
        card = releases.card(snapshot, release.version)
    test = next(split for split in card.splits if split.name == "test")
    learnt = max((split.end for split in card.splits if split.name != "test"), default=0)
    begin, stop = test.start if start is None else start, test.end if end is None else end
    if begin < learnt:
        raise InvalidInput(f"{use_case.name}: this period overlaps what the model learnt from; start later")
    artifact = Artifact.load(ShopFolder(material.folder).models, release.version)
    known = _as_learnt(material, card, past=stop <= test.end)
    judge = partial(learner.evaluate, known, artifact, begin, stop)
    evaluation = ask(learner, use_case.name, material.folder, judge, Evaluation)
    judged = _judged(card, evaluation, begin, stop)
    report = write_report(ShopFolder(material.folder).reports / f"{use_case.name}-evaluation.html", judged)
    return judged, evaluation, report


def _as_learnt(material: Material, card: ModelCard, *, past: bool) -> Material:
    """Return the material with a card's seed and baselines; with `past`, ending where the log ended in training."""
    models = ShopFolder(material.folder).models
    baselines = {each.name: Artifact.load(models, each.version) for each in card.baselines if each.version is not None}
    known = replace(material, seed=card.seed, baselines=baselines)
    if past:
        return replace(known, until=card.position.at, epoch=card.position.epoch)
    return replace(known, until=material.now)


def _entrants(learned: Learned) -> tuple[Entrant, list[Entrant]]:
    evaluation = learned.evaluation
    model = Entrant(evaluation.model.name, learned.model.version, evaluation.model.measure)
    baselines = [
        Entrant(result.name, artifact.version, result.measure)
        for result, artifact in zip(evaluation.baselines, learned.baselines, strict=True)
    ]
    return model, baselines


def _cards(
    use_case: UseCase,
    learned: Learned,
    material: Material,
    choice: Choice,
    label: LabelDefinition | None,
    meanings: Mapping[str, str],
) -> list[ModelCard]:
    """Return the model's card first, then one per baseline, so that whoever answers has one."""
    evaluation, window = learned.evaluation, learned.window
    own = {a.name: a.meaning for a in use_case.features.aggregates}
    said = {**own, **use_case.features.meanings, **learned.meanings, **meanings}
    shares = sorted(learned.importances.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    shared = ModelCard(
        use_case=use_case.name,
        version=learned.model.version,
        kind=str(learned.model.manifest.get("kind", "")),
        features=str(learned.model.manifest.get("features", "")),
        columns=tuple(learned.model.manifest.get("columns", ())),
        seed=material.seed,
        label=Label("", "", 0, 0) if label is None else Label(label.name, label.meaning, label.horizon, label.maturity),
        position=LogPosition(window.epoch, material.now, window.head),
        splits=_splits(learned),
        primary=evaluation.primary,
        metrics=evaluation.model.metrics,
        baselines=_contenders(learned),
        params=dict(learned.model.manifest.get("params") or {}),
        importances=tuple(Importance(name, share, said.get(name, "")) for name, share in shares if share > 0),
        curves=_curves(evaluation),
        bars=evaluation.bars,
        chosen_by=learned.chosen_by,
        warnings=tuple(Caution(f"{gate.gate}_{gate.verdict.value}", gate.text) for gate in choice.warnings),
        notes=evaluation.notes,
        simulated=learned.simulated,
    )
    return [shared, *(_baseline_card(shared, learned, place) for place in range(len(learned.baselines)))]


def _baseline_card(shared: ModelCard, learned: Learned, place: int) -> ModelCard:
    artifact, result = learned.baselines[place], learned.evaluation.baselines[place]
    return msgspec.structs.replace(
        shared,
        version=artifact.version,
        kind=str(artifact.manifest.get("kind", "")),
        columns=tuple(artifact.manifest.get("columns", ())),
        metrics=result.metrics,
        params=dict(artifact.manifest.get("params") or {}),
        importances=(),
        curves=tuple(curve for curve in shared.curves if curve.label == result.name),
        bars=(),
        chosen_by=(),
    )


def _judged(card: ModelCard, evaluation: Evaluation, start: int, end: int) -> ModelCard:
    rows, yes = len(evaluation.subjects), evaluation.wanted
    if evaluation.labels is not None:
        yes = int(evaluation.labels.sum())
    judged = Split("test", start, end, rows, len(np.unique(evaluation.subjects)), yes)
    known = {each.name: each for each in card.baselines}
    baselines = tuple(
        msgspec.structs.replace(known.get(result.name, _unreleased(result)), metrics=result.metrics)
        for result in (*evaluation.baselines, *evaluation.unprofiled)
    )
    return msgspec.structs.replace(
        card,
        splits=tuple(judged if split.name == "test" else split for split in card.splits),
        metrics=evaluation.model.metrics,
        baselines=baselines,
        curves=_curves(evaluation),
        bars=evaluation.bars,
        notes=tuple(dict.fromkeys((*card.notes, *evaluation.notes))),
    )


def _splits(learned: Learned) -> tuple[Split, ...]:
    window, people = learned.window, len(np.unique(learned.evaluation.subjects))
    periods = (("train", window.train), ("validation", window.validation), ("test", window.test))
    return tuple(
        Split(name, *period, rows, people if name == "test" else 0, positives)
        for (name, period), rows, positives in zip(periods, window.rows, window.positives, strict=True)
    )


def _contenders(learned: Learned) -> tuple[Contender, ...]:
    pairs = zip(learned.evaluation.baselines, learned.baselines, strict=True)
    able = (
        Contender(
            result.name, result.metrics, artifact.version, str(artifact.manifest.get("kind", "")), result.profiled
        )
        for result, artifact in pairs
    )
    return (*able, *map(_unreleased, learned.evaluation.unprofiled))


def _unreleased(result: Result) -> Contender:
    return Contender(result.name, result.metrics, profiled=result.profiled)


def _curves(evaluation: Evaluation) -> tuple[Curve, ...]:
    """Return the curves of everybody who gave one score per row."""
    found: list[Curve] = []
    for result in (evaluation.model, *evaluation.baselines):
        if evaluation.labels is not None and result.scores is not None:
            found.extend(curves_of(evaluation.labels, result.scores, result.name))
    return tuple(found)
