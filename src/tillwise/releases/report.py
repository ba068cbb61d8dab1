"""The report people look at after training or evaluating: one HTML file, nothing loaded from anywhere else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from tillwise.releases.card import Contender, Metric, ModelCard
from tillwise.releases.gate import Choice
from tillwise.releases.plots import bar_plot, curve_plot, day_of, importance_plot, timeline_plot

_NAMES: Final = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "ece": "Calibration error (ECE)",
    "ece_of_a_perfect_model_95": "… of a perfect model, 95 %",
    "calibration_slope": "Calibration slope",
    "hr": "Hit rate",
    "ndcg": "NDCG",
    "auc": "ROC AUC",
    "cp": "Card precision (CP)",
}
_CAPTIONS: Final = {
    "calibration": (
        "Does 20 % mean 20 %?",
        "Each point is a tenth of the test rows. On the dashed line, what was predicted is what happened.",
    ),
    "gain": ("Who is found first", "Looking at the highest scores first, how much of what matters is found."),
    "precision_recall": (
        "Right and complete",
        "Recall is the share of what matters that is found, precision the share of what is pointed at that matters.",
    ),
}


def report(card: ModelCard, choice: Choice | None = None) -> str:
    """Return the page of a card; `choice` adds the verdicts of the gates. The same input gives the same bytes."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=_number, metric_name=metric_name, day=day_of, count=_count)
    template = environment.from_string(resources.files(__package__).joinpath("report.html").read_text("utf-8"))
    contenders = (Contender(card.kind, card.metrics, card.version), *card.baselines)
    return template.render(
        card=card,
        choice=choice,
        contenders=contenders,
        names=_metric_names(contenders),
        best=_best(contenders),
        figures=[_Figure(title, text, Markup(svg)) for title, text, svg in _figures(card)],  # noqa: S704 - our own SVG
        chosen_by=[
            _Figure(bars.title, "One bar per candidate; the weights were chosen here.", Markup(bar_plot(bars)))  # noqa: S704 - our own SVG
            for bars in card.chosen_by
        ],
        timeline=Markup(timeline_plot(card.splits)) if card.splits else None,  # noqa: S704 - our own SVG
        importances=Markup(importance_plot(card.importances)) if card.importances else None,  # noqa: S704
    )


def write_report(path: Path, card: ModelCard, choice: Choice | None = None) -> Path:
    """Write the page, whole or not at all; return the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(report(card, choice), "utf-8")
    os.replace(partial, path)
    return path


def metric_name(name: str) -> str:
    """Return a metric's name as people write it: `ndcg@20` → NDCG@20."""
    stem, at, k = name.partition("@")
    return _NAMES.get(stem, stem.replace("_", " ").capitalize()) + at + k


class _Figure:
    """A plot with a headline and what it says."""

    def __init__(self, title: str, text: str, svg: Markup) -> None:
        self.title, self.text, self.svg = title, text, svg


def _figures(card: ModelCard) -> list[tuple[str, str, str]]:
    found = []
    for kind, (title, text) in _CAPTIONS.items():
        curves = [curve for curve in card.curves if curve.kind == kind and curve.x]
        if curves:
            found.append((title, text, curve_plot(curves, title)))
    found.extend((bars.title, "Thin lines are 95 % intervals.", bar_plot(bars)) for bars in card.bars if bars.bars)
    return found


def _metric_names(contenders: Sequence[Contender]) -> list[str]:
    return list(dict.fromkeys(metric.name for contender in contenders for metric in contender.metrics))


def _best(contenders: Sequence[Contender]) -> dict[str, float]:
    """Return the best value of each metric; calibration slopes are best near 1."""
    best: dict[str, Metric] = {}
    for metric in (metric for contender in contenders for metric in contender.metrics):
        if metric.name == "ece_of_a_perfect_model_95":
            continue  # a yardstick, nobody's merit
        if metric.name not in best or _goodness(metric) > _goodness(best[metric.name]):
            best[metric.name] = metric
    return {name: metric.value for name, metric in best.items()}


def _goodness(metric: Metric) -> float:
    return {"higher": metric.value, "lower": -metric.value, "one": -abs(metric.value - 1)}[metric.better]


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.0f}".replace(",", " ")


def _count(value: int) -> str:
    return f"{value:,}".replace(",", " ")
