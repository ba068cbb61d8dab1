"""Whom the nightly churn batch asks about: everybody who ordered within two years, by the shop's own id."""

from __future__ import annotations

from collections.abc import Iterator

from tillwise.decisions.decision import Request
from tillwise.events.people import user_ids
from tillwise.events.types import event_code
from tillwise.settings import Secrets
from tillwise.use_cases.churn.features import ORDER
from tillwise.use_cases.churn.learning import ACTIVE
from tillwise.vocabulary.clock import Milliseconds
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Store


def customers(
    store: Store, secrets: Secrets, now: Milliseconds, reach: Milliseconds = ACTIVE, mask: int = Purpose.MARKETING.bit
) -> list[str]:
    """Return the shop's ids of everybody to ask about at `now` (log clock), in one stable order.

    Orders older than `reach`, how far back they may be read for this, do not count, and those whose rows may not be
    read for the purposes in `mask` are not read.
    """
    with store.snapshot() as snapshot:
        rows = snapshot.all(
            "SELECT DISTINCT subject FROM facts WHERE type = ? AND line = 0 AND simulated = 0 AND at > ?"
            " AND (purposes & ?) = ?"
            " AND subject IS NOT NULL AND epoch <= (SELECT epoch FROM head)",
            (event_code(ORDER), now - min(ACTIVE, reach), mask, mask),
        )
        known = user_ids(snapshot, secrets, [row[0] for row in rows])
    return sorted(known.values())


def requests(people: list[str], horizon_days: int | None = None) -> Iterator[Request]:
    """Yield one question per person; the road asks for everybody's permit before anything is read."""
    body = {} if horizon_days is None else {"horizon_days": horizon_days}
    for person in people:
        yield Request(request_id=None, body=body, subject=person)
