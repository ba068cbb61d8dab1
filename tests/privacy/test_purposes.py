"""The law as data: every row has a source and a date, and what nobody wrote down is read strictly."""

from __future__ import annotations

from datetime import date

import pytest

from tillwise.errors import ConfigurationError
from tillwise.privacy.purposes import UNKNOWN, Default, Rulebook, strictest
from tillwise.privacy.rule_file import load_rules
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
    for day in (date(2026, 9, 30), date(2026, 10, 1)):
        rows = [(r.place, r.purpose) for r in BOOK.rules if not r.visitor and r.valid_from <= day < r.valid_to]
        assert len(rows) == len(set(rows))
        assert set(rows) == {(place, purpose) for place in places for purpose in (*PERSONAL_PURPOSES, Purpose.SHARE)}


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
        ("US-TX", Purpose.SHARE, Default.OPT_OUT),
        ("US-WY", Purpose.MARKETING, Default.OPT_OUT),
        ("DE-BY", Purpose.SHARE, Default.OPT_IN),
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
        book.rule(f"DE-{n}", Purpose.RECOMMEND, NOW)
    assert len(book._found) == 2
    assert book.rule("DE-7", Purpose.RECOMMEND, NOW).place == "DE"


def test_of_two_rules_the_stricter_holds_with_the_higher_ages() -> None:
    """Remembered or not, the answer is the same, in both orders."""
    for first, second in (("US-TX", "IN"), ("IN", "US-TX"), ("DE", "US-TX"), ("DE", "DE")):
        one, two = (BOOK.rule(place, Purpose.RECOMMEND, NOW) for place in (first, second))
        expected = strictest((one, two))
        assert BOOK.stricter(one, two) == BOOK.stricter(one, two) == expected
    connecticut, india = (BOOK.rule(place, Purpose.SHARE, NOW) for place in ("US-CT", "IN"))
    assert BOOK.stricter(connecticut, india).age == (18, 18, 18, False)


def test_an_overlapping_row_is_refused() -> None:
    """Two rows that hold on one day would leave it to chance what the law says."""
    with pytest.raises(
        ConfigurationError, match=r"place XX, purpose recommend: 'old' and 'new' both hold on 2026-12-01"
    ):
        load_rules(LAW.replace("valid_from = 2027-01-01", "valid_from = 2026-12-01"))


@pytest.mark.parametrize(
    ("found", "instead", "says"),
    [
        ('basis = "notice"', 'basis = ""', "may not be empty"),
        ('basis = "notice"', 'basis = "none"', "a ban has the basis"),
        ('source = "s. 1"', 'sorce = "s. 1"', "sorce is not a field"),
        ('confidence = "known"', 'confidence = "sure"', "'sure' is none of"),
        ('kind = "law"', 'kind = "feeling"', "'feeling' is none of"),
        ("reviewed = 2026-11-01", 'reviewed = "today"', "are dates"),
        ("valid_to = 2027-01-01", "valid_to = 1999-01-01\nvalid_from = 2000-01-01", "must come before"),
        ('default = "notice"', 'default = "notice", signals = ["dnt"]', "signal dnt"),
        ('places = ["XX"]', "places = []", "name, places and purposes are needed"),
        ('kind = "law"', 'kind = "law"\nlike = "nobody"', "names no law above it"),
    ],
)
def test_an_incomplete_or_contradictory_row_is_refused(found: str, instead: str, says: str) -> None:
    """The loader refuses what it cannot trust, and names the law."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_rules(LAW.replace(found, instead, 1))
    assert "law 'old'" in str(caught.value)


def test_rules_nobody_reads_are_named() -> None:
    """After 180 days without a review a rule is stale; a rule that has ended is not."""
    assert BOOK.unreviewed(NOW) == ()
    later = NOW + 200 * 86_400_000
    assert len(BOOK.unreviewed(later)) == len([r for r in BOOK.rules if r.valid_to > date(2027, 1, 1)])


def test_the_revision_names_the_content() -> None:
    """Same rows and preset, same name; one changed row, another name."""
    assert load_rules().revision == BOOK.revision
    assert load_rules(preset="eu-strict").revision != BOOK.revision
    assert load_rules(LAW).revision != load_rules(LAW.replace("s. 1", "s. 11")).revision


@pytest.mark.parametrize("name", ["eu-strict", "us", "global-strict"])
def test_a_preset_never_loosens(name: str) -> None:
    """For every place and purpose a preset asks as much as the law or more, and says that it does."""
    order = list(Default)
    book = load_rules(preset=name)
    for place in (*sorted({rule.place for rule in BOOK.rules}), UNKNOWN):
        for purpose in Purpose:
            for visitor in (False, True):
                law, asked = (each.rule(place, purpose, NOW, visitor=visitor) for each in (BOOK, book))
                assert order.index(asked.default) >= order.index(law.default)
                assert set(asked.signals) >= set(law.signals)
                if asked.default is not law.default:
                    assert (asked.kind, asked.place) == ("ethics", law.place)
                    assert name in asked.source


def test_what_the_presets_mean() -> None:
    """eu-strict asks everybody first; us keeps American law at home; global-strict never makes personal prices."""
    rules = {name: load_rules(preset=name) for name in ("eu-strict", "us", "global-strict")}
    assert rules["eu-strict"].rule("US-TX", Purpose.RECOMMEND, NOW).default is Default.OPT_IN
    assert rules["eu-strict"].rule("US-TX", Purpose.RECOMMEND, NOW).signals == ("gpc",)
    assert rules["us"].rule("US-TX", Purpose.RECOMMEND, NOW).default is Default.NOTICE
    assert rules["us"].rule("BR", Purpose.RECOMMEND, NOW).default is Default.OPT_IN
    assert rules["global-strict"].rule("DE", Purpose.PRICE, NOW).default is Default.BAN
    with pytest.raises(ConfigurationError, match="none of eu-strict"):
        load_rules(preset="lax")
