"""Everything that leads to one person: their keys, the positions of their events, their orders and their decisions.

A subject's own anonymous ids belong to them: those linked to this subject and to nobody else. A device that several
people shared stays apart: on access only what carries the subject's own key is theirs, and an erasure also takes what
was done there without signing in.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from tillwise.errors import NotFound
from tillwise.events.lookup import rows_in
from tillwise.events.people import find_pseudonym, user_ids
from tillwise.settings import Secrets
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Snapshot

TOLD_LATER: Final = frozenset(
    {"Order Updated", "Order Refunded", "Order Cancelled", "Chargeback Received", "Shipment Delivered"}
)
"""What a back office tells of an order, by its number: the anonymous id such a message carries is that of a desk."""
_OF_ORDERS: Final = (
    "SELECT e.seq, e.order_ref, e.subject, e.anonymous, e.type FROM facts f JOIN events e ON e.seq = f.seq"
    " WHERE f.line = 0 AND f.order_ref IN"
)


@dataclass(frozen=True, slots=True)
class Person:
    """One person as the stores know them: `first` is who was asked about, `shared` are ids other people used too.

    `ids` are the shop's own ids of `keys`, in the same order. `seqs` are positions of their events, `orders` codes of
    their orders, `decisions` ids of the receipts about them. `marks` are the keyed marks of their ids, `texts` codes
    of texts their events used: what an erasure still needs of them once the rows are gone.
    """

    first: Pseudonym
    keys: tuple[Pseudonym, ...]
    ids: tuple[str, ...]
    shared: tuple[Pseudonym, ...]
    seqs: tuple[int, ...]
    orders: tuple[int, ...]
    decisions: tuple[str, ...]
    marks: tuple[bytes, ...] = ()
    texts: tuple[int, ...] = ()


def find_person(snapshot: Snapshot, secrets: Secrets, user_id: str, *, anonymous: bool = False) -> Person:
    """Return a person by the shop's user id, or by an anonymous id; raise NotFound when nobody by it is known."""
    first = find_pseudonym(snapshot, secrets, user_id, anonymous=anonymous)
    if first is None:
        raise NotFound("nobody with this id is known here")
    own, shared = ((first,), ()) if anonymous else _anonymous_ids(snapshot, first)
    keys = tuple(sorted({first, *own}))
    texts = user_ids(snapshot, secrets, keys)
    seqs, orders = _events(snapshot, keys)
    return Person(
        first=first,
        keys=keys,
        ids=tuple(texts[key] for key in keys if key in texts),
        shared=shared,
        seqs=tuple(sorted(seqs)),
        orders=tuple(sorted(orders)),
        decisions=decisions_of(snapshot, keys, orders),
        marks=tuple(row[0] for row in rows_in(snapshot, "SELECT mark FROM subjects WHERE pseudonym IN", keys)),
    )


def person_of(snapshot: Snapshot, key: Pseudonym) -> Person:
    """Return one key's own rows, without the ids linked to it and without the id itself."""
    seqs, orders = _events(snapshot, (key,))
    marks = snapshot.all("SELECT mark FROM subjects WHERE pseudonym = ?", (key,))
    return Person(
        key, (key,), (), (), tuple(sorted(seqs)), tuple(sorted(orders)), decisions_of(snapshot, (key,), orders),
        tuple(row[0] for row in marks),
    )  # fmt: skip


def with_shared(snapshot: Snapshot, person: Person) -> Person:
    """Return the person with what was done on shared devices without signing in: nobody can tell whose it was.

    For an erasure. It is not handed over on access, where it could be somebody else's.
    """
    seqs, orders = _events(snapshot, person.shared)
    decisions = decisions_of(snapshot, person.shared, orders)
    return replace(
        person,
        seqs=tuple(sorted({*person.seqs, *seqs})),
        orders=tuple(sorted({*person.orders, *orders})),
        decisions=(*person.decisions, *(each for each in decisions if each not in person.decisions)),
    )


def _anonymous_ids(snapshot: Snapshot, subject: Pseudonym) -> tuple[tuple[Pseudonym, ...], tuple[Pseudonym, ...]]:
    linked = [row[0] for row in snapshot.all("SELECT DISTINCT anonymous FROM links WHERE subject = ?", (subject,))]
    others = {
        row[0]
        for row in rows_in(snapshot, "SELECT anonymous, subject FROM links WHERE anonymous IN", linked)
        if row[1] != subject
    }
    own = tuple(Pseudonym(key) for key in linked if key not in others)
    return own, tuple(Pseudonym(key) for key in linked if key in others)


def _events(snapshot: Snapshot, keys: Collection[int]) -> tuple[set[int], set[int]]:
    """Return positions and orders: what carries one of the keys, and what belongs to an order of theirs."""
    seqs = {row[0] for row in rows_in(snapshot, "SELECT seq FROM by_subject WHERE subject IN", keys)}
    orders: set[int] = set()
    for seq, order in rows_in(snapshot, "SELECT seq, order_ref FROM events WHERE subject IN", keys):
        seqs.add(seq)
        if order is not None:
            orders.add(order)
    for seq, order, subject in rows_in(snapshot, "SELECT seq, order_ref, subject FROM events WHERE anonymous IN", keys):
        if subject is None:
            seqs.add(seq)
            if order is not None:
                orders.add(order)
    orders |= _asked_about(snapshot, keys)
    for seq, _, subject, anonymous, kind in rows_in(snapshot, _OF_ORDERS, orders):
        who = anonymous if subject is None else subject
        if who is None or who in keys or (subject is None and kind in TOLD_LATER):
            seqs.add(seq)
    return seqs, orders


def _asked_about(snapshot: Snapshot, keys: Collection[int]) -> set[int]:
    """Return the orders of decisions about them: the log may hold no event of such an order that names them.

    An order that carries somebody else's key as well is left out: whose the rest of it is, nobody can tell.
    """
    orders: set[int] = set()
    for column in ("subject", "anonymous"):
        sql = f"SELECT order_ref, subject FROM receipts WHERE order_ref IS NOT NULL AND {column} IN"
        orders |= {order for order, subject in rows_in(snapshot, sql, keys) if subject is None or subject in keys}
    named = rows_in(snapshot, "SELECT order_ref, subject FROM receipts WHERE order_ref IN", orders)
    named += [(row[1], row[2]) for row in rows_in(snapshot, _OF_ORDERS, orders)]
    return orders - {order for order, subject in named if subject is not None and subject not in keys}


def decisions_of(snapshot: Snapshot, keys: Collection[int], orders: Collection[int] = ()) -> tuple[str, ...]:
    """Return the decisions about them, the oldest first."""
    found: dict[str, int] = {}
    for column, values in (("subject", keys), ("anonymous", keys), ("order_ref", orders)):
        sql = f"SELECT decision_id, seq, subject FROM receipts WHERE {column} IN"
        found.update((row[0], row[1]) for row in rows_in(snapshot, sql, values) if row[2] is None or row[2] in keys)
    return tuple(sorted(found, key=lambda decision_id: found[decision_id]))
