"""Plots of a model card as inline SVG: text stays text, colours follow the page, the same card gives the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final

from tillwise.releases.card import Bars, Curve, Importance, Split

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK: Final = "#010203"
"""Drawn as the page's own text colour, light or dark."""
_FAINT: Final = "#040506"
"""Drawn as the page's own line colour."""
_SERIES: Final = ("#2f7ed8", "#e08a1e", "#2ba084", "#c2559d", "#8d7ae0", "#a09a2a")
"""The model first; told apart by the colour-blind and on both light and dark pages."""
_STYLE: Final = {
    "svg.hashsalt": "tillwise",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _FAINT,
    "grid.linewidth": 0.5,
    "grid.alpha": 0.6,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "text.color": _INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def curve_plot(curves: Sequence[Curve], title: str) -> str:
    """Return one plot of curves of one kind, the model's first; `title` is what a screen reader says."""

    def draw(axes: Axes) -> None:
        for place, curve in enumerate(curves):
            colour = _SERIES[place % len(_SERIES)]
            axes.plot(
                curve.x, curve.y, color=colour, label=curve.label, zorder=3 - 0.1 * place,
                linewidth=2.2 if place == 0 else 1.4, marker="o" if curve.size else None, markersize=3.5,
            )  # fmt: skip
            if curve.low and place == 0:
                axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
        _FRAMES[curves[0].kind](axes, curves)
        axes.legend(loc="best")

    return _drawn(draw, title, 4.9, 3.7)


def bar_plot(bars: Bars) -> str:
    """Return grouped bars with their intervals: groups along the axis, one colour per label."""
    groups = list(dict.fromkeys(bar.group for bar in bars.bars))
    labels = list(dict.fromkeys(bar.label for bar in bars.bars))
    width = 0.8 / max(len(labels), 1)

    def draw(axes: Axes) -> None:
        for place, label in enumerate(labels):
            mine = [bar for bar in bars.bars if bar.label == label]
            x = [groups.index(bar.group) + (place - (len(labels) - 1) / 2) * width for bar in mine]
            axes.bar(x, [bar.value for bar in mine], width * 0.9, color=_SERIES[place % len(_SERIES)], label=label)
            for at, bar in zip(x, mine, strict=True):
                if bar.low is not None and bar.high is not None:
                    axes.plot([at, at], [bar.low, bar.high], color=_INK, linewidth=1)
        axes.set_xticks(range(len(groups)), groups)
        axes.set_ylabel(bars.unit)
        axes.grid(visible=False, axis="x")
        if len(labels) > 1:
            axes.legend(loc="upper center", ncols=min(len(labels), 3), bbox_to_anchor=(0.5, -0.1))

    return _drawn(draw, bars.title, 4.9, 3.7)


def importance_plot(importances: Sequence[Importance], most: int = 20) -> str:
    """Return horizontal bars of the strongest columns, in per cent of all movement."""
    strongest = sorted(importances, key=lambda one: (-one.share, one.column))[:most]
    shown = [one for one in strongest if one.share > 0] or strongest[:1]

    def draw(axes: Axes) -> None:
        places = range(len(shown) - 1, -1, -1)
        axes.barh(places, [100 * one.share for one in shown], 0.7, color=_SERIES[0])
        axes.set_yticks(places, [_shortened(one.meaning or one.column) for one in shown])
        axes.set_xlabel("share of all movement of the score, %")
        axes.grid(visible=False, axis="y")

    return _drawn(draw, "What moves the score", 10.0, 0.9 + 0.27 * len(shown))


def timeline_plot(splits: Sequence[Split]) -> str:
    """Return the data window: which days taught, which chose, which judged."""

    def draw(axes: Axes) -> None:
        for place, split in enumerate(splits):
            colour, row = _SERIES[place % len(_SERIES)], len(splits) - 1 - place
            axes.barh(row, split.end - split.start, 0.55, left=split.start, color=colour)
        first, last = min(split.start for split in splits), max(split.end for split in splits)
        axes.set_xlim(first - 0.01 * (last - first), last + 0.01 * (last - first))
        marks = sorted({split.start for split in splits} | {split.end for split in splits})
        far_apart = [mark for i, mark in enumerate(marks) if i == 0 or mark - marks[i - 1] > 0.08 * (last - first)]
        axes.set_xticks(far_apart, [day_of(mark) for mark in far_apart])
        axes.set_yticks(range(len(splits) - 1, -1, -1), [split.name for split in splits])
        axes.grid(visible=False, axis="y")

    return _drawn(draw, "Data window", 10.0, 0.6 + 0.34 * len(splits))


def day_of(milliseconds: int) -> str:
    """Return the UTC day of a log-clock time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d")


def _calibration_frame(axes: Axes, curves: Sequence[Curve]) -> None:
    top = 1.05 * max(max((*curve.x, *curve.y, *curve.high)) for curve in curves)
    axes.plot([0, top], [0, top], color=_INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="predicted probability", ylabel="observed rate")


def _gain_frame(axes: Axes, _curves: Sequence[Curve]) -> None:
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="share looked at, highest scores first", ylabel="share found")


def _precision_recall_frame(axes: Axes, _curves: Sequence[Curve]) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")


_FRAMES: Final = {
    "calibration": _calibration_frame,
    "gain": _gain_frame,
    "precision_recall": _precision_recall_frame,
}


def _drawn(draw: Any, title: str, width: float, height: float) -> str:
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only reports should pay
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.subplots())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), title)


def _inline(svg: str, title: str) -> str:
    """Return the bare `svg` element: no prolog, no metadata, no ids of groups, fluid width, the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'(<svg [^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", svg, count=1))
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
    svg = svg.replace("'sans-serif'", "inherit").replace("sans-serif", "inherit")
    return svg.replace(_INK, "currentColor").replace(_FAINT, "var(--line)")


def _shortened(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
