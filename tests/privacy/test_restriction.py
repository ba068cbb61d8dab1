"""Restriction, GDPR 18: every use on hold from the next decision, and afterwards what stood before stands again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tillwise.events.log import read_head
from tillwise.events.tables import TABLES as EVENT_TABLES
from tillwise.privacy import ledger
from tillwise.privacy.consent import current, invalidate
from tillwise.privacy.gate import Gate
from tillwise.privacy.ledger import RESTRICTABLE, Consent, DeclaredBasis, PurposeBasis, State
from tillwise.privacy.notice import make_notice
from tillwise.privacy.rule_file import load_rules
from tillwise.privacy.served import serve
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose

NOW = 1_795_000_000_000
DAY = 86_400_000
ANN = Pseudonym(11)
NOTICE = make_notice("A shop", (Purpose.RECOMMEND, Purpose.SEARCH), load_rules(), "DE", NOW)


class Shop:
    """A ledger on a real file, and what its gate says of one person."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path)
        self.store.create((*EVENT_TABLES, *ledger.TABLES))
        self.gate = Gate(wall=lambda: NOW)
        self.do(lambda t: serve(t, NOTICE, ANN, NOW))

    def do(self, work: Callable[..., Any]) -> Any:
        return self.store.commit(work).result()

    def say(self, state: State, purpose: Purpose = Purpose.RECOMMEND, at: int = NOW) -> None:
        notice = NOTICE.notice_id
        self.do(lambda t: ledger.record(t, Consent(ANN, purpose, state, place="DE", notice=notice), at))

    def restrict(self) -> None:
        self.do(lambda t: ledger.restrict(t, ANN, NOW, place="DE", source="request"))

    def lift(self, at: int = NOW) -> int:
        lifted: int = self.do(lambda t: ledger.lift(t, ANN, at, source="request"))
        return lifted

    def cause(self, purpose: Purpose = Purpose.RECOMMEND, country: str = "DE", at: int = NOW) -> str | None:
        with self.store.snapshot() as snapshot:
            point = Point.after(read_head(snapshot), at)
            permit = self.gate.permit(snapshot, purpose=purpose, subject=ANN, country=country, point=point)
        return permit.withheld[0].cause if permit.withheld else None


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path / "shop.db")
    yield shop
    shop.store.close()


def test_a_restriction_holds_every_purpose(shop: Shop) -> None:
    """Fraud prevention and places where silence is enough are no exception."""
    shop.say(State.GIVEN)
    shop.restrict()
    for purpose in RESTRICTABLE:
        for country in ("DE", "US-TX"):
            assert shop.cause(purpose, country) == "restricted"
    with shop.store.snapshot() as snapshot:
        assert {status.dpv for status in current(snapshot, ANN, NOW)} == {"ConsentStatusInvalidForProcessing"}


def test_lifting_brings_back_what_stood_before(shop: Shop) -> None:
    """A yes is a yes again, a no a no, silence silence."""
    shop.say(State.GIVEN)
    shop.say(State.WITHDRAWN, Purpose.SEARCH)
    shop.restrict()
    assert shop.lift() == len(RESTRICTABLE)
    assert shop.cause() is None
    assert shop.cause(Purpose.SEARCH) == "consent_withdrawn"
    assert shop.cause(Purpose.MARKETING) == "consent_missing"
    assert shop.cause(Purpose.SERVICE) is None
    assert shop.cause(Purpose.FRAUD_PREVENTION) is None
    assert shop.lift() == 0


def test_a_hold_makes_no_yes_younger(shop: Shop) -> None:
    """After the hold a yes runs out on the day it would have run out anyway."""
    shop.say(State.GIVEN)
    shop.restrict()
    shop.lift(NOW + 700 * DAY)
    assert shop.cause(at=NOW + 729 * DAY) is None
    assert shop.cause(at=NOW + 731 * DAY) == "consent_expired"


def test_a_no_during_the_hold_is_kept_and_ends_nothing(shop: Shop) -> None:
    """Objecting to a held use does not let another use go on; only the person's own yes does, for its purpose."""
    shop.say(State.GIVEN)
    shop.restrict()
    for purpose in (Purpose.RECOMMEND, Purpose.FRAUD_PREVENTION):
        shop.say(State.WITHDRAWN, purpose)
        assert shop.cause(purpose) == "restricted"
    shop.say(State.GIVEN, Purpose.SEARCH)
    assert shop.cause(Purpose.SEARCH) is None
    assert shop.cause(Purpose.PRICE) == "restricted"
    shop.lift()
    assert shop.cause() == "consent_withdrawn"


def test_a_notice_found_wrong_during_the_hold_does_not_come_back_with_its_end(shop: Shop) -> None:
    """What was invalidated while everything was on hold stays invalid, and stays on hold until the end."""
    shop.say(State.GIVEN)
    shop.restrict()
    assert shop.do(lambda t: invalidate(t, NOTICE.notice_id, NOW, why="it named the wrong shop")) == 1
    assert shop.cause() == "restricted"
    shop.lift()
    assert shop.cause() == "consent_invalidated"


def test_an_import_does_not_end_a_hold(shop: Shop) -> None:
    """Files declare what was said elsewhere; a restriction was said here."""
    shop.restrict()
    declared = DeclaredBasis("US", {Purpose.RECOMMEND: PurposeBasis("consent", "terms", "signed")})
    shop.do(lambda t: ledger.declare(t, [ANN], declared, source="import", now=NOW))
    assert shop.cause() == "restricted"


def test_place_and_age_known_before_outlast_a_hold(shop: Shop) -> None:
    """A fact without place or age carries those known so far."""
    shop.do(lambda t: ledger.know_age(t, ANN, 17, NOW, source="shop", place="IN"))
    shop.do(lambda t: ledger.restrict(t, ANN, NOW, place="", source="request"))
    shop.lift()
    assert shop.cause(country="US-TX") == "banned_for_minors"


def test_restricting_twice_writes_once(shop: Shop) -> None:
    """A repeated request changes nothing and answers with the same position."""
    first = shop.do(lambda t: ledger.restrict(t, ANN, NOW, place="DE", source="request"))
    assert shop.do(lambda t: ledger.restrict(t, ANN, NOW, place="DE", source="request")) == first
    with shop.store.snapshot() as snapshot:
        assert len(ledger.history(snapshot, ANN)) == len(RESTRICTABLE)


def test_a_ledger_of_an_earlier_release_gets_its_columns(tmp_path: Path) -> None:
    """What people said before an update still counts after it."""
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as old:
        old.execute(
            "CREATE TABLE consents (subject INTEGER NOT NULL, purpose TEXT NOT NULL, seq INTEGER NOT NULL,"
            " at INTEGER NOT NULL, state TEXT NOT NULL, basis TEXT NOT NULL, place TEXT NOT NULL, notice TEXT NOT NULL,"
            " evidence TEXT NOT NULL, source TEXT NOT NULL, PRIMARY KEY (subject, purpose, seq)) STRICT, WITHOUT ROWID"
        )
        row = "11, 'recommend', 0, ?, 'given', 'consent', 'DE', '', '', 'api'"
        old.execute(f"INSERT INTO consents VALUES ({row})", [NOW])
    shop = Shop(path)
    for _ in range(2):
        shop.do(ledger.upgrade)
    assert shop.cause() is None
    shop.restrict()
    assert shop.cause() == "restricted"
    shop.store.close()
