"""From exact contributions to reasons in plain words: what moved this score most, which way, and how much of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tillwise.explanations.phrases import Phrase
from tillwise.models.model import Model
from tillwise.models.score import Contribution


class Said(NamedTuple):
    """A reason: code, text, and its signed share of all movement; below 0 it lowered the score."""

    code: str
    text: str
    weight: float


class Direction(NamedTuple):
    """What is added to a reason that raised or lowered the score, such as " (lowers the risk)"."""

    raises: str = ""
    lowers: str = " (speaks against it)"


def contributions_of(model: Model, values: Sequence[float | None]) -> tuple[Contribution, ...]:
    """Return one exact contribution per column of the model, in log-odds, for a row of values (None = unknown).

    Together with what holds for everyone (the last value of `model.contributions`) they sum to the score's log-odds
    before calibration, which is an increasing map and keeps every sign and share.
    """
    row = np.array([[math.nan if value is None else value for value in values]], dtype=np.float32)
    weights = model.contributions(row)[0, :-1].tolist()
    return tuple(
        Contribution(column, value, weight)
        for column, value, weight in zip(model.columns, values, weights, strict=True)
    )


def reasons(
    contributions: Sequence[Contribution],
    phrases: Mapping[str, Phrase],
    *,
    top: int | None = 3,
    currency: str = "",
    direction: Direction | None = None,
) -> tuple[Said, ...]:
    """Return the strongest reasons, `top` of them or all (None), strongest first; the order of equals is by code.

    Columns of one group count as one reason with the sum of their weights. A weight is a share: over all groups the
    absolute weights sum to 1. A column without a phrase is named as it is: silence would hide what decided.
    """
    words = direction or Direction()
    groups: dict[str, list[Contribution]] = {}
    for contribution in contributions:
        phrase = phrases.get(contribution.column)
        groups.setdefault((phrase and phrase.group) or contribution.column, []).append(contribution)
    weights = {code: math.fsum(part.weight for part in parts) for code, parts in groups.items()}
    moved = math.fsum(abs(weight) for weight in weights.values())
    known = {contribution.column: contribution.value for contribution in contributions}
    codes = sorted((code for code in weights if weights[code]), key=lambda code: (-abs(weights[code]), code))
    return tuple(
        Said(
            code,
            _told(groups[code], phrases, known, currency) + (words.raises if weights[code] > 0 else words.lowers),
            round(weights[code] / moved, 4),
        )
        for code in codes[:top]
    )


def _told(
    parts: Sequence[Contribution], phrases: Mapping[str, Phrase], known: Mapping[str, float | None], currency: str
) -> str:
    strongest = max(parts, key=lambda part: abs(part.weight))
    phrase = phrases.get(strongest.column) or Phrase(f"{strongest.column} is {{value}}", "number")
    text = phrase.tell(strongest.value, known, currency)
    return text[:1].upper() + text[1:]
