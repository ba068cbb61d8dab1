"""The noun of this room: an event that keeps its declaration, or the reason why it does not."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class Line(NamedTuple):
    """What one row of facts says besides position, permission and people: line 0 is the event, others its products."""

    line: int
    type: int
    item: int | None = None
    merchant: int | None = None
    shop: int = 0
    order_ref: int | None = None
    category: int | None = None
    brand: int | None = None
    kind: int | None = None
    method: int | None = None
    billing_country: int | None = None
    shipping_country: int | None = None
    place: int | None = None
    amount: int | None = None
    quantity: int | None = None
    discount: int | None = None
    flag: int | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A valid event, not yet in the log.

    `ts` is when it happened by its sender, in Unix milliseconds, corrected for clock skew; it is payload, the log
    orders by its own clock. `people` holds the texts of person-like keys (device, card, ip, address, email) and
    `order_id` the order: the log stores keyed codes of them. `body` holds the declared properties as JSON values.
    `purposes` is the mask of what the rows may be read for. `flags` names what is kept but looks wrong. `texts` are
    the public texts behind the codes in `lines`. `previous_id` belongs to Alias. `withheld` counts what its sender's
    key may not say.
    """

    type: str
    ts: int
    message_id: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    order_id: str | None = None
    people: dict[str, str] = {}
    body: dict[str, Any] = {}
    lines: tuple[Line, ...] = ()
    texts: tuple[str, ...] = ()
    purposes: int = 0
    simulated: bool = False
    undeclared: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    withheld: int = 0


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A message that breaks its declaration: why, where, and the harmless properties that parsed.

    `source` and `line` say where an imported row stood. A raw body is never kept.
    """

    reason: str
    field: str = ""
    type: str | None = None
    message_id: str | None = None
    parsed: dict[str, Any] = {}
    source: str | None = None
    line: int | None = None


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is accepted and counted but not stored: a `group` or `screen` call, or an unknown event."""

    counter: str


Intake = Event | Quarantined | Dropped
