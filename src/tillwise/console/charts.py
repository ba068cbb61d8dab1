"""Small drawings as SVG numbers: every shape is computed here, the templates only print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rect:
    """A bar: its box, what it stands for, and the class that colours it."""

    x: float
    y: float
    width: float
    height: float
    label: str
    value: int
    kind: str = ""


def columns(values: Sequence[int], labels: Sequence[str], *, width: float, height: float, gap: float) -> list[Rect]:
    """Return upright bars that fill the box; the tallest has full height, a count above 0 is always visible."""
    if not values:
        return []
    step = width / len(values)
    most = max(values) or 1
    bars = []
    for index, (value, label) in enumerate(zip(values, labels, strict=True)):
        tall = max(2.0, height * value / most) if value else 0.0
        bars.append(
            Rect(round(index * step, 2), round(height - tall, 2), round(step - gap, 2), round(tall, 2), label, value)
        )
    return bars


def strip(counts: Mapping[str, int], *, width: float, height: float) -> list[Rect]:
    """Return one lying bar cut into shares, in the order given."""
    total = sum(counts.values())
    parts: list[Rect] = []
    x = 0.0
    for rank, (label, value) in enumerate(counts.items()):
        wide = width * value / total
        parts.append(Rect(round(x, 2), 0, round(wide, 2), height, label, value, f"s{rank % 5}"))
        x += wide
    return parts
