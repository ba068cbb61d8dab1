"""Age at the gate: what the shop told of a person's age binds every later decision, as the law of the place says."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from consent_shop import ANN, NOW, VISITOR, ConsentShop, notice_of
from hypothesis import given
from hypothesis import strategies as st

from tillwise.errors import ConfigurationError, Conflict
from tillwise.privacy import ledger
from tillwise.privacy.age import BANDS, UNKNOWN_AGE, band_of, in_words
from tillwise.privacy.consent import known_band
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.ledger import DeclaredBasis, PurposeBasis, State
from tillwise.privacy.purposes import UNKNOWN
from tillwise.privacy.rule_file import load_rules
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose

LAWS = load_jurisdictions()
TEXT = files("tillwise.privacy").joinpath("jurisdictions.toml").read_text("utf-8")
PROFILES = (Purpose.RECOMMEND, Purpose.SEARCH, Purpose.PRICE, Purpose.MARKETING, Purpose.SHARE)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ConsentShop]:
    shop = ConsentShop(tmp_path / "shop.db")
    yield shop
    shop.store.close()


def know(shop: ConsentShop, age: int, person: Pseudonym = ANN) -> None:
    shop.do(lambda t: ledger.know_age(t, person, age, NOW, source="shop"))


@given(st.integers(0, 120), st.sampled_from(["DE", "US-CA", "US-CO", "US-CT", "IN", "BR", "CA-QC", UNKNOWN]))
def test_a_band_answers_as_the_age_itself_would(age: int, place: str) -> None:
    """Nothing is lost by keeping the band and not the age: every limit of every law begins a band."""
    for purpose in Purpose:
        limits = LAWS.limits(place, purpose)
        for limit in (limits.banned, limits.ask, limits.guardian):
            assert (age < limit) is (band_of(age) < limit)


def test_bands_in_words() -> None:
    """What people read on a page."""
    assert [in_words(band) for band in (UNKNOWN_AGE, *BANDS)] == [
        "unknown", "0-11", "12", "13", "14", "15", "16-17", "18+",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "purpose", "banned", "ask", "guardian"),
    [
        ("DE", Purpose.RECOMMEND, 0, 16, 16), ("GB", Purpose.SHARE, 0, 13, 13), ("US-TX", Purpose.MARKETING, 0, 13, 13),
        ("US-CA", Purpose.SHARE, 0, 16, 13), ("US-CA", Purpose.RECOMMEND, 0, 13, 13),
        ("US-CO", Purpose.SHARE, 0, 18, 13), ("US-CO", Purpose.RECOMMEND, 0, 13, 13),
        ("US-CT", Purpose.SHARE, 18, 13, 13), ("US-MD", Purpose.SHARE, 18, 13, 13), ("IN", Purpose.SEARCH, 18, 18, 18),
        ("IN", Purpose.TRAIN, 0, 18, 18), ("CN", Purpose.RECOMMEND, 0, 14, 14), (UNKNOWN, Purpose.SHARE, 18, 18, 18),
        ("IN", Purpose.FRAUD_PREVENTION, 0, 0, 0), ("DE", Purpose.SERVICE, 0, 0, 0),
    ],
)  # fmt: skip
def test_what_the_places_say_of_age(place: str, purpose: Purpose, banned: int, ask: int, guardian: int) -> None:
    """The ages of the reference, purpose by purpose; what protects children as well knows no age."""
    assert LAWS.limits(place, purpose)[:3] == (banned, ask, guardian)
    assert load_rules().rule(place, purpose, NOW).age == LAWS.limits(place, purpose)


def test_turning_out_to_be_a_minor_ends_a_use_that_was_allowed(shop: ConsentShop) -> None:
    """India: a yes counts until the shop learns that the person is 17; then no yes does."""
    for purpose in PROFILES:
        shop.record(State.GIVEN, purpose, place="IN")
    assert shop.cause("IN") is None
    know(shop, 17)
    for purpose in PROFILES:
        expected = "banned_in_place" if shop.cause("IN", purpose) == "banned_in_place" else "banned_for_minors"
        assert shop.cause("IN", purpose) == expected
    assert shop.cause("IN", Purpose.FRAUD_PREVENTION) is None
    know(shop, 18)
    assert shop.cause("IN") is None


def test_below_the_age_silence_is_no_yes(shop: ConsentShop) -> None:
    """Texas lets a shop recommend unless people object; of a child of 12 a parent is asked first."""
    assert shop.cause("US-TX") is None
    know(shop, 12)
    assert shop.cause("US-TX") == "consent_missing"
    shop.serve(notice=notice_of("US-TX"))
    with pytest.raises(Conflict, match="guardian"):
        shop.say(place="US-TX")
    shop.say(place="US-TX", guardian=True)
    assert shop.cause("US-TX") is None


def test_a_yes_of_a_child_needs_a_guardian_at_every_decision(shop: ConsentShop) -> None:
    """A yes from before the age was known, and one a file declares, count no more without a guardian's."""
    shop.record(State.GIVEN)
    know(shop, 15)
    assert shop.cause() == "guardian_missing"
    shop.record(State.GIVEN, guardian=True)
    assert shop.cause() is None
    declared = DeclaredBasis("DE", {Purpose.SEARCH: PurposeBasis("consent", "terms", "signed")})
    shop.do(lambda t: ledger.declare(t, [ANN], declared, source="import", now=NOW))
    assert shop.cause(purpose=Purpose.SEARCH) == "guardian_missing"
    know(shop, 16)
    assert shop.cause(purpose=Purpose.SEARCH) is None


def test_sharing_in_california_asks_people_of_13_to_15_themselves(shop: ConsentShop) -> None:
    """Civ. 1798.120(c): below 16 opt in, below 13 the parent does."""
    assert shop.cause("US-CA", Purpose.SHARE) is None
    know(shop, 14)
    assert shop.cause("US-CA", Purpose.SHARE) == "consent_missing"
    assert shop.cause("US-CA") is None
    shop.serve(notice=notice_of("US-CA"))
    shop.say(purpose=Purpose.SHARE, place="US-CA")
    assert shop.cause("US-CA", Purpose.SHARE) is None


def test_an_age_told_with_a_yes_binds_what_comes_after(shop: ConsentShop) -> None:
    """The age of one consent call counts for every purpose, and a refusal at the door keeps nothing."""
    shop.serve()
    with pytest.raises(Conflict, match="guardian"):
        shop.say(age=13)
    assert shop.cause() == "consent_missing"
    with shop.store.snapshot() as snapshot:
        assert known_band(snapshot, ANN) == UNKNOWN_AGE
    shop.say(age=13, guardian=True)
    shop.record(State.GIVEN, Purpose.SEARCH)
    assert (shop.cause(), shop.cause(purpose=Purpose.SEARCH)) == (None, "guardian_missing")


def test_the_younger_of_two_identities_counts(shop: ConsentShop) -> None:
    """In a session of a customer and a device, what is known of either binds."""
    shop.record(State.GIVEN)
    know(shop, 40)
    assert shop.cause(anonymous=VISITOR) is None
    know(shop, 14, VISITOR)
    assert shop.cause(anonymous=VISITOR) == "guardian_missing"


def test_no_age_is_stored_but_its_band(shop: ConsentShop) -> None:
    """The ledger cannot tell 16 from 17, nor 19 from 90; a band told twice is written once."""
    for age in (17, 16, 90, 19):
        know(shop, age)
    with shop.store.snapshot() as snapshot:
        rows = ledger.history(snapshot, ANN)
    assert [(row["purpose"], row["age"]) for row in rows] == [("age", 16), ("age", 18)]


def test_children_are_not_trained_on_without_a_guardian(shop: ConsentShop) -> None:
    """What may not be decided on may not be learnt from either."""
    shop.do(lambda t: t.run("INSERT INTO subjects (mark, pseudonym, anonymous, sealed) VALUES (x'01', 11, 0, x'')"))
    for purpose in (Purpose.RECOMMEND, Purpose.TRAIN):
        shop.record(State.GIVEN, purpose, place="DE")
    with shop.store.snapshot() as snapshot:
        assert shop.gate.trainable(snapshot, Purpose.RECOMMEND) == {ANN}
    know(shop, 15)
    with shop.store.snapshot() as snapshot:
        assert shop.gate.trainable(snapshot, Purpose.RECOMMEND) == set()


def test_unknown_age_is_what_the_table_says(shop: ConsentShop) -> None:
    """Laws that bind on actual knowledge treat people as adults until told; a row may say otherwise."""
    assert all(row.age.unknown == "adult" for row in LAWS.rows)
    cautious = TEXT.replace("no_profile_below = 18,", 'no_profile_below = 18, unknown = "minor",')
    limits = load_jurisdictions(cautious).limits("IN", Purpose.RECOMMEND)
    assert limits.unknown_is_minor
    assert load_jurisdictions(cautious).limits("ZZ", Purpose.RECOMMEND).unknown_is_minor


def test_an_age_that_no_band_begins_at_is_refused() -> None:
    """A law with another age would make bands lie: the table is refused by name."""
    with pytest.raises(ConfigurationError, match=r"'United Kingdom': age 17 is none of"):
        load_jurisdictions(TEXT.replace('consent = 13, source = "DPA 2018 s. 9"', 'consent = 17, source = "x"'))
