"""Plots of a model card as inline SVG: text stays text, colours follow the page, the same card gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from tillwise.releases.card import Bars, Curve, Importance, Split
from tillwise.releases.svg import CHAR, INK, Frame, ticks

_SERIES: Final = ("#2f7ed8", "#e08a1e", "#2ba084", "#c2559d", "#8d7ae0", "#a09a2a")
"""The model first; told apart by the colour-blind and on both light and dark pages."""
_DASH: Final = "5 4"
_LABELS: Final = {
    "calibration": ("predicted probability", "observed rate"),
    "gain": ("share looked at, highest scores first", "share found"),
    "precision_recall": ("recall", "precision"),
}
_HALF: Final = (470, 330)
_WIDE: Final = 760


def curve_plot(curves: Sequence[Curve], title: str) -> str:
    """Return one plot of curves of one kind, the model's first; `title` is what a screen reader says."""
    kind = curves[0].kind
    top = 1.0
    if kind == "calibration":
        top = 1.05 * max(max((*curve.x, *curve.y, *curve.high)) for curve in curves) or 1.0
    frame = Frame(*_HALF, x=(0.0, top), y=(0.0, top if kind == "calibration" else 1.02))
    across, up = _LABELS[kind]
    frame.x_axis(ticks(0.0, top), across)
    frame.y_axis(ticks(0.0, top), up)
    if kind != "precision_recall":
        frame.line((0.0, top), (0.0, top), INK, 0.8, dash=_DASH)
    for place, curve in reversed(list(enumerate(curves))):
        colour = _SERIES[place % len(_SERIES)]
        if curve.low and place == 0:
            frame.band(curve.x, curve.low, curve.high, colour)
        frame.line(curve.x, curve.y, colour, 2.2 if place == 0 else 1.4)
        if curve.size:
            frame.dots(curve.x, curve.y, colour)
    for place, curve in enumerate(curves):
        frame.key(_SERIES[place % len(_SERIES)], curve.label)
    return frame.svg(title)


def bar_plot(bars: Bars) -> str:
    """Return bars with their intervals: grouped along the axis, one colour per label; lying where there is one label
    and more groups than could be written side by side."""
    groups = list(dict.fromkeys(bar.group for bar in bars.bars))
    labels = list(dict.fromkeys(bar.label for bar in bars.bars))
    if len(labels) == 1 and len(groups) > 5:
        return _lying_plot(groups, [bar.value for bar in bars.bars], bars.unit, bars.title)
    width = 0.8 / max(len(labels), 1)
    most = max((bar.value if bar.high is None else bar.high for bar in bars.bars), default=1.0) or 1.0
    frame = Frame(*_HALF, x=(-0.5, len(groups) - 0.5), y=(0.0, 1.05 * most))
    frame.x_axis([(float(place), group) for place, group in enumerate(groups)], grid=False)
    frame.y_axis(ticks(0.0, 1.05 * most), bars.unit)
    for place, label in enumerate(labels):
        colour = _SERIES[place % len(_SERIES)]
        for bar in (bar for bar in bars.bars if bar.label == label):
            middle = groups.index(bar.group) + (place - (len(labels) - 1) / 2) * width
            frame.bar((middle - 0.45 * width, middle + 0.45 * width), (0.0, bar.value), colour)
            if bar.low is not None and bar.high is not None:
                frame.line((middle, middle), (bar.low, bar.high), INK, 1.0)
        if len(labels) > 1:
            frame.key(colour, label)
    return frame.svg(bars.title)


def importance_plot(importances: Sequence[Importance], most: int = 20) -> str:
    """Return horizontal bars of the strongest columns, in per cent of all movement."""
    strongest = sorted(importances, key=lambda one: (-one.share, one.column))[:most]
    shown = [one for one in strongest if one.share > 0] or strongest[:1]
    names = [one.meaning or one.column for one in shown]
    shares = [100 * one.share for one in shown]
    return _lying_plot(names, shares, "share of all movement of the score, %", "What moves the score")


def _lying_plot(names: Sequence[str], values: Sequence[float], unit: str, title: str) -> str:
    """Return horizontal bars from the top down, each with its name at the left."""
    shown = [_shortened(name) for name in names]
    left = int(20 + CHAR * max((len(name) for name in shown), default=10))
    top = 1.05 * max(values, default=1.0) or 1.0
    frame = Frame(_WIDE, 60 + 24 * len(shown), x=(0.0, top), y=(-0.5, len(shown) - 0.5), left=left)
    frame.x_axis(ticks(0.0, top), unit)
    places = [float(len(shown) - 1 - place) for place in range(len(shown))]
    frame.y_axis(list(zip(places, shown, strict=True)), grid=False)
    for at, value in zip(places, values, strict=True):
        frame.bar((0.0, value), (at - 0.35, at + 0.35), _SERIES[0])
    return frame.svg(title)


def timeline_plot(splits: Sequence[Split]) -> str:
    """Return the data window: which days taught, which chose, which judged."""
    first, last = min(split.start for split in splits), max(split.end for split in splits)
    edge = 0.01 * (last - first)
    marks = sorted({split.start for split in splits} | {split.end for split in splits})
    days = {day_of(mark): float(mark) for mark in reversed(marks)}  # periods that meet share a day
    frame = Frame(
        _WIDE, 80 + 30 * len(splits), x=(first - edge, last + edge), y=(-0.5, len(splits) - 0.5), left=82, bottom=62
    )
    frame.x_axis([(mark, day) for day, mark in sorted(days.items())], lines=4)
    rows = [float(len(splits) - 1 - place) for place in range(len(splits))]
    frame.y_axis([(at, split.name) for at, split in zip(rows, splits, strict=True)], grid=False)
    for place, (at, split) in enumerate(zip(rows, splits, strict=True)):
        frame.bar((float(split.start), float(split.end)), (at - 0.28, at + 0.28), _SERIES[place % len(_SERIES)])
    return frame.svg("Data window")


def day_of(milliseconds: int) -> str:
    """Return the UTC day of a log-clock time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d")


def _shortened(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
