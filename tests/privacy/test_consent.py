"""Consent as the ledger holds it: a yes needs its served notice, runs out, can be found invalid; rules are kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tillwise.errors import InvalidInput, NotFound
from tillwise.events.tables import TABLES as EVENT_TABLES
from tillwise.privacy import ledger
from tillwise.privacy.consent import Choice, Said, current, invalidate, say
from tillwise.privacy.ledger import DeclaredBasis, PurposeBasis, State
from tillwise.privacy.notice import Notice, make_notice
from tillwise.privacy.revisions import keep_revision, read_revision
from tillwise.privacy.rule_file import load_rules
from tillwise.privacy.served import serve, served, text_of
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.canonical import digest
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose

NOW = 1_795_000_000_000  # 2026-11-18
DAY = 86_400_000
ANN, BEN, EVE = Pseudonym(11), Pseudonym(12), Pseudonym(13)
NOTICE = make_notice("A shop", (Purpose.RECOMMEND, Purpose.TRAIN), load_rules(), "DE", NOW)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "shop.db")
    store.create((*EVENT_TABLES, *ledger.TABLES))
    yield store
    store.close()


def show(store: SqliteStore, person: Pseudonym, notice: Notice = NOTICE) -> None:
    store.commit(lambda t: serve(t, notice, person, NOW)).result()


def tell(store: SqliteStore, person: Pseudonym, state: State, notice_id: str = NOTICE.notice_id) -> Said:
    choice = Choice(Purpose.RECOMMEND, state, notice_id, place="DE")
    return store.commit(lambda t: say(t, person, choice, NOW)).result()


def dpv(store: SqliteStore, person: Pseudonym, at: int = NOW) -> list[str]:
    with store.snapshot() as snapshot:
        return [status.dpv for status in current(snapshot, person, at)]


def test_a_served_notice_can_be_proved(store: SqliteStore) -> None:
    """Id, hash, person and time are on record, and the text still hashes to what was recorded."""
    show(store, ANN)
    with store.snapshot() as snapshot:
        shown = served(snapshot, ANN, NOTICE.notice_id)
        assert shown is not None
        assert (shown.sha256, shown.at) == (NOTICE.sha256, NOW)
        assert served(snapshot, BEN, NOTICE.notice_id) is None
        text = text_of(snapshot, NOTICE.notice_id)
        assert text is not None
        assert digest(text.encode()) == NOTICE.sha256


def test_a_yes_needs_its_own_notice_and_a_no_needs_nothing(store: SqliteStore) -> None:
    """Nobody's withdrawal waits for a notice."""
    with pytest.raises(NotFound, match="never served"):
        tell(store, ANN, State.GIVEN)
    assert tell(store, ANN, State.WITHDRAWN).sha256 == ""
    show(store, ANN)
    assert tell(store, ANN, State.GIVEN).sha256 == NOTICE.sha256
    with pytest.raises(InvalidInput, match="nothing a person says"):
        tell(store, ANN, State.DECLARED)


def test_states_in_the_words_of_the_vocabulary(store: SqliteStore) -> None:
    """Given, renewed, expired, refused, withdrawn: what counts follows from the newest word and its age."""
    show(store, ANN)
    assert tell(store, ANN, State.GIVEN).dpv == "ConsentGiven"
    assert tell(store, ANN, State.GIVEN).dpv == "RenewedConsentGiven"
    assert (dpv(store, ANN), dpv(store, ANN, NOW + 731 * DAY)) == (["ConsentGiven"], ["ConsentExpired"])
    tell(store, ANN, State.REFUSED)
    assert dpv(store, ANN, NOW + 731 * DAY) == ["ConsentRefused"]
    basis = DeclaredBasis("DE", {Purpose.RECOMMEND: PurposeBasis("consent", "terms-1", "signed")})
    store.commit(lambda t: ledger.declare(t, [BEN], basis, source="import", now=NOW)).result()
    assert dpv(store, BEN) == ["ConsentGiven"]
    assert dpv(store, EVE) == []


def test_a_wrong_notice_takes_every_yes_with_it(store: SqliteStore) -> None:
    """Everybody whose newest word is a yes on that notice; whoever took it back already is left alone."""
    for person in (ANN, BEN):
        show(store, person)
        tell(store, person, State.GIVEN)
    tell(store, BEN, State.WITHDRAWN)
    assert store.commit(lambda t: invalidate(t, NOTICE.notice_id, NOW, why="it named the wrong shop")).result() == 1
    assert (dpv(store, ANN), dpv(store, BEN)) == (["ConsentInvalidated"], ["ConsentWithdrawn"])
    with store.snapshot() as snapshot:
        assert ledger.history(snapshot, ANN)[-1]["evidence"] == "it named the wrong shop"


def test_old_rules_can_still_be_read(store: SqliteStore) -> None:
    """A receipt names the revision of its rules; the shop keeps what that was."""
    before, after = load_rules(), load_rules(preset="global-strict")
    for rules in (before, after, before):
        store.commit(lambda t, rules=rules: keep_revision(t, rules, NOW)).result()
    with store.snapshot() as snapshot:
        rows, preset = read_revision(snapshot, before.revision)
        assert (len(rows), preset) == (len(before.rules), None)
        assert read_revision(snapshot, after.revision)[1]["name"] == "global-strict"
        with pytest.raises(NotFound):
            read_revision(snapshot, "sha256:" + "0" * 64)
