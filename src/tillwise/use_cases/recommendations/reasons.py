"""Why an item is on the list, in plain words, from the exact parts of its score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tillwise.decisions.decision import Explain, Reason
from tillwise.features.snapshots import ItemSnapshot
from tillwise.models.ranking.blend import Part
from tillwise.use_cases.recommendations.history import ADDED, BOUGHT, VIEWED
from tillwise.vocabulary.codes import code_of

MARK: Final = "<"
"""Stands between a part's name and the item it came from: `knn<sku-1`."""
TOGETHER: Final = frozenset({"knn", "rp3", "ease"})
STRONGEST: Final = 2
_PLACED: Final = {
    "pinned": Reason("pinned", "Chosen by the shop", 1.0),
    "explored": Reason("explored", "Shown to find out who likes it", 1.0),
}
_POPULAR: Final = {1: "Popular today", 7: "Popular this week", 30: "Popular this month"}
_DID: Final = {VIEWED: "which you looked at", ADDED: "which you put in your cart once", BOUGHT: "which you bought"}


def label_of(part: Part, items: ItemSnapshot) -> str:
    """Return a part's name in a score: with the item it came from, when there is one."""
    place = None if part.source is None else items.places.get(part.source)
    return part.name if place is None else f"{part.name}{MARK}{items.item_ids[place]}"


def reasons_of(
    parts: Sequence[tuple[str, float]],
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
    found: dict[tuple[str, str], float] = {}
    for label, amount in parts:
        key = _words(label, items, place, kinds)
        found[key] = found.get(key, 0.0) + amount
    spoke = sum(amount for amount in found.values() if amount > 0)
    ranked = sorted(((amount, *key) for key, amount in found.items() if amount > 0), reverse=True)
    shown = ranked if explain is Explain.FULL else ranked[:STRONGEST]
    return (*placed, *(Reason(code, text, round(amount / spoke, 4)) for amount, code, text in shown))


def _words(label: str, items: ItemSnapshot, place: int, kinds: dict[int, str]) -> tuple[str, str]:
    name, _, source = label.partition(MARK)
    if source:
        return _from_item(name, source, items, kinds)
    if name == "own":
        return "bought_before", "You chose this before"
    if name == "content":
        category = items.categories[place]
        return (
            "same_category",
            f"Like other things you chose from {category}" if category else "Like other things you chose",
        )
    if name.startswith("popular_"):
        return name, _POPULAR.get(int(name.removeprefix("popular_").removesuffix("d")), "Popular now")
    return "fits_history", "Fits what you chose before"


def _from_item(name: str, source: str, items: ItemSnapshot, kinds: dict[int, str]) -> tuple[str, str]:
    code = code_of(source)
    title = items.titles[items.places[code]] or source
    kind = kinds.get(code)
    if name in TOGETHER:
        after = "" if kind is None else f", {_DID[kind]}"
        return "bought_together", f"Often chosen together with {title}{after}"
    if name == "follow":
        return "comes_next", f"Often chosen after {title}"
    after = "this page or your cart" if kind is None else f"{title}, {_DID[kind]}"
    return "fits_item", f"Fits {after}"
