"""The latest decisions about one person in plain words: what was decided, why, and what would have changed it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tillwise.decisions import receipts
from tillwise.decisions.explanation import explanation
from tillwise.decisions.replay import Replayer
from tillwise.errors import TillwiseError
from tillwise.events.catalog import find_items
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.store import Snapshot, Store

_log = logging.getLogger("tillwise.preferences")
NEWEST: Final = 10
TOP: Final = 3
"""So many of a list are told with their reasons."""


@dataclass(frozen=True, slots=True)
class Told:
    """A thing on a list, and why it stood there."""

    title: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Would:
    """What the person could have done about an adverse decision, in words, and what it would have led to."""

    says: tuple[str, ...]
    action: str


@dataclass(frozen=True, slots=True)
class Story:
    """One decision. `personal` is False when nothing about the person was used; `review` is its case's state or ""."""

    decision_id: str
    at: Milliseconds
    use_case: str
    action: str
    purpose: str
    personal: bool
    cause: str
    reasons: tuple[str, ...]
    listed: tuple[Told, ...]
    would: Would | None
    complete: bool
    simulated: bool
    review: str


def read_stories(store: Store, replayer: Replayer, decisions: Sequence[str]) -> list[Story]:
    """Return the newest of these decisions (the oldest stands first in `decisions`), newest first."""
    found = []
    for decision_id in reversed(decisions[-NEWEST:]):
        try:
            told = explanation(replayer, decision_id)
            with store.snapshot() as snapshot:
                found.append(_story(snapshot, told))
        except TillwiseError:
            continue  # erased in this moment, or of a use case that is not installed any more
        except Exception:
            _log.exception("decision %s cannot be told to its person", decision_id)  # the others still can
    return found


def _story(snapshot: Snapshot, told: Json) -> Story:
    receipt = receipts.find(snapshot, told["decision_id"]).receipt
    permit, degraded = receipt.permit, told["degraded"]
    case = snapshot.one("SELECT state FROM reviews WHERE decision_id = ?", (receipt.decision_id,))
    return Story(
        decision_id=receipt.decision_id,
        at=receipt.wall,
        use_case=receipt.use_case,
        action=str(told["action"]),
        purpose=permit.purpose,
        personal=permit.granted and degraded not in ("no_consent", "no_history"),
        cause=permit.withheld[0].cause if permit.withheld else "",
        reasons=_texts(told["reasons"]),
        listed=_listed(snapshot, told["items"] or ()),
        would=_would(told["would_change"]),
        complete=bool(told["complete"]),
        simulated=receipt.simulated,
        review="" if case is None else str(case[0]),
    )


def _texts(reasons: Sequence[Json]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(reason["text"]) for reason in reasons))


def _listed(snapshot: Snapshot, items: Sequence[Json]) -> tuple[Told, ...]:
    top = items[:TOP]
    known = find_items(snapshot, [item["item_id"] for item in top])
    return tuple(
        Told(
            (known[item["item_id"]].title if item["item_id"] in known else None) or item["item_id"],
            _texts(item["reasons"]),
        )
        for item in top
    )


def _would(found: Json | None) -> Would | None:
    return Would(tuple(found["says"]), str(found["action"])) if found and found.get("says") else None
