"""A batch travels the same road: one point for all rows, one receipt per row, consent rechecked at each commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from toy import Shop, ask, fraud_like, open_shop, toy

from tillwise.decisions import batch
from tillwise.decisions.decision import Degraded
from tillwise.privacy.ledger import State


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path / "shop.db", use_cases=(toy(),), busy_seconds=0.05) as shop:
        yield shop


def test_every_row_has_a_receipt_at_one_point(shop: Shop) -> None:
    """All rows of a run see the same position of the log; each has a receipt, in order."""
    amounts = [float(n) for n in range(batch.CHUNK * 2 + 3)]
    answers = list(shop.road.batch(toy(), (ask(n, subject=None) for n in amounts), "key"))
    assert [answer.receipt.facts["amount"] for answer in answers] == amounts
    assert all(answer.recorded for answer in answers)
    assert shop.count("receipts") == len(amounts)
    assert len({(answer.receipt.at, answer.receipt.mark) for answer in answers}) == 1


def test_batch_and_single_decide_the_same(shop: Shop) -> None:
    """A row of a batch is decided as a single request at the same point would be."""
    single = shop.road.decide(toy(), ask(30.0, subject=None), "key")
    (row,) = shop.road.batch(toy(), [ask(30.0, subject=None)], "key")
    assert replace(row.decision, result=None) == replace(single.decision, result=None)
    assert shop.replayer.replay(row.decision_id or "").verdict == "same"


def test_consent_that_moves_during_the_run_is_respected(shop: Shop) -> None:
    """Somebody withdraws while the run goes on: their row is decided afresh, the others stand."""
    for n in range(4):
        shop.consent(f"u-{n}")
    calls: list[int] = []

    def withdraw() -> None:
        calls.append(1)
        if len(calls) == 4:
            shop.consent("u-1", State.WITHDRAWN)

    answers = list(shop.road.batch(toy(think=withdraw), [ask(subject=f"u-{n}") for n in range(4)], "key"))
    assert [answer.decision.degraded for answer in answers] == [None, Degraded.NO_CONSENT, None, None]
    assert shop.count("receipts") == 4


def test_later_events_are_dated_after_the_run_began(shop: Shop) -> None:
    """The run's point is anchored: an event that lands while it goes on is dated at or after it."""
    run = shop.road.batch(toy(), (ask(subject=None) for _ in range(batch.CHUNK + 1)), "key")
    first = next(run)
    with shop.store.snapshot() as snapshot:
        head = snapshot.one("SELECT at FROM head")
    assert head is not None
    assert head[0] >= first.receipt.at
    shop.consent("u-9")
    assert all(answer.recorded for answer in run)


def test_rows_that_cannot_be_recorded_say_so(shop: Shop) -> None:
    """While another process holds the lock, rows are answered without a record, and say why."""
    other = sqlite3.connect(shop.path, isolation_level=None)
    run = shop.road.batch(fraud_like(), (ask(subject=None) for _ in range(batch.CHUNK + 5)), "key")
    next(run)
    other.execute("BEGIN IMMEDIATE")
    answers = list(run)
    other.execute("ROLLBACK")
    other.close()
    late = answers[-5:]
    assert {(a.recorded, a.decision.action, a.decision.degraded) for a in late} == {
        (False, "review", Degraded.STORE_UNAVAILABLE)
    }


def test_request_ids_hold_in_a_batch(shop: Shop) -> None:
    """A run repeated with the same request ids gives the stored answers."""
    rows = [ask(float(n), subject=None, request_id=f"r-{n}") for n in range(3)]
    first = [answer.body for answer in shop.road.batch(toy(), rows, "key")]
    second = [answer.body for answer in shop.road.batch(toy(), rows, "key")]
    assert first == second
    assert shop.count("receipts") == 3


def test_dry_run_of_a_batch_leaves_nothing(shop: Shop) -> None:
    """A dry run is answered row by row and leaves no receipt."""
    answers = list(shop.road.batch(toy(), [ask(subject=None, dry_run=True)] * 3, "key"))
    assert [(answer.recorded, answer.decision.action) for answer in answers] == [(False, "yes")] * 3
    assert shop.count("receipts") == 0


def test_dry_run_of_a_batch_is_a_read(shop: Shop) -> None:
    """Everybody a dry run looked at stands in one line of the access ledger; strangers do not."""
    for subject in ("u-1", "u-2"):
        shop.consent(subject)
    asked = [ask(subject=subject, dry_run=True) for subject in ("u-1", "u-2", "u-2", "u-new", None)]
    assert len(list(shop.road.batch(toy(), asked, "key"))) == 5
    with shop.store.snapshot() as snapshot:
        lines = snapshot.all("SELECT who, what, reason, people FROM access_reads")
        people = {row[0] for row in snapshot.all("SELECT subject FROM access_read_people")}
    assert lines == [("key", "decide:toy", "dry run of toy", 2)]
    assert people == {shop.pseudonym("u-1"), shop.pseudonym("u-2")}


def test_dry_run_of_a_batch_that_cannot_be_written_down_shows_nobody(shop: Shop) -> None:
    """While another process holds the lock, dry runs are answered without a look."""
    shop.consent("u-1")
    other = sqlite3.connect(shop.path, isolation_level=None)
    run = shop.road.batch(toy(), (ask(dry_run=True) for _ in range(batch.CHUNK + 1)), "key")
    assert next(run).decision.action == "yes"
    other.execute("BEGIN IMMEDIATE")
    last = list(run)[-1]
    other.execute("ROLLBACK")
    other.close()
    assert (last.decision.action, last.decision.degraded) == ("careful", Degraded.STORE_UNAVAILABLE)
    assert last.receipt.features is None
