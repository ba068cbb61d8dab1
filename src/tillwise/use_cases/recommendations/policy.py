"""What a shop may decide about its lists; every value has a default that suits a shop that never looked."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0)]


class RecommendationPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules around the ranking.

    History: the newest `max_history` actions of the last `history_days` are read.

    Hidden, always: inactive items, items without stock (unless the caller asks for them), items in `excluded`, items
    in the cart, the item whose page it is, items with a known margin (price − cost) / price below `margin_floor`, and
    what the person bought in the last `rest_days`, unless its category is one of `consumables`.

    Shown first: `pinned` items, in this order, as far as they are not hidden.

    Caps: at most `max_per_category` and `max_per_brand` of a list (0 = no cap), as long as other items are left.

    `diversity` 0 … 1 weighs how unlike the items above it an item should be. `explore_rate` is the chance that a
    position of `explore_positions` shows a less certain item (never by e-mail); `new_days` says for how long an item
    counts as new and takes part in that.
    """

    max_history: Annotated[int, Meta(ge=1, le=2000)] = 400
    history_days: Annotated[int, Meta(ge=1, le=3650)] = 365
    margin_floor: Annotated[float, Meta(le=1.0)] | None = None
    rest_days: Count = 1
    consumables: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    max_per_category: Count = 8
    max_per_brand: Count = 0
    diversity: Share = 0.1
    explore_rate: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.1
    explore_positions: tuple[Annotated[int, Meta(ge=1, le=100)], ...] = (5, 10, 15, 20)
    new_days: Count = 30
