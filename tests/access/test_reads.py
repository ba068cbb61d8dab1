"""The access ledger: every read is a line, people are found both ways, and an erasure leaves the count alone."""

from __future__ import annotations

import pytest

from tillwise.access.reads import LONGEST_REASON, log_read, people_of, reads_about, reads_by
from tillwise.rights.holders_access import Reads
from tillwise.rights.person import Person
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.clock import wall_now
from tillwise.vocabulary.identity import Pseudonym

EVER = 1 << 62


def person(key: int, *decisions: str) -> Person:
    return Person(Pseudonym(key), (Pseudonym(key),), ("u",), (), (), (), decisions)


def read(store: SqliteStore, who: str, *subjects: int, reason: str = "audit", decision_id: str | None = None) -> int:
    return store.commit(
        lambda t: log_read(t, who=who, what="page", reason=reason, subjects=subjects, decision_id=decision_id)
    ).result()


def test_a_read_is_found_by_who_looked_and_by_who_was_seen(store: SqliteStore) -> None:
    """Both questions of a breach have one answer each: what this key saw, and who saw this person."""
    read(store, "k-1", 7, 8, 7)
    read(store, "k-2", 8)
    with store.snapshot() as snapshot:
        mine = reads_by(snapshot, "k-1", 0, EVER)
        assert [(line.people, line.what, line.reason) for line in mine] == [(2, "page", "audit")]
        assert people_of(snapshot, "k-1", 0, EVER) == {7, 8}
        assert [line.who for line in reads_about(snapshot, 8)] == ["k-1", "k-2"]
        assert reads_by(snapshot, "k-1", 0, mine[0].wall) == []
        assert reads_by(snapshot, "k-1", mine[0].wall, wall_now() + 1) == mine


def test_a_reason_is_bounded(store: SqliteStore) -> None:
    """A caller cannot fill the disk with reasons."""
    read(store, "k-1", 7, reason="x" * 10_000)
    with store.snapshot() as snapshot:
        assert len(reads_about(snapshot, 7)[0].reason) == LONGEST_REASON


def test_a_read_that_fails_leaves_no_line(store: SqliteStore) -> None:
    """The line belongs to its transaction: both happen or neither."""

    def work(transaction: object) -> None:
        log_read(transaction, who="k-1", what="page", reason="audit", subjects=(7,))  # type: ignore[arg-type]
        raise ValueError("the page could not be made")

    with pytest.raises(ValueError, match="page"):
        store.commit(work).result()
    with store.snapshot() as snapshot:
        assert reads_about(snapshot, 7) == []


def test_the_person_learns_when_and_why_but_not_who(store: SqliteStore) -> None:
    """Their copy names time, place and reason of each look; the employee's identity stays out of it."""
    read(store, "p-secret", 7, reason="fraud_review", decision_id="d-1")
    with store.snapshot() as snapshot:
        rows = list(Reads().export(snapshot, person(7, "d-1")))
    assert [(row["what"], row["reason"]) for row in rows] == [("page", "fraud_review")]
    assert "p-secret" not in str(rows)


def test_an_erasure_takes_the_person_out_and_leaves_the_count(store: SqliteStore) -> None:
    """Pseudonym, decision id and free text go; that somebody looked at two people stays."""
    read(store, "k-1", 7, 8, reason="asked by anna@example.org", decision_id="d-1")
    read(store, "k-1", reason="list", decision_id="d-2")
    holder = Reads()
    with store.snapshot() as snapshot:
        assert holder.find(snapshot, person(7, "d-2")) == {"access_read_people": 1, "access_reads": 1}
    store.commit(lambda t: holder.erase(t, person(7, "d-2"))).result()
    with store.snapshot() as snapshot:
        assert holder.find(snapshot, person(7, "d-2")) == {}
        assert people_of(snapshot, "k-1", 0, EVER) == {8}
        lines = reads_by(snapshot, "k-1", 0, EVER)
    assert [(line.people, line.decision_id, line.reason) for line in lines] == [(2, None, ""), (0, None, "")]
