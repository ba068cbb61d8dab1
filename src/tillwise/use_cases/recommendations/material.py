"""What ranking learns from: everybody's actions on items, read under the training permit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from tillwise.features.snapshots import ItemSnapshot
from tillwise.jobs.learning import Material
from tillwise.models.ranking.behaviour import Behaviour
from tillwise.use_cases.recommendations.history import BOUGHT, EVENTS, KINDS, WORTH
from tillwise.vocabulary.position import Head, Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Store

PAGE: Final = 100_000
"""Rows read at once: no snapshot stays open for longer than one page."""
_SQL: Final = f"""SELECT subject, at, seq, line, type, item FROM by_subject
 WHERE (subject, at, seq, line) > (?, ?, ?, ?) AND at > ? AND at < ? AND epoch <= ? AND simulated = 0
 AND (purposes & ?) = ? AND type IN ({", ".join("?" * len(KINDS))})
 AND item IS NOT NULL ORDER BY subject, at, seq, line LIMIT {PAGE}"""


def head_of(material: Material) -> Head:
    """Return the end of the log for learning."""
    with material.store.snapshot() as snapshot:
        return material.head(snapshot)


def read_behaviour(material: Material, items: ItemSnapshot, until: int) -> Behaviour:
    """Return what everybody who may be learnt from did with items before `until`, in the log's order per person.

    Rows count when they may be read to recommend and to train, are no older than both allow, and their person may be
    learnt from; simulated rows never count. Items are places in `items`, −1 for one that is not in its catalogue.
    """
    head = head_of(material)
    permit = material.gate.training_permit(Purpose.RECOMMEND, Point.after(head, head.at))
    with material.store.snapshot() as snapshot:
        people = np.array(sorted(material.gate.trainable(snapshot, Purpose.RECOMMEND)), dtype=np.int64)
    bounds = (
        material.since(EVENTS, Purpose.RECOMMEND, head.at),
        until,
        permit.point.epoch,
        permit.mask,
        permit.mask,
        *KINDS,
    )
    pages = [np.array(page, dtype=np.int64).reshape(-1, 4) for page in _pages(material.store, bounds)]
    rows = np.concatenate(pages) if pages else np.empty((0, 4), dtype=np.int64)
    rows = rows[np.isin(rows[:, 0], people)]
    worth = np.array([WORTH[KINDS[kind]] for kind in KINDS], dtype=np.float32)
    kind = np.searchsorted(np.array(sorted(KINDS)), rows[:, 2])
    in_order = np.argsort(np.array(list(KINDS)))
    return Behaviour(
        person=rows[:, 0],
        item=_places(rows[:, 3], items),
        worth=worth[in_order][kind],
        bought=np.array([KINDS[each] == BOUGHT for each in sorted(KINDS)])[kind],
        at=rows[:, 1],
    )


def _pages(store: Store, bounds: tuple[int, ...]) -> Iterator[list[tuple[Any, ...]]]:
    place: tuple[int, ...] = (-(2**63), 0, 0, 0)
    while True:
        with store.snapshot() as snapshot:
            page = snapshot.all(_SQL, (*place, *bounds))
        if not page:
            return
        yield [(subject, at, kind, item) for subject, at, _, _, kind, item in page]
        place = page[-1][:4]


def _places(codes: np.ndarray[Any, np.dtype[np.int64]], items: ItemSnapshot) -> np.ndarray[Any, np.dtype[np.int64]]:
    if not len(items):
        return np.full(len(codes), -1, dtype=np.int64)
    found = np.minimum(np.searchsorted(items.codes, codes), len(items) - 1)
    return np.where(items.codes[found] == codes, found, -1).astype(np.int64)
