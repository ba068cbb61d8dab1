"""A plotting frame in plain SVG: scales, ticks, lines, bands, bars, a legend. Text stays text, colours are the page's.

A report needs a handful of simple plots; a plotting library would be a fifth of the whole install (ADR 0006).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final

INK: Final = "currentColor"
LINE: Final = "var(--line)"
CHAR: Final = 6.2
"""Mean width of a character at the font size used."""
_FONT: Final = 11
_KEY: Final = 18


class Frame:
    """A box with two linear scales. Data coordinates in, SVG out; the same calls give the same bytes."""

    def __init__(
        self,
        width: int,
        height: int,
        *,
        x: tuple[float, float],
        y: tuple[float, float],
        left: int = 52,
        bottom: int = 40,
        top: int = 10,
    ) -> None:
        self._size = (width, height)
        self._box = (left, top, width - 14, height - bottom)
        self._x, self._y = x, y
        self._parts: list[str] = []
        self._keys: list[tuple[str, str]] = []

    def px(self, x: float) -> float:
        """Return the horizontal place of a value."""
        left, _, right, _ = self._box
        low, high = self._x
        return round(left + (x - low) / ((high - low) or 1.0) * (right - left), 2)

    def py(self, y: float) -> float:
        """Return the vertical place of a value."""
        _, top, _, bottom = self._box
        low, high = self._y
        return round(bottom - (y - low) / ((high - low) or 1.0) * (bottom - top), 2)

    def x_axis(self, ticks: Sequence[tuple[float, str]], label: str = "", *, grid: bool = True, lines: int = 1) -> None:
        """Draw the lower axis with its ticks. With `lines`, texts too near each other stand below one another.

        No text reaches over the edge of the drawing.
        """
        left, top, right, bottom = self._box
        ends = [0.0] * lines
        for value, text in ticks:
            at, half = self.px(value), CHAR * len(text) / 2
            middle = min(max(at, half), self._size[0] - half)
            line = next((place for place, end in enumerate(ends) if middle - half >= end), lines - 1)
            ends[line] = middle + half + CHAR
            if grid:
                self._line(at, top, at, bottom, LINE, 0.5)
            self._text(middle, bottom + 16 + 13 * line, text, "middle")
        self._line(left, bottom, right, bottom, LINE, 1)
        if label:
            self._text((left + right) / 2, bottom + 33, label, "middle")

    def y_axis(self, ticks: Sequence[tuple[float, str]], label: str = "", *, grid: bool = True) -> None:
        """Draw the left axis with its ticks."""
        left, top, right, bottom = self._box
        for value, text in ticks:
            at = self.py(value)
            if grid:
                self._line(left, at, right, at, LINE, 0.5)
            self._text(left - 7, at + 4, text, "end")
        self._line(left, top, left, bottom, LINE, 1)
        if label:
            middle = round((top + bottom) / 2, 2)
            turned = f'transform="rotate(-90 13 {middle})"'
            self._parts.append(f'<text x="13" y="{middle}" text-anchor="middle" {turned}>{escape(label)}</text>')

    def line(self, x: Sequence[float], y: Sequence[float], colour: str, width: float = 2.0, *, dash: str = "") -> None:
        """Draw a line through points."""
        points = " ".join(f"{self.px(a)},{self.py(b)}" for a, b in zip(x, y, strict=True))
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}'
            ' stroke-linejoin="round"/>'
        )

    def dots(self, x: Sequence[float], y: Sequence[float], colour: str) -> None:
        """Draw a dot on each point."""
        self._parts += [
            f'<circle cx="{self.px(a)}" cy="{self.py(b)}" r="2.6" fill="{colour}"/>' for a, b in zip(x, y, strict=True)
        ]

    def band(self, x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str) -> None:
        """Fill between two lines."""
        there = [f"{self.px(a)},{self.py(b)}" for a, b in zip(x, low, strict=True)]
        back = [f"{self.px(a)},{self.py(b)}" for a, b in zip(x, high, strict=True)]
        points = " ".join([*there, *reversed(back)])
        self._parts.append(f'<polygon points="{points}" fill="{colour}" fill-opacity="0.18"/>')

    def bar(self, x: tuple[float, float], y: tuple[float, float], colour: str) -> None:
        """Draw a filled rectangle between two values of each scale."""
        left, right = sorted((self.px(x[0]), self.px(x[1])))
        top, bottom = sorted((self.py(y[0]), self.py(y[1])))
        self._parts.append(
            f'<rect x="{left}" y="{top}" width="{round(right - left, 2)}" height="{round(bottom - top, 2)}"'
            f' rx="1.5" fill="{colour}"/>'
        )

    def key(self, colour: str, text: str) -> None:
        """Add a line to the legend, which stands below the plot."""
        self._keys.append((colour, text))

    def svg(self, title: str) -> str:
        """Return the whole drawing as one `svg` element of fluid width; `title` is what a screen reader says."""
        width, height = self._size
        x, y = float(self._box[0]), height + 8.0
        legend = []
        for colour, text in self._keys:
            wide = _KEY + 14 + CHAR * len(text)
            if x + wide > width and x > self._box[0]:
                x, y = float(self._box[0]), y + 17
            legend.append(f'<rect x="{round(x, 2)}" y="{y - 8}" width="12" height="8" rx="1.5" fill="{colour}"/>')
            legend.append(f'<text x="{round(x + _KEY, 2)}" y="{y}">{escape(text)}</text>')
            x += wide
        tall = round(y + 8 if self._keys else height, 2)
        return (
            f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {tall}"'
            f' font-size="{_FONT}" font-family="inherit" fill="{INK}">{"".join(self._parts)}{"".join(legend)}</svg>'
        )

    def _line(self, x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> None:
        self._parts.append(f'<path d="M{x1} {y1}L{x2} {y2}" stroke="{colour}" stroke-width="{width}"/>')

    def _text(self, x: float, y: float, text: str, anchor: str) -> None:
        self._parts.append(f'<text x="{round(x, 2)}" y="{round(y, 2)}" text-anchor="{anchor}">{escape(text)}</text>')


def ticks(low: float, high: float, most: int = 6) -> list[tuple[float, str]]:
    """Return round values that cover [low, high], with their texts."""
    span = (high - low) or 1.0
    step = 10 ** floor(log10(span / most))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= most)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    decimals = max(0, -floor(log10(step) + 1e-9))
    return [(place * step, f"{place * step:.{decimals}f}") for place in range(first, last + 1)]
