"""Keys: default deny, shown once, expiring, and dead within a second of being revoked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tillwise.access.key import ROLES, SCOPES, Key
from tillwise.access.keys import DAY, Keys, create_key, create_keys, list_keys, revoke_key
from tillwise.errors import InvalidInput, NotFound
from tillwise.stores.sqlite import SqliteStore

NOW = 1_800_000_000_000


def test_a_new_shop_has_one_key_per_role_and_each_finds_itself(store: SqliteStore) -> None:
    texts = create_keys(store)

    assert list(texts) == ["browser", "server", "decide", "privacy", "admin"]
    keys = Keys(store)
    for role, text in texts.items():
        assert text.startswith(f"tw_{role}_")
        found = keys.find(text)
        assert found is not None
        assert found.role == role


def test_the_text_of_a_key_is_nowhere_in_the_file(store: SqliteStore, tmp_path: Path) -> None:
    _, text = create_key(store, "admin")
    store.close()

    secret = text.removeprefix("tw_admin_").encode()
    assert all(secret not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "tw_admin_", "tw_admin_AAAA", "x" * 100_000, "\x00", "ключ", "\udcff"])
def test_anything_else_is_nobody(store: SqliteStore, text: str) -> None:
    create_keys(store)

    assert Keys(store).find(text) is None


def test_a_key_stops_at_its_expiry_by_the_wall_clock(store: SqliteStore) -> None:
    now = NOW
    _, text = create_key(store, "decide", days=1, now=NOW)
    keys = Keys(store, wall=lambda: now)

    now = NOW + DAY - 1
    assert keys.find(text) is not None
    now = NOW + DAY
    assert keys.find(text) is None


def test_a_revoked_key_stops_within_a_second_in_every_process(store: SqliteStore) -> None:
    ticks = 0.0
    key, text = create_key(store, "server")
    elsewhere = Keys(store, monotonic=lambda: ticks)
    assert elsewhere.find(text) is not None

    revoke_key(store, key.key_id)
    ticks = 1.0

    assert elsewhere.find(text) is None
    assert elsewhere.get(key.key_id) is None
    with pytest.raises(NotFound, match="no key"):
        revoke_key(store, key.key_id)


def test_a_new_key_works_at_once_in_a_process_that_has_just_looked(store: SqliteStore) -> None:
    """Whoever prints a key uses it: a process asks the store again before it refuses what it does not know."""
    ticks = 0.0
    elsewhere = Keys(store, monotonic=lambda: ticks)
    assert elsewhere.find("tw_server_nobody") is None
    text = create_key(store, "server")[1]
    ticks = 0.06
    assert elsewhere.find(text) is not None


def test_known_keys_stay_good_while_the_store_is_away(store: SqliteStore) -> None:
    ticks = 0.0
    _, text = create_key(store, "decide")
    keys = Keys(store, monotonic=lambda: ticks)
    assert keys.find(text) is not None

    store.close()
    ticks = 5.0

    assert keys.find(text) is not None


def test_the_last_use_is_written_down(store: SqliteStore) -> None:
    _, text = create_key(store, "server", now=NOW)
    Keys(store, wall=lambda: NOW + 5).find(text)
    store.commit(lambda _: None).result()  # the queue is in order: what was asked before is on disk

    assert [key.last_used for key in list_keys(store)] == [NOW + 5]


@pytest.mark.parametrize(
    ("granted", "asked", "allowed"),
    [
        ("ingest", "ingest:behaviour", True),
        ("ingest:behaviour", "ingest", False),
        ("decide", "decide:fraud", True),
        ("decide:fraud", "decide:churn", False),
        ("decide:fraud", "decide", False),
        ("outcomes", "outcomes", True),
        ("admin", "anything:at-all", True),
        ("read:decisions", "read", False),
        ("review", "reviews", False),
    ],
)
def test_a_scope_holds_what_is_below_it_and_nothing_else(granted: str, asked: str, allowed: bool) -> None:
    assert Key("k", "server", frozenset({granted}), 0, 1).allows(asked) is allowed


def test_only_admin_may_do_everything() -> None:
    for role, scopes in ROLES.items():
        key = Key("k", role, frozenset(scopes), 0, 1)
        assert all(key.allows(scope) for scope in SCOPES) is (role == "admin")


def test_a_key_may_be_narrower_than_its_role_but_not_imaginary(store: SqliteStore) -> None:
    _, text = create_key(store, "decide", scopes=["decide:fraud"])
    key = Keys(store).find(text)
    assert key is not None
    assert key.allows("decide:fraud")
    assert not key.allows("decide:churn")

    for arguments in ({"role": "root"}, {"role": "decide", "scopes": ["everything"]}, {"role": "decide", "scopes": []}):
        with pytest.raises(InvalidInput):
            create_key(store, **arguments)


@pytest.mark.parametrize(("role", "scope"), [
    ("browser", "admin"), ("browser", "ingest"), ("server", "decide"), ("decide", "consent"), ("decide", "ingest"),
    ("privacy", "read:decisions"), ("privacy", "decide:fraud"),
])  # fmt: skip
def test_a_scope_can_only_narrow_what_the_role_may_do(store: SqliteStore, role: str, scope: str) -> None:
    """A key for the browser is never an admin key by an option; the refusal says what the role may do."""
    with pytest.raises(InvalidInput, match=f"more than the role {role} may do, which is {ROLES[role][0]}"):
        create_key(store, role, scopes=[ROLES[role][0], scope])
    assert list_keys(store) == []


@pytest.mark.parametrize(("role", "scope"), [
    ("decide", "decide:fraud"), ("decide", "decide:gift_wrap"), ("decide", "outcomes"), ("server", "ingest:behaviour"),
    ("privacy", "consent"), ("admin", "consent"), ("admin", "decide:gift_wrap"),
])  # fmt: skip
def test_a_scope_of_the_role_or_below_one_is_given(store: SqliteStore, role: str, scope: str) -> None:
    """One of the role's own scopes, one below it, or one of the shop's own use cases where the role decides."""
    key, _ = create_key(store, role, scopes=[scope], own=["gift_wrap"])
    assert key.scopes == {scope}
    assert key.beyond == ()


def test_a_key_that_can_do_more_than_its_role_is_named() -> None:
    """Only somebody who wrote the table makes one: `doctor` names what it may do besides."""
    assert Key("k", "browser", frozenset({"ingest:behaviour", "admin"}), 0, 1).beyond == ("admin",)
    assert Key("k", "king", frozenset({"ingest"}), 0, 1).beyond == ("ingest",)
