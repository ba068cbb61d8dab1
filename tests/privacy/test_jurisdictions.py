"""Deadlines, rights, ages and signals as data, place by place; the strictest answer where the place is vague."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from tillwise.errors import ConfigurationError
from tillwise.privacy.jurisdictions import disclosure_codes, load_jurisdictions
from tillwise.privacy.purposes import UNKNOWN
from tillwise.privacy.rule_file import load_rules
from tillwise.vocabulary.purpose import Purpose

NOW = 1_795_000_000_000  # 2026-11-18
LAWS = load_jurisdictions()
TEXT = files("tillwise.privacy").joinpath("jurisdictions.toml").read_text("utf-8")


def test_every_place_with_rules_has_a_jurisdiction() -> None:
    """No place has purposes without deadlines and rights, and none has two answers."""
    places = [place for row in LAWS.rows for place in row.places]
    assert len(places) == len(set(places))
    assert set(places) == {rule.place for rule in load_rules().rules}


def test_signals_follow_the_twelve_states() -> None:
    """The signal must be honoured in twelve states, and there it stands on the purpose it switches off."""
    duty = {place for row in LAWS.rows if row.signal.duty for place in row.places}
    assert duty == {f"US-{two}" for two in ("CA", "CO", "CT", "DE", "MD", "MN", "MT", "NE", "NH", "NJ", "OR", "TX")}
    for place in sorted(duty):
        assert load_rules().rule(place, Purpose.SHARE, NOW).signals == ("gpc",)
    assert [row.name for row in LAWS.rows if row.signal.display] == ["California"]
    assert LAWS.must_display_signal("US-CA")
    assert not LAWS.must_display_signal("DE")


@pytest.mark.parametrize(
    ("place", "days", "extension"),
    [("DE", 28, "2 months"), ("US-CA", 45, "45 days"), ("US-IA", 90, "45 days"), ("BR", 15, "0 days"),
     ("CA-QC", 30, "0 days"), ("CA", 30, "30 days"), ("IN", 90, "0 days"), (UNKNOWN, 15, "0 days")],
)  # fmt: skip
def test_deadlines(place: str, days: int, extension: str) -> None:
    """A request is answered within the time of the place; of several, the shortest."""
    reply = LAWS.reply(place)
    assert reply.at_most_days == days
    said = f"{reply.extension_months} months" if reply.months else f"{reply.extension_days} days"
    assert said == extension


@pytest.mark.parametrize(("place", "age"), [("DE", 16), ("GB", 13), ("CA-QC", 14), ("IN", 18), ("CN", 14), ("ZZ", 18)])
def test_ages(place: str, age: int) -> None:
    """Below its age a person does not speak for themselves; nobody's place, the highest age."""
    assert LAWS.age(place).consent == age


def test_uses_nobody_may_agree_to_for_a_child() -> None:
    """India: no profiling under 18; Connecticut and Maryland: no sale or targeted advertising under 18."""
    assert LAWS.age("IN").bars(Purpose.RECOMMEND, 17)
    assert not LAWS.age("IN").bars(Purpose.SERVICE, 17)
    for place in ("US-CT", "US-MD"):
        assert LAWS.age(place).bars(Purpose.SHARE, 17)
        assert not LAWS.age(place).bars(Purpose.RECOMMEND, 17)
        assert not LAWS.age(place).bars(Purpose.SHARE, 18)


def test_disclosures_begin_on_their_day() -> None:
    """New York has its fixed text; Connecticut's duty begins on 1 October 2026."""
    september = NOW - 60 * 86_400_000
    assert LAWS.disclosures("US-NY", Purpose.PRICE, NOW)[0].text.startswith("THIS PRICE WAS SET BY AN ALGORITHM")
    assert [each.code for each in LAWS.disclosures("US-CT", Purpose.PRICE, NOW)] == ["ct_price_personal_data"]
    assert LAWS.disclosures("US-CT", Purpose.PRICE, september) == ()
    assert LAWS.disclosures("DE", Purpose.RECOMMEND, NOW) == ()


def test_disclosures_of_several_places_are_named_once() -> None:
    """Codes come in one order, each once; a country without its region has those of all its regions."""
    both = disclosure_codes(("US-NY", "DE", "FR"), Purpose.PRICE, NOW)
    assert both == ("ny_price_algorithm", "price_personalised")
    assert disclosure_codes(("US",), Purpose.PRICE, NOW) == ("ct_price_personal_data", "ny_price_algorithm")
    for purpose in (Purpose.RECOMMEND, Purpose.SEARCH):
        assert disclosure_codes(("CN",), purpose, NOW) == ("cn_non_personal_option",)


def test_the_page_names_every_disclosure() -> None:
    """Who shows an answer finds the sentence of each code."""
    page = Path(__file__).parents[2].joinpath("docs", "privacy.md").read_text("utf-8")
    for each in (each for row in LAWS.rows for each in row.disclosures):
        assert any(f"| `{each.code}` |" in line and each.text in line for line in page.splitlines()), each.code


def test_a_list_of_recipients_may_be_asked_for_where_the_law_says_so() -> None:
    """Connecticut, Maryland, Minnesota and Oregon."""
    listed = {place for row in LAWS.rows if "recipients" in row.rights.list for place in row.places}
    assert listed == {"US-CT", "US-MD", "US-MN", "US-OR"}


@pytest.mark.parametrize(
    ("found", "instead", "says"),
    [
        ('places = ["GB"]', 'places = ["GB", "DE"]', "DE stands in 'EU and EEA' and in 'United Kingdom'"),
        ('kind = "law"', 'kind = "feeling"', "feeling"),
        ("months = 1", 'month = "one"', "unknown field `month`"),
        ('sensitive = { default = "opt_in", source = "GDPR 9(2)(a)" }\n', "", "missing required field `sensitive`"),
    ],
)
def test_a_broken_file_is_refused(found: str, instead: str, says: str) -> None:
    """Overlapping and incomplete rows stop the start with a clear message."""
    with pytest.raises(ConfigurationError, match=r"jurisdictions\.toml") as caught:
        load_jurisdictions(TEXT.replace(found, instead, 1))
    assert says in str(caught.value)
