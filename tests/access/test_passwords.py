"""Passwords and signing in: nothing guessable, nothing told apart, tries counted before they are made."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tillwise.access import sign_in as signing
from tillwise.access.passwords import (
    check_password,
    hash_password,
    matches,
    new_link,
    person_of_link,
    set_password,
)
from tillwise.access.person import Person, add_person, by_id, set_disabled
from tillwise.access.sign_in import WINDOW_MS, SignIn, TooManyTries, Wrong, network_of
from tillwise.errors import InvalidInput, NotFound
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore

NOW = 1_800_000_000_000
GOOD = "lamp otter velvet 7 canoe"
NAME_TRIES, ADDRESS_TRIES = 4, 6
SECRETS = Secrets(b"k" * 32)
pytestmark = pytest.mark.usefixtures("quick")


class Clock:
    """A wall clock to turn."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sign_in(store: SqliteStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> SignIn:
    monkeypatch.setattr(signing, "NAME_TRIES", NAME_TRIES)
    monkeypatch.setattr(signing, "ADDRESS_TRIES", ADDRESS_TRIES)
    return SignIn(store, SECRETS, clock)


@pytest.fixture
def anna(store: SqliteStore) -> Person:
    person = store.commit(lambda t: add_person(t, "anna@example.org", "Anna Berg", NOW)).result()
    store.commit(lambda t: set_password(t, person, hash_password(GOOD))).result()
    return person


def outcome(sign_in: SignIn, login: str, password: str, address: str = "192.0.2.1") -> str:
    try:
        return sign_in.check(login, password, address).login
    except (Wrong, TooManyTries) as no:
        return f"{type(no).__name__}: {no}"


@pytest.mark.parametrize(
    "password",
    [
        "short", "elevenchars", "x" * 201, "123456789012", "abcdefghijklm", "aaaaaaaaaaaa", "abababababab",
        "password1234", "Passwort2026!", "qwertyuiop12", "anna@example.org", "AnnaBerg2026", "Anna-Anna-1234",
        "tillwise2026!",
    ],
)  # fmt: skip
def test_what_everybody_tries_first_is_refused(password: str) -> None:
    """Too short, a row of keys, a word everybody uses, or the person's own name."""
    with pytest.raises(InvalidInput):
        check_password(password, "anna@example.org", "Anna Berg")


@pytest.mark.parametrize("password", [GOOD, "пароль из четырёх слов", "Zx9!kQ2#mP4v", "correct zebra staple lamp"])
def test_a_password_nobody_guesses_is_taken(password: str) -> None:
    """Length counts, signs and scripts do not; and it is kept as a salted Argon2id hash."""
    text = check_password(password, "anna@example.org", "Anna Berg")
    hashed = hash_password(text)
    assert hashed.startswith("$argon2id$")
    assert hashed != hash_password(text)
    assert matches(hashed, password)
    assert not matches(hashed, password + "x")


def test_one_password_has_one_form() -> None:
    """An accent typed as one sign or as two is the same password."""
    hashed = hash_password(check_password("cafe\u0301 lantern boat nine"))
    assert matches(hashed, "caf\u00e9 lantern boat nine")


@pytest.mark.parametrize("hashed", [None, "", "$argon2id$broken", "plain"])
def test_without_a_good_hash_nothing_matches(hashed: str | None) -> None:
    """A person without a password, or with a damaged row, is not let in by any text."""
    assert not matches(hashed, "")
    assert not matches(hashed, GOOD)


def test_a_link_sets_a_password_once(store: SqliteStore) -> None:
    """A new link ends the older one, a used one is over, an old one is over, and only its hash is kept."""
    person = store.commit(lambda t: add_person(t, "ben", "", NOW)).result()
    first = store.commit(lambda t: new_link(t, person, NOW)).result()
    second = store.commit(lambda t: new_link(t, person, NOW)).result()
    with store.snapshot() as snapshot:
        with pytest.raises(NotFound):
            person_of_link(snapshot, first, NOW)
        assert person_of_link(snapshot, second, NOW + 59 * 60_000).person_id == person.person_id
        with pytest.raises(NotFound):
            person_of_link(snapshot, second, NOW + 60 * 60_000)
        assert second.encode() not in b"".join(bytes(row[0]) for row in snapshot.all("SELECT hash FROM password_links"))
    store.commit(lambda t: set_password(t, person, hash_password(GOOD))).result()
    with store.snapshot() as snapshot, pytest.raises(NotFound):
        person_of_link(snapshot, second, NOW)


@pytest.mark.parametrize("minutes", [0, 14, 24 * 60 + 1])
def test_a_link_lives_between_a_quarter_of_an_hour_and_a_day(store: SqliteStore, minutes: int) -> None:
    """Shorter is of no use, longer lies around."""
    person = store.commit(lambda t: add_person(t, "ben", "", NOW)).result()
    with pytest.raises(InvalidInput):
        store.commit(lambda t: new_link(t, person, NOW, minutes=minutes)).result()


def test_a_disabled_person_has_no_link(store: SqliteStore) -> None:
    """Locking somebody out ends the links they hold."""
    person = store.commit(lambda t: add_person(t, "ben", "", NOW)).result()
    code = store.commit(lambda t: new_link(t, person, NOW)).result()
    store.commit(lambda t: set_disabled(t, person, NOW, disabled=True)).result()
    with store.snapshot() as snapshot, pytest.raises(NotFound):
        person_of_link(snapshot, code, NOW)


def test_a_new_password_ends_open_sessions(store: SqliteStore, anna: Person) -> None:
    """The generation in every session is the one of its password; so it is when somebody is locked out."""
    with store.snapshot() as snapshot:
        before = by_id(snapshot, anna.person_id)
    assert before is not None
    store.commit(lambda t: set_password(t, before, hash_password(GOOD + "!"))).result()
    store.commit(lambda t: set_disabled(t, before, NOW, disabled=True)).result()
    with store.snapshot() as snapshot:
        after = by_id(snapshot, anna.person_id)
    assert after is not None
    assert after.generation == before.generation + 2


@pytest.mark.usefixtures("anna")
def test_unknown_disabled_unset_and_wrong_say_the_same(store: SqliteStore, sign_in: SignIn) -> None:
    """Nobody learns from the answer whether a name exists, and the same work is done for each."""
    store.commit(lambda t: add_person(t, "unset", "", NOW)).result()
    gone = store.commit(lambda t: add_person(t, "gone", "", NOW)).result()
    store.commit(lambda t: set_password(t, gone, hash_password(GOOD))).result()
    store.commit(lambda t: set_disabled(t, gone, NOW, disabled=True)).result()
    names = ("nobody", "unset", "gone", "", "x" * 5_000, "\x00", "\udcff")
    answers = {outcome(sign_in, login, GOOD, f"192.0.2.{n}") for n, login in enumerate(names)}
    answers.add(outcome(sign_in, "anna@example.org", "wrong wrong wrong"))
    assert answers == {"Wrong: Name and password do not fit together."}
    assert outcome(sign_in, " ANNA@example.org", GOOD) == "anna@example.org"


@pytest.mark.usefixtures("anna")
@pytest.mark.parametrize("login", ["anna@example.org", "nobody"])
def test_too_many_failures_close_a_name_for_a_while(
    store: SqliteStore, sign_in: SignIn, clock: Clock, login: str
) -> None:
    """Known and unknown names close alike, even for the right password; later they open again. The burst is entered."""
    for n in range(NAME_TRIES):
        assert outcome(sign_in, login, "wrong wrong wrong", f"192.0.2.{n}").startswith("Wrong")
    assert outcome(sign_in, login, GOOD, "198.51.100.1").startswith("TooManyTries")
    clock.now += WINDOW_MS
    expected = "anna@example.org" if login != "nobody" else "Wrong: Name and password do not fit together."
    assert outcome(sign_in, login, GOOD) == expected
    with store.snapshot() as snapshot:
        said = [json.loads(row[0]) for row in snapshot.all("SELECT body FROM audit_log WHERE kind = 'access'")]
    (burst,) = [act for act in said if act["act"] == "sign-in failures"]
    assert (burst["of"], burst["failed"], "person" in burst) == ("name", NAME_TRIES, login != "nobody")


@pytest.mark.usefixtures("anna")
def test_too_many_failures_close_an_address_and_no_other(sign_in: SignIn) -> None:
    """Trying many names from one place is stopped there; others still come in."""
    for n in range(ADDRESS_TRIES):
        outcome(sign_in, f"user-{n}", "wrong wrong wrong", "2001:db8::1")
    assert outcome(sign_in, "anna@example.org", GOOD, "2001:db8::ffff").startswith("TooManyTries")
    assert outcome(sign_in, "anna@example.org", GOOD, "2001:db8:0:1::1") == "anna@example.org"
    assert network_of("2001:db8::1") == network_of("2001:db8::2")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")


@pytest.mark.usefixtures("anna")
def test_signing_in_does_not_wash_an_address_clean(sign_in: SignIn) -> None:
    """Whoever has an account cannot use it to keep guessing at others': a success gives back its own try alone."""
    for n in range(ADDRESS_TRIES - 1):
        outcome(sign_in, f"user-{n}", "wrong wrong wrong")
        if n % 2 == 0:
            assert outcome(sign_in, "anna@example.org", GOOD) == "anna@example.org"
    outcome(sign_in, "user-last", "wrong wrong wrong")
    assert outcome(sign_in, "anna@example.org", GOOD).startswith("TooManyTries")


@pytest.mark.usefixtures("anna")
def test_tries_at_once_gain_nothing(sign_in: SignIn) -> None:
    """Tries are counted before they are made: twelve at the same moment are still four."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: outcome(sign_in, "anna@example.org", "wrong wrong wrong"), range(12)))
    assert sum(answer.startswith("Wrong") for answer in answers) == NAME_TRIES


@pytest.mark.usefixtures("anna")
def test_a_good_sign_in_forgets_the_failures_of_that_name(sign_in: SignIn) -> None:
    """Somebody who mistypes now and then is never closed out."""
    for _ in range(2):
        for _ in range(NAME_TRIES - 1):
            outcome(sign_in, "anna@example.org", "wrong wrong wrong", "192.0.2.7")
        assert outcome(sign_in, "anna@example.org", GOOD) == "anna@example.org"


def test_what_was_typed_is_nowhere_in_the_store(store: SqliteStore, sign_in: SignIn) -> None:
    """People type passwords into the name field: tries are kept under keyed hashes, and old ones go."""
    outcome(sign_in, "my secret password", GOOD, "192.0.2.55")
    with store.snapshot() as snapshot:
        kept = str(snapshot.all("SELECT * FROM sign_in_tries"))
    assert "secret" not in kept
    assert "192.0.2.55" not in kept
