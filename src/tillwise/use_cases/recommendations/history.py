"""What a person did with items, read within the permit, and the actions a ranking makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tillwise.events.types import event_code, line_code
from tillwise.features.feature import DAY, Reading
from tillwise.models.ranking.blend import Action
from tillwise.privacy.permit import Permit
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.store import Snapshot

VIEWED: Final = "viewed"
ADDED: Final = "added"
BOUGHT: Final = "bought"
KINDS: Final[dict[int, str]] = {
    event_code("Product Viewed"): VIEWED,
    event_code("Product Added"): ADDED,
    line_code("Order Completed"): BOUGHT,
}
"""Row types of a history, and what they are called in receipts and reasons."""
EVENTS: Final = ("Product Viewed", "Product Added", "Order Completed")
"""The event types these rows belong to."""


def readings(days: int) -> tuple[Reading, ...]:
    """Return what `read_history` and the item snapshot read, for inventory and notice."""
    window = days * DAY
    return (
        Reading(
            "looked_at", "subject", "the newest products a person looked at or put into the cart",
            ("Product Viewed", "Product Added"), ("item", "at"), window,
        ),
        Reading("bought", "subject", "the newest products a person bought", ("Order Completed",), ("item", "at"),
                window, lines=True),
        Reading(
            "here", "request", "the page and the cart in front of them", categories=("user.behavior.browsing_history",)
        ),
    )  # fmt: skip


WORTH: Final = {VIEWED: 0.3, ADDED: 0.6, BOUGHT: 1.0}
"""How much an action says about what somebody wants."""
HERE: Final = {"home": 1.0, "product": 3.0, "cart": 1.5, "email": 0.0}
"""What the page or cart in front of somebody counts for, by placement, beside a purchase."""

_SQL: Final = f"""SELECT item, type, at FROM by_subject WHERE subject = ? AND at > ? AND at <= ?
 AND (at, 2 * seq) < (?, ?) AND epoch <= ? AND simulated = ? AND (purposes & ?) = ?
 AND type IN ({", ".join("?" * len(KINDS))}) AND item IS NOT NULL ORDER BY at DESC, seq DESC, line DESC LIMIT ?"""


class Done(NamedTuple):
    """One action in a receipt: item code, kind, how many later moments the person had, and age in days."""

    item: int
    kind: str
    step: int
    days: float


def read_history(snapshot: Snapshot, permit: Permit, *, days: int, limit: int, simulated: bool) -> list[Done]:
    """Return the person's newest actions, newest first; [] when the permit was refused or nobody is known."""
    person = permit.subject if permit.subject is not None else permit.anonymous
    if not permit.granted or person is None:
        return []
    point, mask = permit.point, permit.mask
    rows = snapshot.all(
        _SQL,
        (person, point.at - days * DAY, point.at, point.at, point.mark, point.epoch, int(simulated), mask, mask,
         *KINDS, limit),
    )  # fmt: skip
    return list(dated(((item, KINDS[kind], at) for item, kind, at in rows), point.at))


def dated(rows: Iterable[tuple[int, str, int]], now: int) -> Iterable[Done]:
    """Turn (item, kind, at) rows, newest first, into actions seen from `now`; rows of one moment share a step."""
    step, before = -1, None
    for item, kind, at in rows:
        if at != before:
            step, before = step + 1, at
        yield Done(item, kind, step, round((now - at) / DAY, 4))


def actions(facts: Json) -> list[Action]:
    """Return what the ranking reads: the page and cart as the newest moment, then the person's history."""
    placement = facts["placement"]
    context = [item for item in (*facts["cart"], facts["item"]) if item is not None]
    here = HERE.get(placement, 1.0)
    listed = [Action(item, here, 0, 0.0) for item in context] if here else []
    shift = 1 if listed else 0
    # The order is oldest first: that is how models read histories.
    past = [Action(item, WORTH[kind], step + shift, days) for item, kind, step, days in reversed(facts["history"])]
    return [*past, *listed]


def kinds_by_item(facts: Json) -> dict[int, str]:
    """Return what the person did with each item of the history; of several kinds the strongest."""
    kinds: dict[int, str] = {}
    for item, kind, _, _ in facts["history"]:
        if item not in kinds or WORTH[kind] > WORTH[kinds[item]]:
            kinds[item] = kind
    return kinds


def bought_within(history: Sequence[Sequence[object]], days: int) -> set[int]:
    """Return the items bought in the last `days` days."""
    return {row[0] for row in history if row[1] == BOUGHT and row[3] < days}  # type: ignore[misc, operator]
