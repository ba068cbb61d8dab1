"""Writing events at given positions: the one place that fills `events`, `facts`, the keyed copies and the stream.

Both the live log and imports come through here, inside their own transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from tillwise.events.catalog import set_price, set_stock
from tillwise.events.event import Event, Line
from tillwise.events.facts import FACT_COLUMNS, HOT_KEYS, PERSON_KEYS, STREAM_COLUMNS, Fact
from tillwise.events.keys import ORDER
from tillwise.events.people import Person, link, pseudonyms_for, set_traits
from tillwise.events.types import EVENT_TYPES
from tillwise.settings import Secrets
from tillwise.vocabulary.codes import keyed_code
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.store import Transaction


def _copy(key: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    only = "" if key == "shop" else f" AND {key} IS NOT NULL"
    return f"INSERT INTO by_{key} ({names}) SELECT {names} FROM facts WHERE seq BETWEEN ? AND ?{only}"


_INSERT_EVENT: Final = (
    "INSERT INTO events (seq, at, epoch, ts, type, subject, anonymous, order_ref, purposes, simulated, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_COPIES: Final = {
    **{key: _copy(key, FACT_COLUMNS) for key in PERSON_KEYS},
    **{key: _copy(key, STREAM_COLUMNS) for key in HOT_KEYS},
}
_SUBJECT: Final = FACT_COLUMNS.index("subject")
_INDEX: Final = {key: FACT_COLUMNS.index(key) for key in (*PERSON_KEYS, "item", "merchant")}
_FROM_CATEGORY: Final = Line._fields.index("category")
_PEOPLE: Final = PERSON_KEYS[1:]
_encode: Final = msgspec.json.Encoder().encode
_new: Final = tuple.__new__
People = dict[Person, Pseudonym]


def record(
    transaction: Transaction,
    secrets: Secrets,
    events: Sequence[Event],
    *,
    first_seq: int,
    at: Sequence[int] | int,
    epoch: int,
) -> list[Fact]:
    """Write events at `first_seq`, `first_seq` + 1, … and return their facts in that order.

    `at` is one log time for all, or one per event. The caller owns the order of positions, duplicates and the head.
    """
    if not events:
        return []
    times = [at] * len(events) if isinstance(at, int) else at
    people = pseudonyms_for(transaction, secrets, _people(events))
    rows: list[tuple[Any, ...]] = []
    facts: list[Fact] = []
    for seq, (event, when) in enumerate(zip(events, times, strict=True), first_seq):
        subject, anonymous = _who(event, people)
        order = None if event.order_id is None else keyed_code(secrets.log, ORDER, event.order_id)
        rows.append(
            (seq, when, epoch, event.ts, event.type, subject, anonymous, order, event.purposes, event.simulated,
             _encode(event.body).decode())
        )  # fmt: skip
        key = anonymous if subject is None else subject
        facts.extend(_facts(event, secrets, (epoch, when, seq), key, order))
    transaction.run_many(_INSERT_EVENT, rows)
    _insert_facts(transaction, facts, first_seq, first_seq + len(events) - 1)
    _keep_current(transaction, secrets, events, people, first_seq)
    return facts


def _people(events: Sequence[Event]) -> set[Person]:
    people: set[Person] = set()
    for event in events:
        if EVENT_TYPES[event.type].person:
            if event.user_id is not None:
                people.add((event.user_id, False))
            if event.anonymous_id is not None:
                people.add((event.anonymous_id, True))
            if event.previous_id is not None:
                people.add((event.previous_id, True))
    return people


def _who(event: Event, people: People) -> tuple[Pseudonym | None, Pseudonym | None]:
    subject = None if event.user_id is None else people.get((event.user_id, False))
    anonymous = None if event.anonymous_id is None else people.get((event.anonymous_id, True))
    return subject, anonymous


def _facts(
    event: Event, secrets: Secrets, position: tuple[int, int, int], subject: int | None, order: int | None
) -> list[Fact]:
    """Return an event's rows; person-like keys but the subject stand on line 0 only."""
    texts = event.people
    if texts:
        keys = [None if (text := texts.get(key)) is None else keyed_code(secrets.log, key, text) for key in _PEOPLE]
    else:
        keys = _NOBODY
    made = []
    purposes, simulated = event.purposes, int(event.simulated)
    for line in event.lines:
        made.append(
            _new(
                Fact,
                (*position, line[0], line[1], purposes, simulated, subject, *keys, line[2], line[3], 0, order,
                 *line[_FROM_CATEGORY:]),
            )
        )  # fmt: skip
        keys = _NOBODY
    return made


_NOBODY: Final[list[int | None]] = [None] * len(_PEOPLE)


def _insert_facts(transaction: Transaction, facts: list[Fact], first: int, last: int) -> None:
    """Insert the facts, then let the store copy them into the tables of the keys that occur: no second binding.

    Columns that no fact fills are left out: Python's sqlite3 binds a None five times as slowly as a number, and most
    columns of most facts are empty.
    """
    if not facts:
        return
    n = len(facts)
    columns = list(zip(*facts, strict=True))
    filled = tuple(index for index, column in enumerate(columns) if column.count(None) < n)
    transaction.run_many(_insert_sql(filled), zip(*(columns[index] for index in filled), strict=True))
    for key, index in _INDEX.items():
        if index in filled:
            transaction.run(_COPIES[key], (first, last))
    transaction.run(_COPIES["shop"], (first, last))


@lru_cache(maxsize=256)
def _insert_sql(filled: tuple[int, ...]) -> str:
    names = ", ".join(FACT_COLUMNS[index] for index in filled)
    return f"INSERT INTO facts ({names}) VALUES ({', '.join('?' * len(filled))})"


def _keep_current(
    transaction: Transaction, secrets: Secrets, events: Sequence[Event], people: People, first_seq: int
) -> None:
    """Keep links, traits, stock and prices at what these events say."""
    for seq, event in enumerate(events, first_seq):
        if event.type == "Identify":
            subject, anonymous = _who(event, people)
            known = anonymous if subject is None else subject
            if subject is not None and anonymous is not None:
                link(transaction, anonymous, subject, seq)
            if event.body and known is not None:
                set_traits(transaction, known, event.body, secrets)
        elif event.type == "Alias" and event.previous_id is not None and event.user_id is not None:
            link(transaction, people[event.previous_id, True], people[event.user_id, False], seq)
        elif event.type == "Inventory Changed":
            set_stock(transaction, event.body["product_id"], event.body["quantity"], seq)
        elif event.type == "Price Changed":
            set_price(transaction, event.body["product_id"], event.body["price"], seq)
