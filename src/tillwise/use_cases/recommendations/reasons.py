"""Why an item is on the list, in plain words, from the exact parts of its score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tillwise.decisions.decision import Explain, Reason
from tillwise.features.snapshots import ItemSnapshot
from tillwise.models.score import Part
from tillwise.use_cases.recommendations.history import ADDED, BOUGHT, VIEWED

CODES: Final = {
    "knn": "bought_together", "rp3": "bought_together", "ease": "bought_together", "follow": "comes_next",
    "als": "fits_history", "own": "bought_before", "content": "same_category",
}  # fmt: skip
"""Part of the blend → code of its reason; popularity keeps its own name."""
_SAYS: Final = {"bought_together": "Often chosen together with", "comes_next": "Often chosen after"}
STRONGEST: Final = 2
_PLACED: Final = {
    "pinned": Reason("pinned", "Chosen by the shop", 1.0),
    "explored": Reason("explored", "Shown to find out who likes it", 1.0),
}
_POPULAR: Final = {1: "Popular today", 7: "Popular this week", 30: "Popular this month"}
_DID: Final = {VIEWED: "which you looked at", ADDED: "which you put in your cart once", BOUGHT: "which you bought"}


def reasons_of(
    parts: Sequence[Part],
    how: str,
    items: ItemSnapshot,
    place: int,
    kinds: dict[int, str],
    explain: Explain,
) -> tuple[Reason, ...]:
    """Return the reasons of one item: how it was placed, then the strongest parts with their share.

    `kinds` says what the person did with an item (code); an item that is not in it stands on the page or in the cart.
    """
    placed = (_PLACED[how],) if how in _PLACED else ()
    if explain is Explain.NONE:
        return placed
    voices = _voices(parts, items)
    spoke = sum(voice.amount for voice in voices if voice.amount > 0)
    ranked = sorted((voice for voice in voices if voice.amount > 0), key=lambda voice: (-voice.amount, voice.code))
    shown = ranked if explain is Explain.FULL else ranked[:STRONGEST]
    reasons = [Reason(v.code, _text(v, items, place, kinds), round(v.amount / spoke, 4)) for v in shown]
    return (*placed, *reasons)


@dataclass(slots=True)
class _Voice:
    """Parts that say the same thing: their sum, and the past item (code) that speaks for the largest of them."""

    code: str
    amount: float = 0.0
    source: int | None = None
    strongest: float = 0.0


def _voices(parts: Sequence[Part], items: ItemSnapshot) -> list[_Voice]:
    voices: dict[str, _Voice] = {}
    for name, source, amount in parts:
        code = CODES.get(name, name)
        voice = voices.get(code)
        if voice is None:
            voice = voices[code] = _Voice(code)
        voice.amount += amount
        if amount > voice.strongest and source is not None and source in items.places:
            voice.source, voice.strongest = source, amount
    return list(voices.values())


def _text(voice: _Voice, items: ItemSnapshot, place: int, kinds: dict[int, str]) -> str:
    if voice.code.startswith("popular_"):
        return _POPULAR.get(int(voice.code.removeprefix("popular_").removesuffix("d")), "Popular now")
    if voice.code == "bought_before":
        return "You chose this before"
    if voice.code == "same_category":
        category = items.categories[place]
        return f"Like other things you chose from {category}" if category else "Like other things you chose"
    if voice.source is None:
        return "Fits what you chose before"
    source, kind = items.places[voice.source], kinds.get(voice.source)
    title, said = items.titles[source] or items.item_ids[source], _SAYS.get(voice.code, "Fits")
    if kind is None:  # it stands on the page or in the cart
        return f"{said} {title}"
    told = f"{title}, {_DID[kind]}"
    return f"{said} {told}" if len(kinds) == 1 else f"{said} things you chose, above all {told}"
