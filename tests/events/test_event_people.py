"""People: a random pseudonym found by a keyed mark; links from here on; traits merged; nothing guessed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tillwise.errors import InvalidInput
from tillwise.events.ingest import read_message
from tillwise.events.keys import person_code
from tillwise.events.log import EventLog
from tillwise.events.people import find_pseudonym, linked_subject, mark_of, pseudonym_for, traits_of, user_ids
from tillwise.events.tables import TABLES
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.clock import LogClock

SECRETS = Secrets(b"a log secret that is long enough")
NOW = 1_795_253_400_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "people.db")
    store.create(TABLES)
    yield store
    store.close()


def append(store: SqliteStore, *messages: dict[str, Any]) -> None:
    log = EventLog(store, SECRETS, LogClock(wall=lambda: NOW))
    log.append([read_message(message, received=NOW) for message in messages]).result()


def test_a_person_keeps_one_pseudonym_and_nobody_has_one_before_they_are_seen(store: SqliteStore) -> None:
    with store.snapshot() as snapshot:
        assert find_pseudonym(snapshot, SECRETS, "u-1") is None
    first = store.commit(lambda t: pseudonym_for(t, SECRETS, "u-1")).result()
    assert store.commit(lambda t: pseudonym_for(t, SECRETS, "u-1")).result() == first
    with store.snapshot() as snapshot:
        assert find_pseudonym(snapshot, SECRETS, "u-1") == first
        assert find_pseudonym(snapshot, SECRETS, "u-1", anonymous=True) is None
        assert find_pseudonym(snapshot, Secrets(b"the secret of quite another shop"), "u-1") is None


def test_the_same_text_as_user_and_as_visitor_is_two_people(store: SqliteStore) -> None:
    assert mark_of(SECRETS, "x") != mark_of(SECRETS, "x", anonymous=True)
    user = store.commit(lambda t: pseudonym_for(t, SECRETS, "x")).result()
    assert store.commit(lambda t: pseudonym_for(t, SECRETS, "x", anonymous=True)).result() != user


def test_the_shop_gets_its_own_ids_back_for_a_file(store: SqliteStore) -> None:
    """The id is sealed beside the pseudonym, opened with the log's secret, and gone with the row."""
    known = store.commit(lambda t: pseudonym_for(t, SECRETS, "ünïcode-17")).result()
    with store.snapshot() as snapshot:
        assert user_ids(snapshot, SECRETS, [known, 5]) == {known: "ünïcode-17"}
        assert user_ids(snapshot, Secrets(b"the secret of quite another shop"), [known]) == {}
    store.commit(lambda t: t.run("DELETE FROM subjects")).result()
    with store.snapshot() as snapshot:
        assert user_ids(snapshot, SECRETS, [known]) == {}


def test_identify_links_from_here_on_and_merges_nothing(store: SqliteStore) -> None:
    """Earlier anonymous events stay under their own key."""
    view = {"type": "track", "event": "Product Viewed", "properties": {"product_id": "p"}}
    append(
        store,
        {**view, "anonymousId": "a"},
        {"type": "identify", "userId": "u", "anonymousId": "a"},
        {**view, "anonymousId": "a", "userId": "u"},
        {"type": "identify", "userId": "u", "anonymousId": "a"},
    )
    with store.snapshot() as snapshot:
        anonymous = find_pseudonym(snapshot, SECRETS, "a", anonymous=True)
        subject = find_pseudonym(snapshot, SECRETS, "u")
        assert anonymous is not None
        assert linked_subject(snapshot, anonymous) == subject
        assert snapshot.all("SELECT anonymous, subject, seq FROM links") == [(anonymous, subject, 2)]
        assert snapshot.all("SELECT subject FROM facts ORDER BY seq") == [
            (anonymous,),
            (subject,),
            (subject,),
            (subject,),
        ]
        assert snapshot.all("SELECT subject, anonymous FROM events WHERE seq IN (1, 3)") == [
            (None, anonymous),
            (subject, anonymous),
        ]


def test_alias_links_the_previous_id_and_a_new_owner_takes_over(store: SqliteStore) -> None:
    append(
        store,
        {"type": "alias", "previousId": "a", "userId": "u-1"},
        {"type": "alias", "previousId": "a", "userId": "u-2"},
    )
    with store.snapshot() as snapshot:
        anonymous = find_pseudonym(snapshot, SECRETS, "a", anonymous=True)
        assert anonymous is not None
        assert linked_subject(snapshot, anonymous) == find_pseudonym(snapshot, SECRETS, "u-2")
        assert snapshot.one("SELECT count(*) FROM links") == (2,)


def test_traits_are_merged_and_the_newest_wins(store: SqliteStore) -> None:
    first = {"createdAt": "2020-01-01T00:00:00Z", "country": "de", "loyalty_tier": "silver", "name": "not kept"}
    append(
        store,
        {"type": "identify", "userId": "u", "traits": first},
        {"type": "identify", "userId": "u", "traits": {"loyalty_tier": "gold", "language": "fr"}},
    )
    with store.snapshot() as snapshot:
        subject = find_pseudonym(snapshot, SECRETS, "u")
        assert subject is not None
        assert traits_of(snapshot, SECRETS, subject) == {
            "created_at": 1577836800000,
            "country": "DE",
            "loyalty_tier": "gold",
            "language": "fr",
        }


def test_a_key_that_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput) as error:
        person_code(SECRETS, "ip", "not an address")
    assert error.value.field == "ip"
    with pytest.raises(InvalidInput, match="person-like"):
        person_code(SECRETS, "shoe_size", "42")
