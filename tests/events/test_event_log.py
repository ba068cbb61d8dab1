"""The log: exactly once, in one order, all or nothing, and no personal text in the file."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.events.event import Dropped, Event, Intake, Quarantined
from tillwise.events.facts import FACT_COLUMNS, PERSON_KEYS, STREAM_COLUMNS, Fact
from tillwise.events.ingest import read_message
from tillwise.events.keys import order_code, person_code
from tillwise.events.log import Appended, EventLog, allocate, read_head
from tillwise.events.people import find_pseudonym
from tillwise.events.tables import TABLES
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.store import Store, Transaction

SECRETS = Secrets(b"a log secret that is long enough")
NOW = 1_795_253_400_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "log.db")
    store.create(TABLES)
    yield store
    store.close()


def log_of(store: Store, now: int = NOW, **rest: Any) -> EventLog:
    return EventLog(store, SECRETS, LogClock(wall=lambda: now), **rest)


def read(event: str, message_id: str | None, properties: dict[str, Any], **rest: Any) -> Intake:
    message = {"type": "track", "event": event, "messageId": message_id, "userId": "u-17", "properties": properties}
    return read_message({**message, **rest}, received=NOW)


def view(number: int, **rest: Any) -> Intake:
    return read("Product Viewed", f"m-{number}", {"product_id": f"p-{number}", "position": number}, **rest)


def order(number: int) -> Intake:
    products = [{"product_id": "p-1", "price": 2, "quantity": 1}, {"product_id": "p-2", "price": 3, "quantity": 2}]
    return read("Order Completed", f"o-{number}", {"order_id": f"order-{number}", "products": products})


def payment(number: int) -> Intake:
    properties = {"order_id": f"order-{number}", "amount": 8, "card_hash": "card-secret", "email": "ann@example.com",
                  "merchant_id": "m-1", "billing_country": "DE", "shipping_country": "PL"}  # fmt: skip
    context = {"ip": "192.0.2.9", "device": {"id": "device-secret"}}
    return read("Payment Attempted", f"pay-{number}", properties, context=context)


def test_an_append_says_what_became_of_each_message(store: SqliteStore) -> None:
    """Accepted, duplicate, quarantined and dropped add up to what came in."""
    log = log_of(store)
    bad = read("Product Viewed", "bad", {})
    assert isinstance(bad, Quarantined)
    result = log.append([view(1), view(2), view(1), bad, Dropped(counter="group")]).result()
    assert result == Appended(accepted=2, duplicate=1, quarantined=1, dropped=1, first_seq=1, at=NOW)
    assert log.append([view(2), view(3)]).result() == Appended(1, 1, 0, 0, 3, NOW)


def test_a_message_without_an_id_is_always_new(store: SqliteStore) -> None:
    log = log_of(store)
    message = read("Product Viewed", None, {"product_id": "p"})
    assert log.append([message, message]).result().accepted == 2


def test_positions_have_no_gaps_and_time_never_runs_back(store: SqliteStore) -> None:
    """A clock that jumps back stands still in the log until it has caught up."""
    log_of(store, NOW).append([view(1)]).result()
    late = log_of(store, NOW - 3_600_000).append([view(2), view(3)]).result()
    assert (late.first_seq, late.at) == (2, NOW)
    assert log_of(store, NOW + 5).append([view(4)]).result().at == NOW + 5
    with store.snapshot() as snapshot:
        head = read_head(snapshot)
        rows = snapshot.all("SELECT seq, at FROM events ORDER BY seq")
    assert (head.seq, head.at) == (4, NOW + 5)
    assert [seq for seq, _ in rows] == [1, 2, 3, 4]
    assert [at for _, at in rows] == sorted(at for _, at in rows)


def test_allocating_positions_moves_the_head_in_the_same_transaction(store: SqliteStore) -> None:
    assert store.commit(lambda t: allocate(t, 3, NOW)).result() == (1, NOW)
    assert store.commit(lambda t: allocate(t, 1, NOW - 9)).result() == (4, NOW)

    def fail(transaction: Transaction) -> None:
        allocate(transaction, 7, NOW)
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        store.commit(fail).result()
    with store.snapshot() as snapshot:
        assert read_head(snapshot).seq == 4


def test_every_keyed_table_holds_exactly_the_facts_of_its_key(store: SqliteStore) -> None:
    """`by_<key>` are copies: the same rows, none missing, none extra; the stream has no person in it."""
    log_of(store).append([view(1), order(1), payment(1), order(2)]).result()
    names = ", ".join(FACT_COLUMNS)
    stream = ", ".join(STREAM_COLUMNS)
    with store.snapshot() as snapshot:
        for key in PERSON_KEYS:
            facts = snapshot.all(f"SELECT {names} FROM facts WHERE {key} IS NOT NULL ORDER BY seq, line")
            assert snapshot.all(f"SELECT {names} FROM by_{key} ORDER BY seq, line") == facts
        for key in ("item", "merchant", "shop"):
            facts = snapshot.all(f"SELECT {stream} FROM facts WHERE {key} IS NOT NULL ORDER BY seq, line")
            assert snapshot.all(f"SELECT {stream} FROM by_{key} ORDER BY seq, line") == facts
        assert snapshot.one("SELECT count(*) FROM facts") == (1 + 3 + 1 + 3,)
        lines = snapshot.all("SELECT device, card, ip, address, email FROM facts WHERE line > 0")
        assert set(lines) == {(None,) * 5}


def test_a_fact_is_found_by_the_code_of_its_text(store: SqliteStore) -> None:
    """Whoever knows the secret finds the rows of a card, an e-mail or an order, however it was written."""
    log_of(store).append([payment(1), order(1)]).result()
    with store.snapshot() as snapshot:
        subject = find_pseudonym(snapshot, SECRETS, "u-17")
        for key, text in (("card", "card-secret"), ("email", "ANN@example.com"), ("ip", "::ffff:192.0.2.9")):
            code = person_code(SECRETS, key, text)
            assert snapshot.all(f"SELECT subject, amount, flag FROM by_{key} WHERE {key} = ?", (code,)) == [
                (subject, 800, 1)]  # fmt: skip
        code = order_code(SECRETS, "order-1")
        assert snapshot.one("SELECT count(*) FROM facts WHERE order_ref = ?", (code,)) == (4,)
        assert person_code(Secrets(b"another secret, of another shop."), "card", "card-secret") != person_code(
            SECRETS, "card", "card-secret")  # fmt: skip


def test_no_personal_text_reaches_the_file(store: SqliteStore, tmp_path: Path) -> None:
    """User ids, cards, devices, addresses and message ids are keyed or sealed: their bytes are nowhere."""
    identify = read_message(
        {"type": "identify", "userId": "user-needle", "anonymousId": "anon-needle", "messageId": "message-needle",
         "traits": {"email": "needle@example.com", "name": "Needle", "loyalty_tier": "gold"}}, received=NOW,
    )  # fmt: skip
    bad = read(
        "Payment Attempted", "message-needle-2", {"card_hash": "card-needle", "amount": -1}, userId="user-needle"
    )
    log_of(store).append([identify, payment(1), bad]).result()
    store.close()
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for needle in (b"needle", b"Needle", b"card-secret", b"device-secret", b"192.0.2.9", b"ann@example", b"u-17"):
        assert needle not in content
    assert b"gold" in content


def test_hooks_see_the_facts_inside_the_transaction_and_can_undo_it(store: SqliteStore) -> None:
    """A tile writer stands in the event's own transaction: both are there or neither is."""
    seen: list[Fact] = []

    def keep(transaction: Transaction, facts: Sequence[Fact]) -> None:
        assert transaction.one("SELECT count(*) FROM facts") == (len(facts),)
        seen.extend(facts)

    log_of(store, on_append=[keep]).append([order(1)]).result()
    assert [(fact.seq, fact.line, fact.amount) for fact in seen] == [(1, 0, 800), (1, 1, 200), (1, 2, 600)]

    def refuse(transaction: Transaction, facts: Sequence[Fact]) -> None:
        raise RuntimeError("no tile today")

    with pytest.raises(RuntimeError, match="no tile today"):
        log_of(store, on_append=[refuse]).append([order(2)]).result()
    assert log_of(store).append([order(2)]).result() == Appended(1, 0, 0, 0, 2, NOW)


def test_simulated_events_are_marked_on_every_row(store: SqliteStore) -> None:
    log_of(store).append([view(1, context={"source": "simulated"}), view(2)]).result()
    with store.snapshot() as snapshot:
        assert snapshot.all("SELECT simulated FROM facts ORDER BY seq") == [(1,), (0,)]
        assert snapshot.all("SELECT simulated FROM by_shop ORDER BY seq") == [(1,), (0,)]


def test_stock_and_prices_have_no_person(store: SqliteStore) -> None:
    """A server library always sends a user id; for events about things it is not looked at."""
    log_of(store).append([read("Inventory Changed", "s", {"product_id": "p", "quantity": -2})]).result()
    with store.snapshot() as snapshot:
        assert snapshot.all("SELECT subject, quantity FROM facts") == [(None, -2)]
        assert snapshot.one("SELECT count(*) FROM subjects") == (0,)


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_however_often_and_in_whatever_order_messages_come_each_is_there_once(data: st.DataObject) -> None:
    """Duplicates within and between batches, reordered deliveries, weird ids: one row per message id."""
    ids = data.draw(st.lists(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20),
                             min_size=1, max_size=12, unique=True))  # fmt: skip
    deliveries = ids * data.draw(st.integers(1, 3))
    random.Random(data.draw(st.integers(0, 99))).shuffle(deliveries)
    cut = data.draw(st.integers(1, len(deliveries)))
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "log.db")
        store.create(TABLES)
        log = log_of(store)
        for start in range(0, len(deliveries), cut):
            batch = [read("Products Searched", each, {"query": each}) for each in deliveries[start : start + cut]]
            assert all(isinstance(each, Event) for each in batch)
            log.append(batch).result()
        with store.snapshot() as snapshot:
            bodies = snapshot.all("SELECT body FROM events ORDER BY seq")
            facts = snapshot.one("SELECT count(*) FROM facts")
        store.close()
    assert len(bodies) == len(set(bodies)) == len(ids)
    assert facts == (len(ids),)
