"""People, grants and duties: given for a while, renewed on purpose, ended at once, and entered in the audit log."""

from __future__ import annotations

import json

import pytest

from tillwise.access.duties import holder, name_duty
from tillwise.access.grants import (
    DAY,
    MOST_DAYS,
    find_grant,
    give_grant,
    grants_of,
    list_grants,
    remember_use,
    renew_grant,
    revoke_grant,
)
from tillwise.access.person import Person, add_person, by_login, find_person, list_people, remove_person, set_disabled
from tillwise.access.signed import signed_person
from tillwise.access.staff import read_staff
from tillwise.errors import Conflict, InvalidInput, NotFound
from tillwise.stores.sqlite import SqliteStore

NOW = 1_800_000_000_000


def add(store: SqliteStore, login: str = "anna@example.org") -> Person:
    return store.commit(lambda t: add_person(t, login, "Anna Berg", NOW)).result()


def acts(store: SqliteStore) -> list[dict[str, object]]:
    with store.snapshot() as snapshot:
        rows = snapshot.all("SELECT body FROM audit_log WHERE kind = 'access' ORDER BY rowid")
    return [json.loads(row[0]) for row in rows]


def test_a_person_is_found_by_any_spelling_of_their_login(store: SqliteStore) -> None:
    """Case and white space are not part of a name."""
    anna = add(store, "  Anna@Example.ORG ")
    with store.snapshot() as snapshot:
        assert find_person(snapshot, "ANNA@example.org").person_id == anna.person_id
        assert find_person(snapshot, anna.person_id).login == "anna@example.org"
        with pytest.raises(NotFound):
            find_person(snapshot, "anna")
    with pytest.raises(Conflict):
        add(store, "anna@EXAMPLE.org")


@pytest.mark.parametrize("login", ["", " ", "a b", "a@b@c", "x" * 300, "a\nb", "<b>", "a'--", "a;b"])
def test_a_login_that_is_none_is_refused(store: SqliteStore, login: str) -> None:
    """What cannot be a login is said so, and nobody is added."""
    with pytest.raises(InvalidInput):
        add(store, login)
    with store.snapshot() as snapshot:
        assert list_people(snapshot) == []


def test_a_grant_ends_by_itself_and_is_denied_from_that_millisecond_on(store: SqliteStore) -> None:
    """Expired means denied: what counts is asked at the moment of use, nothing is remembered."""
    anna = add(store)
    grant = store.commit(lambda t: give_grant(t, anna, "reviewer", NOW, days=1)).result()
    with store.snapshot() as snapshot:
        assert signed_person(snapshot, anna, grant.expires - 1).roles == ("reviewer",)
        assert signed_person(snapshot, anna, grant.expires).roles == ()


def test_renewing_is_an_act_of_its_own(store: SqliteStore) -> None:
    """Using a grant never makes it longer; a renewal counts from now, and a revoked grant is not renewed."""
    anna = add(store)
    grant = store.commit(lambda t: give_grant(t, anna, "reviewer", NOW)).result()
    assert grant.expires == NOW + 90 * DAY
    remember_use(store, grant, NOW + DAY)
    store.commit(lambda _: None).result()
    with store.snapshot() as snapshot:
        used = find_grant(snapshot, grant.grant_id)
    assert (used.last_used, used.expires) == (NOW + DAY, grant.expires)
    later = NOW + 100 * DAY
    renewed = store.commit(lambda t: renew_grant(t, grant.grant_id, later, days=30)).result()
    assert (renewed.expires, renewed.renewed) == (later + 30 * DAY, later)
    store.commit(lambda t: revoke_grant(t, grant.grant_id, later)).result()
    with pytest.raises(NotFound, match="revoked"):
        store.commit(lambda t: renew_grant(t, grant.grant_id, later)).result()
    with pytest.raises(NotFound, match="already"):
        store.commit(lambda t: revoke_grant(t, grant.grant_id, later)).result()


@pytest.mark.parametrize("days", [0, -1, MOST_DAYS + 1])
def test_no_grant_lasts_longer_than_a_year(store: SqliteStore, days: int) -> None:
    """The longest grant is a year, the shortest a day; a renewal is bound by the same."""
    anna = add(store)
    with pytest.raises(InvalidInput, match="365"):
        store.commit(lambda t: give_grant(t, anna, "reviewer", NOW, days=days)).result()
    grant = store.commit(lambda t: give_grant(t, anna, "reviewer", NOW, days=MOST_DAYS)).result()
    with pytest.raises(InvalidInput):
        store.commit(lambda t: renew_grant(t, grant.grant_id, NOW, days=days)).result()


def test_a_role_is_held_once_and_must_exist(store: SqliteStore) -> None:
    """A second grant of the same role would outlive the revocation of the first."""
    anna = add(store)
    store.commit(lambda t: give_grant(t, anna, "reviewer", NOW)).result()
    with pytest.raises(InvalidInput, match="renew"):
        store.commit(lambda t: give_grant(t, anna, "reviewer", NOW)).result()
    with pytest.raises(InvalidInput, match="owner"):
        store.commit(lambda t: give_grant(t, anna, "owner", NOW)).result()


def test_a_role_that_left_the_table_counts_nothing(store: SqliteStore) -> None:
    """A row in the store cannot give what the table does not know."""
    anna = add(store)
    store.commit(lambda t: give_grant(t, anna, "reviewer", NOW)).result()
    store.commit(lambda t: t.run("UPDATE grants SET role = 'superuser'")).result()
    with store.snapshot() as snapshot:
        assert signed_person(snapshot, anna, NOW).roles == ()


def test_unused_grants_are_told_apart(store: SqliteStore) -> None:
    """A month without use, counted from when it was given or last used, makes a grant unused; an ended one is not."""
    anna = add(store)
    grant = store.commit(lambda t: give_grant(t, anna, "reviewer", NOW)).result()
    assert not grant.unused(NOW + 29 * DAY)
    assert grant.unused(NOW + 30 * DAY)
    remember_use(store, grant, NOW + 30 * DAY)
    store.commit(lambda _: None).result()
    with store.snapshot() as snapshot:
        used = list_grants(snapshot)[0]
    assert not used.unused(NOW + 59 * DAY)
    assert used.unused(NOW + 60 * DAY)
    assert not used.unused(NOW + 91 * DAY)


def test_a_duty_has_one_holder_and_a_disabled_person_holds_none(store: SqliteStore) -> None:
    """Naming somebody ends the duty of whoever had it."""
    anna, ben = add(store), add(store, "ben")
    store.commit(lambda t: name_duty(t, "dpo", anna, NOW)).result()
    store.commit(lambda t: name_duty(t, "dpo", ben, NOW + 1)).result()
    with store.snapshot() as snapshot:
        assert holder(snapshot, "dpo") == ben
        assert holder(snapshot, "head_of_firm") is None
    store.commit(lambda t: set_disabled(t, ben, NOW, disabled=True)).result()
    with store.snapshot() as snapshot:
        assert holder(snapshot, "dpo") is None
        disabled = find_person(snapshot, "ben")
    with pytest.raises(InvalidInput, match="disabled"):
        store.commit(lambda t: name_duty(t, "dpo", disabled, NOW)).result()
    with pytest.raises(InvalidInput, match="chief"):
        store.commit(lambda t: name_duty(t, "chief", anna, NOW)).result()
    store.commit(lambda t: name_duty(t, "dpo", None, NOW)).result()


def test_removing_somebody_leaves_no_name(store: SqliteStore) -> None:
    """Name and login go, grants and duties end; the id stays in the log and names nobody."""
    anna = add(store)
    store.commit(lambda t: give_grant(t, anna, "dpo", NOW)).result()
    store.commit(lambda t: name_duty(t, "dpo", anna, NOW)).result()
    store.commit(lambda t: remove_person(t, anna, NOW + 1)).result()
    with store.snapshot() as snapshot:
        assert by_login(snapshot, "anna@example.org") is None
        assert read_staff(snapshot) == []
        assert [grant.revoked for grant in grants_of(snapshot, anna.person_id)] == [NOW + 1]
        assert holder(snapshot, "dpo") is None
    assert "anna" not in json.dumps(acts(store)).lower()


def test_every_act_enters_the_audit_log_without_a_name(store: SqliteStore) -> None:
    """Who was given what, by ids alone: the log outlives people."""
    anna = add(store)
    grant = store.commit(lambda t: give_grant(t, anna, "reviewer", NOW)).result()
    store.commit(lambda t: renew_grant(t, grant.grant_id, NOW)).result()
    store.commit(lambda t: revoke_grant(t, grant.grant_id, NOW)).result()
    store.commit(lambda t: name_duty(t, "dpo", anna, NOW)).result()
    store.commit(lambda t: set_disabled(t, anna, NOW, disabled=True)).result()
    said = acts(store)
    assert [act["act"] for act in said] == [
        "person added", "grant given", "grant renewed", "grant revoked", "duty named", "person disabled",
    ]  # fmt: skip
    assert {act["person"] for act in said} == {anna.person_id}
