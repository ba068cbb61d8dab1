"""Ids and traits are sealed under a key per person, and the key opens nothing without the shop's secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tillwise.errors import InvalidInput
from tillwise.events import seal
from tillwise.events.people import pseudonym_for, set_traits, traits_of, user_ids
from tillwise.events.tables import TABLES
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore

SECRETS = Secrets(b"a secret of at least 32 bytes ....")
OTHER = Secrets(b"the secret of quite another shop")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "log.db")
    store.create(TABLES)
    yield store
    store.close()


def test_a_key_is_bound_to_its_person_and_its_shop() -> None:
    """Moved to another person, opened by another shop, or changed by a bit: nothing opens."""
    key = seal.new_key()
    wrapped = seal.wrap(SECRETS, 17, key)
    assert seal.unwrap(SECRETS, 17, wrapped) == key
    assert seal.unwrap(SECRETS, 18, wrapped) is None
    assert seal.unwrap(OTHER, 17, wrapped) is None
    assert seal.unwrap(SECRETS, 17, wrapped[:-1] + bytes([wrapped[-1] ^ 1])) is None


def test_equal_texts_are_sealed_differently() -> None:
    """Nobody sees from sealed texts who has the same."""
    key = seal.new_key()
    first, second = seal.close(key, b"silver"), seal.close(key, b"silver")
    assert first != second
    assert seal.open_sealed(key, first) == seal.open_sealed(key, second) == b"silver"
    assert seal.open_sealed(seal.new_key(), first) is None


def test_everybody_has_a_key_and_without_it_nothing_opens(store: SqliteStore) -> None:
    """Destroying the key is enough for id and traits; country stays what the gate reads."""
    people = [store.commit(lambda t, n=n: pseudonym_for(t, SECRETS, f"u-{n}")).result() for n in range(3)]
    traits = {"country": "DE", "loyalty_tier": "a tier of one"}
    store.commit(lambda t: set_traits(t, people[0], traits, SECRETS)).result()
    with store.snapshot() as snapshot:
        assert len({row[0] for row in snapshot.all("SELECT wrapped FROM subject_keys")}) == 3
        assert user_ids(snapshot, SECRETS, people) == {person: f"u-{n}" for n, person in enumerate(people)}
        assert traits_of(snapshot, SECRETS, people[0]) == traits
        row = snapshot.one("SELECT body FROM traits")
    assert row is not None
    assert "tier" not in row[0]
    store.commit(lambda t: t.run("DELETE FROM subject_keys WHERE pseudonym = ?", (people[0],))).result()
    with store.snapshot() as snapshot:
        assert set(user_ids(snapshot, SECRETS, people)) == set(people[1:])
        assert traits_of(snapshot, SECRETS, people[0]) == {"country": "DE"}


def test_without_the_secret_only_the_country_can_be_set(store: SqliteStore) -> None:
    """Traits would otherwise be written in the open."""
    person = store.commit(lambda t: pseudonym_for(t, SECRETS, "u-1")).result()
    store.commit(lambda t: set_traits(t, person, {"country": "FR"})).result()
    with pytest.raises(InvalidInput, match="loyalty_tier"):
        store.commit(lambda t: set_traits(t, person, {"loyalty_tier": "gold"})).result()


def test_traits_an_older_version_kept_open_are_read_and_sealed_with_the_next(store: SqliteStore) -> None:
    """Opening an older shop loses nothing."""
    person = store.commit(lambda t: pseudonym_for(t, SECRETS, "u-1")).result()
    old = 'INSERT INTO traits (subject, body) VALUES (?, \'{"language":"de"}\')'
    store.commit(lambda t: t.run(old, (person,))).result()
    store.commit(lambda t: set_traits(t, person, {"loyalty_tier": "gold"}, SECRETS)).result()
    with store.snapshot() as snapshot:
        assert traits_of(snapshot, SECRETS, person) == {"language": "de", "loyalty_tier": "gold"}
        row = snapshot.one("SELECT body FROM traits")
    assert row is not None
    assert not row[0].startswith("{")
