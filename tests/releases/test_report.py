"""The card survives JSON, the curves say what the metrics say, and the report needs nothing but itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tillwise.errors import ArtifactDamaged, NotFound
from tillwise.events.tables import TABLES as EVENT_TABLES
from tillwise.models.bootstrap import Interval
from tillwise.models.metrics import precision_at
from tillwise.releases.card import (
    Bar,
    Bars,
    Caution,
    Contender,
    Importance,
    Label,
    LogPosition,
    Metric,
    ModelCard,
    Split,
    measured,
    read_card,
    save_card,
)
from tillwise.releases.curves import calibration_curve, curves_of, gain_curve, precision_recall_curve
from tillwise.releases.gate import Choice, GateResult, Verdict
from tillwise.releases.plots import day_of, timeline_plot
from tillwise.releases.releases import Releases
from tillwise.releases.report import metric_name, report, write_report
from tillwise.releases.svg import CHAR
from tillwise.stores.sqlite import SqliteStore

DAY = 86_400_000
VERSION = "sha256:" + "9c" * 32


def outcomes(n: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    p = rng.beta(1, 4, n)
    return (rng.random(n) < p).astype(float), p


def card(**changes: object) -> ModelCard:
    y, p = outcomes()
    whole = ModelCard(
        use_case="churn",
        version=VERSION,
        kind="tabular",
        features="sha256:" + "51" * 32,
        columns=("orders_30d", "recency"),
        seed=7,
        label=Label("no_purchase", "no purchase within 91 days", 91 * DAY, 91 * DAY),
        position=LogPosition(1, 500 * DAY, 12_345),
        splits=(Split("train", 0, 300 * DAY, 900, 300, 90), Split("test", 300 * DAY, 400 * DAY, 2000, 800, 400)),
        primary="roc_auc",
        metrics=(Metric("roc_auc", 0.81, 0.78, 0.84), Metric("log_loss", 0.41, 0.40, 0.43, "lower")),
        baselines=(Contender("recency <rule>", (Metric("roc_auc", 0.7), Metric("log_loss", 0.39, better="lower"))),),
        importances=(Importance("recency", 0.7, "days since the last order"), Importance("orders_30d", 0.3)),
        curves=curves_of(y, p, "the model"),
        bars=(Bars("Recall by kind", "recall@20", (Bar("new", "the model", 0.1, 0.05, 0.15),)),),
        warnings=(Caution("fairness_not_assessed", "fairness across groups has not been assessed yet"),),
    )
    return msgspec.structs.replace(whole, **changes)


def test_a_card_survives_json_and_is_kept_in_both_places(tmp_path: Path) -> None:
    """Beside its artifact and in the store, and always the same bytes."""
    whole = card()
    assert read_card(whole.to_json()) == whole
    (tmp_path / VERSION.removeprefix("sha256:")).mkdir()
    assert read_card(save_card(tmp_path, whole).read_bytes()) == whole
    store = SqliteStore(tmp_path / "shop.db")
    store.create(EVENT_TABLES)
    releases = Releases(store)
    releases.keep_card(whole)
    releases.keep_card(card(seed=8))
    with store.snapshot() as snapshot:
        assert releases.card(snapshot, VERSION).seed == 8
        with pytest.raises(NotFound):
            releases.card(snapshot, "sha256:none")
    store.close()
    with pytest.raises(ArtifactDamaged):
        read_card(b'{"use_case": 3}')


def test_a_metric_without_a_value_is_left_out_of_the_json() -> None:
    """NaN would not survive JSON: the card stays readable without it, and bounds go in pairs."""
    odd = (Metric("roc_auc", float("nan")), Metric("ece", 0.1, float("nan"), 0.2), Metric("brier", 0.1, 0.0, 0.2))
    read = read_card(card(metrics=odd, baselines=(Contender("b", odd),)).to_json())
    assert read.metrics == (Metric("ece", 0.1), Metric("brier", 0.1, 0.0, 0.2))
    assert read.baselines[0].metrics == read.metrics


def test_measured_metrics_keep_their_direction_and_drop_what_is_no_number() -> None:
    """Losses are better when lower; NaN never reaches a card."""
    found = measured(
        {"roc_auc": Interval(0.8, 0.7, 0.9), "brier": Interval(0.1, 0.1, 0.2), "x": Interval(np.nan, 0, 1)}
    )
    assert [(metric.name, metric.better) for metric in found] == [("roc_auc", "higher"), ("brier", "lower")]


def test_curves_say_what_the_metrics_say() -> None:
    """Gain ends at all of it, precision at a recall equals precision@k there, intervals hold the observed rate."""
    y, p = outcomes()
    gain = gain_curve(y, p, "m")
    assert (gain.x[0], gain.y[0], gain.x[-1], gain.y[-1]) == (0, 0, 1, 1)
    assert list(gain.y) == sorted(gain.y)
    curve = precision_recall_curve(y, p, "m")
    half = min(range(len(curve.x)), key=lambda place: abs(curve.x[place] - 0.5))
    k = round(curve.x[half] * y.sum() / curve.y[half])
    assert curve.y[half] == pytest.approx(precision_at(y, p, k)(np.ones(len(y))), abs=0.01)
    calibration = calibration_curve(y, p, "m")
    assert all(
        low <= rate <= high for low, rate, high in zip(calibration.low, calibration.y, calibration.high, strict=True)
    )
    assert sum(calibration.size) == len(y)
    assert curves_of(np.zeros(5), np.ones(5), "m") == ()


class Outline(HTMLParser):
    """Collects the tags and whatever points somewhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "xlink:href", "action") and not (value or "").startswith("#"):
                self.outside.append(f"{tag} {name}={value}")


CHOICE = Choice(
    "baseline", "recency <rule>", None, "the model was refused", (GateResult("quality", Verdict.FAIL, "too low"),)
)


def test_the_report_is_one_file_that_loads_nothing() -> None:
    """No script, no link, no image from anywhere; shop texts are escaped; the same card gives the same bytes."""
    page = report(card(), CHOICE)
    outline = Outline()
    outline.feed(page)
    assert outline.outside == []
    assert not {"script", "link", "img", "iframe", "image"} & set(outline.tags)
    assert outline.tags.count("svg") == 6
    assert not re.search(r"url\((?!#)|@import", page)
    assert "<rule>" not in page
    assert "recency &lt;rule&gt;" in page
    assert page == report(card(), CHOICE)


def test_the_report_says_what_matters() -> None:
    """Verdict, intervals, best values in bold, warnings, data window and names are there."""
    page = report(card(curves=(), bars=()), CHOICE)
    words = ("answers in the model’s place", "0.7800 to 0.8400", "quality: fail", "fairness not assessed",
                 "1970-10-28", "no purchase within 91 days", VERSION, "days since the last order", "2 000")  # fmt: skip
    for text in words:
        assert text in page, text
    bold = re.findall(r'<td class="best">([0-9.]+)', page)
    assert bold == ["0.8100", "0.3900"]


def test_a_ranking_has_things_to_find_instead_of_a_rate() -> None:
    """Purchases are no share of people, and a blend reads no columns; its parts alone are no warning."""
    alone = Bars("What each part finds alone", "NDCG@20", tuple(Bar(f"part {n}", "", 0.1 * n) for n in range(6)))
    people = (Split("train", 0, 300 * DAY, 1000, 0, 1000), Split("test", 300 * DAY, 400 * DAY, 200, 200, 10_000))
    page = report(card(label=Label("", "", 0, 0), columns=(), splits=people, chosen_by=(alone,), warnings=()))
    assert "of them positive" not in page
    assert "columns it reads" not in page
    for text in ("to be found", "10 000", "50.0 for each row", "parts it blends", "How it was chosen", "part 5"):
        assert text in page, text
    assert "To beware of" not in page


def test_every_day_of_the_data_window_is_written_and_none_over_another() -> None:
    """However near the ends of the periods are to each other; no text reaches over the edge of the drawing."""
    spans = (("train", 0, 300), ("validation", 302, 330), ("test", 332, 360))
    drawn = timeline_plot([Split(name, start * DAY, end * DAY, 10) for name, start, end in spans])
    width = float(re.search(r'viewBox="0 0 ([0-9.]+)', drawn)[1])  # type: ignore[index]
    found = re.findall(r'<text x="([0-9.]+)" y="([0-9.]+)" text-anchor="middle">([0-9-]{10})<', drawn)
    assert {day for _, _, day in found} == {day_of(day * DAY) for _, start, end in spans for day in (start, end)}
    half = 5 * CHAR
    places = sorted((float(y), float(x)) for x, y, _ in found)
    assert all(half <= x <= width - half for _, x in places)
    assert all(y != other or right - x >= 2 * half for (y, x), (other, right) in pairwise(places))


def test_a_bare_card_still_makes_a_page(tmp_path: Path) -> None:
    """Without curves, baselines or splits the page is short, not broken."""
    bare = card(curves=(), bars=(), baselines=(), splits=(), importances=(), warnings=(), metrics=())
    page = write_report(tmp_path / "reports" / "churn.html", bare).read_text("utf-8")
    assert "<svg" not in page
    assert "churn" in page


def test_metric_names_are_words() -> None:
    """Known abbreviations are spelt as the field does, others readable."""
    assert [metric_name(name) for name in ("roc_auc", "ndcg@20", "recall@20", "cp@100", "odd_one")] == [
        "ROC AUC", "NDCG@20", "Recall@20", "Card precision (CP)@100", "Odd one",
    ]  # fmt: skip
