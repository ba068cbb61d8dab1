"""The law as data: every row has a source and a date, and what nobody wrote down is read strictly."""

from __future__ import annotations

from datetime import date

import pytest

from tillwise.errors import ConfigurationError
from tillwise.privacy.purposes import UNKNOWN, Default, Rulebook, load_rules
from tillwise.vocabulary.purpose import PERSONAL_PURPOSES, Purpose

NOW = 1_795_000_000_000  # 2026-11-18
BOOK = load_rules()


def test_every_row_is_sourced_dated_and_graded() -> None:
    """A rule without source, review date or confidence is an opinion."""
    for rule in BOOK.rules:
        assert rule.source, rule
        assert rule.law, rule
        assert rule.reviewed >= date(2026, 11, 1), rule
        assert rule.kind in {"law", "guidance", "ethics"}, rule
        assert rule.confidence in {"confirmed", "known", "uncertain"}, rule
        assert (rule.default is Default.BAN) == (rule.basis == "none"), rule


def test_every_place_speaks_on_every_personal_purpose_once() -> None:
    """No place is silent on a purpose, none says two things on the same day."""
    places = {rule.place for rule in BOOK.rules}
    rows = [(rule.place, rule.purpose) for rule in BOOK.rules]
    assert len(rows) == len(set(rows))
    assert set(rows) == {(place, purpose) for place in places for purpose in PERSONAL_PURPOSES}


@pytest.mark.parametrize(
    ("place", "purpose", "default"),
    [
        ("DE", Purpose.RECOMMEND, Default.OPT_IN),
        ("NO", Purpose.SEARCH, Default.OPT_IN),
        ("GB", Purpose.MARKETING, Default.OPT_IN),
        ("GB", Purpose.PRICE, Default.NOTICE),
        ("US", Purpose.RECOMMEND, Default.NOTICE),
        ("US", Purpose.MARKETING, Default.OPT_OUT),
        ("US-CA", Purpose.PRICE, Default.NOTICE),
        ("US-MD", Purpose.PRICE, Default.BAN),
        ("US-TX", Purpose.RECOMMEND, Default.NOTICE),
        ("BR", Purpose.RECOMMEND, Default.OPT_OUT),
        ("BR", Purpose.MARKETING, Default.OPT_IN),
        ("CA-ON", Purpose.RECOMMEND, Default.OPT_OUT),
        ("CA-QC", Purpose.RECOMMEND, Default.OPT_IN),
        ("CN", Purpose.PRICE, Default.BAN),
        ("IN", Purpose.TRAIN, Default.OPT_IN),
    ],
)
def test_what_the_places_ask(place: str, purpose: Purpose, default: Default) -> None:
    """The table of the reference, place by place."""
    rule = BOOK.rule(place, purpose, NOW)
    assert rule.default is default


def test_country_without_region_gets_its_strictest_row() -> None:
    """Somebody in Canada may be in Quebec; somebody in the United States may be in Maryland."""
    assert BOOK.rule("CA", Purpose.RECOMMEND, NOW).place == "CA-QC"
    assert BOOK.rule("US", Purpose.PRICE, NOW).default is Default.BAN


@pytest.mark.parametrize("place", [UNKNOWN, "ZZ", "", "AQ", "germany", "DE-" + "X" * 500])
def test_unknown_place_gets_the_strictest_of_all(place: str) -> None:
    """A place nobody wrote a row for is read as the strictest place there is, purpose by purpose."""
    expected = {
        Purpose.RECOMMEND: Default.OPT_IN, Purpose.SEARCH: Default.OPT_IN, Purpose.PRICE: Default.BAN,
        Purpose.MARKETING: Default.OPT_IN, Purpose.TRAIN: Default.OPT_IN, Purpose.FRAUD_PREVENTION: Default.NOTICE,
    }  # fmt: skip
    for purpose, default in expected.items():
        rule = BOOK.rule(place, purpose, NOW)
        assert (rule.place, rule.default) == (UNKNOWN, default)


def test_purpose_without_a_row_is_opt_in() -> None:
    """Where a place is silent on a purpose, people are asked first."""
    assert BOOK.rule("DE", Purpose.OPERATIONS, NOW).default is Default.OPT_IN
    assert Rulebook(()).rule("DE", Purpose.RECOMMEND, NOW).default is Default.OPT_IN


LAW = """
[[law]]
name = "old"
places = ["XX"]
kind = "law"
reviewed = 2026-11-01
valid_to = 2027-01-01
[law.purposes]
recommend = { default = "notice", basis = "notice", source = "s. 1", confidence = "known" }
[[law]]
name = "new"
places = ["XX"]
kind = "law"
reviewed = 2026-11-01
valid_from = 2027-01-01
[law.purposes]
recommend = { default = "opt_in", basis = "consent", source = "s. 2", confidence = "known" }
"""


def test_rules_change_on_their_day() -> None:
    """A rule holds from its first to its last day, on the wall clock."""
    book = load_rules(LAW)
    new_year = 1_798_761_600_000
    assert book.rule("XX", Purpose.RECOMMEND, new_year - 1).law == "old"
    assert book.rule("XX", Purpose.RECOMMEND, new_year).law == "new"
    assert book.rule("XX", Purpose.RECOMMEND, new_year - 1).law == "old"


@pytest.mark.parametrize("wrong", ['default = "ask"', 'confidence = "x", default = "notice"', ""])
def test_broken_row_is_named(wrong: str) -> None:
    """A row that cannot be read says which law, place and purpose it is."""
    text = LAW.replace('default = "notice"', wrong) if wrong else LAW.replace('source = "s. 1", ', "")
    if wrong.startswith("confidence"):
        text = LAW.replace("recommend =", "recommended =")
    with pytest.raises(ConfigurationError, match=r"law 'old', place XX, purpose recommend"):
        load_rules(text)


def test_strange_places_do_not_grow_the_table() -> None:
    """Callers cannot fill memory with places that do not exist."""
    book = load_rules()
    for n in range(1000):
        book.rule(f"Q{n}", Purpose.RECOMMEND, NOW)
    assert len(book._found) == 1
