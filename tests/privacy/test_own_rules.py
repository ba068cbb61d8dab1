"""A shop's own rules: stricter always, looser only for ethics and with a reason; the law is never loosened."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from click.testing import CliRunner
from consent_shop import ConsentShop

from tillwise.app import build_app
from tillwise.app.doctor.consent import consent
from tillwise.app.own_rules import RulesInForce
from tillwise.cli.main import cli
from tillwise.errors import ConfigurationError
from tillwise.privacy.purposes import UNKNOWN, Default
from tillwise.privacy.revisions import keep_revision, read_revision
from tillwise.privacy.rule_file import load_rules
from tillwise.vocabulary.purpose import Purpose

NOW = 1_795_000_000_000  # 2026-11-18
DAY = 86_400_000
ASK = """
[[rule]]
place = "US-TX"
purpose = "recommend"
default = "opt_in"
basis = "consent"
kind = "ethics"
source = "our terms, section 4"
reviewed = 2026-11-01
"""


def default(
    own: str, place: str, purpose: Purpose = Purpose.RECOMMEND, wall: int = NOW, *, visitor: bool = False
) -> str:
    return load_rules(own=own).rule(place, purpose, wall, visitor=visitor).default.value


def test_a_stricter_rule_holds_where_and_when_it_says() -> None:
    """Texas asks, its neighbours do not; what the law adds (ages, signals, expiry) stays."""
    assert (default(ASK, "US-TX"), default(ASK, "US-OK"), default("", "US-TX")) == ("opt_in", "notice", "notice")
    assert default(ASK, "US-TX", Purpose.SEARCH) == "notice"
    short = ASK + "valid_from = 2026-12-01\nvalid_to = 2026-12-11\n"
    assert [default(short, "US-TX", wall=NOW + n * DAY) for n in (0, 14, 30)] == ["notice", "opt_in", "notice"]
    rule, law = (load_rules(own=own).rule("US-TX", Purpose.RECOMMEND, NOW) for own in (ASK, ""))
    assert (rule.age, rule.law, rule.source) == (law.age, "the shop's own rule", "our terms, section 4")
    share = ASK.replace("recommend", "share")
    assert load_rules(own=share).rule("US-TX", Purpose.SHARE, NOW).signals == ("gpc",)


def test_a_country_stands_for_its_regions_and_a_region_for_itself() -> None:
    """`US` covers every state; a region without rows of its own takes its country's as the measure."""
    everywhere = ASK.replace("US-TX", "US")
    assert {default(everywhere, place) for place in ("US-TX", "US-CA", "US-WY", "US")} == {"opt_in"}
    bavaria = ASK.replace("US-TX", "DE-BY").replace('"opt_in"', '"ban"').replace('"consent"', '"none"')
    assert (default(bavaria, "DE-BY"), default(bavaria, "DE")) == ("ban", "ban")
    assert default(bavaria, "DE-BE") == "opt_in"


def test_device_history_has_rules_of_its_own() -> None:
    """A visitor row leaves customers alone."""
    visitors = ASK.replace('"recommend"', '"recommend_visitor"')
    assert default(visitors, "US-TX", visitor=True) == "opt_in"
    assert default(visitors, "US-TX") == "notice"


def test_a_country_nobody_wrote_rules_for_becomes_known_with_a_reason() -> None:
    """Japan: strictest before; a shop that knows better says why."""
    japan = ASK.replace("US-TX", "JP").replace('"opt_in"', '"opt_out"').replace('"consent"', '"legitimate_interest"')
    assert default("", "JP") == "opt_in"
    with pytest.raises(ConfigurationError, match=r"rule 1 \(line 2\): nobody wrote rules for JP"):
        load_rules(own=japan)
    known = load_rules(own=japan + 'reason = "APPI 18, read by our counsel"\n')
    assert known.rule("JP", Purpose.RECOMMEND, NOW).default is Default.OPT_OUT
    assert known.rule("JP", Purpose.SEARCH, NOW).default is Default.OPT_IN
    assert known.rule(UNKNOWN, Purpose.RECOMMEND, NOW).default is Default.OPT_IN


def _looser(place: str, purpose: str) -> str:
    return (
        ASK.replace("US-TX", place).replace('"recommend"', f'"{purpose}"').replace('"opt_in"', '"notice"')
        .replace('"consent"', '"notice"')
    )  # fmt: skip


def test_the_law_is_never_loosened() -> None:
    """Whatever the reason: a row of law or guidance asks at least what it asks."""
    for place, purpose in (("DE", "recommend"), ("CN", "price"), ("US-CA", "share"), ("US-MD", "price")):
        with pytest.raises(ConfigurationError, match=r"line 2.*asks less than .* only ethics may be loosened"):
            load_rules(own=_looser(place, purpose) + 'reason = "we want to"\n')


def test_ethics_may_be_loosened_with_a_reason() -> None:
    """Marketing where no state act rules is opt_out by ethics; a shop may think otherwise, and says so."""
    rules = [rule for rule in load_rules().rules if rule.kind == "ethics" and "-" in rule.place and not rule.visitor]
    ethics = next(rule for rule in rules if rule.default is Default.OPT_OUT)
    own = _looser(ethics.place, ethics.purpose.value)
    with pytest.raises(ConfigurationError, match='takes kind = "ethics" and a reason'):
        load_rules(own=own)
    loosened = own + 'reason = "members only, told at the door"\n'
    assert default(loosened, ethics.place, ethics.purpose) == "notice"


def test_people_of_unknown_age_may_be_treated_as_minors() -> None:
    """A shop aimed at children says so once, for every place."""
    rules = load_rules(own='unknown_age = "minor"\n')
    assert rules.rule("US-TX", Purpose.RECOMMEND, NOW).age.unknown_is_minor
    assert rules.revision != load_rules().revision


def test_unknown_age_as_minor_withholds_until_an_age_is_told(tmp_path: Path) -> None:
    """Silence is no yes for somebody who may be a child."""
    shop = ConsentShop(tmp_path / "shop.db")
    assert shop.cause("US-TX") is None
    shop.gate.adopt(load_rules(own='unknown_age = "minor"\n'))
    assert shop.cause("US-TX") == "consent_missing"
    shop.store.close()


@pytest.mark.parametrize(
    ("found", "instead", "says"),
    [
        ('place = "US-TX"', 'place = "Texas"', "place"),
        ('place = "US-TX"', 'place = "ZZ"', "ZZ is no place"),
        ('purpose = "recommend"', 'purpose = "world domination"', "world domination"),
        ('purpose = "recommend"', 'purpose = "operations"', "need no rule"),
        ('default = "opt_in"', 'default = "ask"', "default"),
        ('basis = "consent"', 'basis = "none"', "a ban has the basis"),
        ('basis = "consent"', 'basis = "notice"', "opt_in rests on consent"),
        ("reviewed = 2026-11-01", "", "reviewed"),
        ("reviewed = 2026-11-01", "reviewed = 2026-11-01\nvalid_to = 0001-01-01", "valid_from must come before"),
        ('kind = "ethics"', 'kind = "feeling"', "kind"),
        ('source = "our terms, section 4"', 'sauce = "x"', "sauce"),
        ('source = "our terms, section 4"', 'source = "x"\nsignals = ["dnt"]', "signals"),
    ],
)
def test_a_broken_row_is_named_by_file_rule_and_line(found: str, instead: str, says: str) -> None:
    """What cannot be trusted is refused with where it stands."""
    with pytest.raises(ConfigurationError, match=r"^rules\.toml, rule 2 \(line 11\): ") as caught:
        load_rules(own=ASK.replace("recommend", "search") + ASK.replace(found, instead, 1))
    assert says in str(caught.value)


def test_an_overlapping_row_is_refused() -> None:
    """Two own rules for one question on one day: both are named."""
    with pytest.raises(ConfigurationError, match=r"rule 2 \(line 11\) and rules\.toml, rule 1 \(line 2\) both hold"):
        load_rules(own=ASK + ASK)
    with pytest.raises(ConfigurationError, match=r"^rules\.toml: "):
        load_rules(own="[[rule]\n")
    with pytest.raises(ConfigurationError, match=r"unknown field"):
        load_rules(own="rules = 1\n")


def test_a_changed_table_changes_the_next_decision_and_old_receipts_keep_theirs(tmp_path: Path) -> None:
    """The permit of before names the revision of before, which can still be read."""
    shop = ConsentShop(tmp_path / "shop.db")
    before = shop.permit("US-TX")
    shop.do(lambda t: keep_revision(t, shop.gate.rules, NOW))
    shop.gate.adopt(load_rules(own=ASK))
    shop.do(lambda t: keep_revision(t, shop.gate.rules, NOW))
    after = shop.permit("US-TX")
    assert (before.granted, after.granted) == (True, False)
    assert before.rules != after.rules
    with shop.store.snapshot() as snapshot:
        for permit, expected in ((before, "notice"), (after, "opt_in")):
            rows, _ = read_revision(snapshot, permit.rules)
            own = [row["default"] for row in rows if (row["place"], row["purpose"]) == ("US-TX", "recommend")]
            assert own == [expected]
    shop.store.close()


def test_a_running_shop_takes_a_changed_file_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a restart; a broken file changes nothing and says which line."""
    folder = tmp_path / "shop"
    assert CliRunner().invoke(cli, ["init", str(folder)]).exit_code == 0
    app = build_app(folder)
    watch = RulesInForce(app)
    assert not watch.refresh()
    (folder / "rules.toml").write_text(ASK)
    assert watch.refresh()
    assert not watch.refresh()
    asked = app.gate.rules.rule("US-TX", Purpose.RECOMMEND, NOW)
    assert asked.default is Default.OPT_IN
    revision = app.gate.rules.revision
    (folder / "rules.toml").write_text(ASK.replace("US-TX", "Texas"))
    with caplog.at_level(logging.WARNING):
        assert not watch.refresh()
    assert "rule 1 (line 2)" in caplog.text
    assert app.gate.rules.revision == revision
    with app.store.snapshot() as snapshot:
        assert read_revision(snapshot, revision)
    app.close()
    done = CliRunner().invoke(cli, ["doctor", "--shop", str(folder)])
    assert (done.exit_code, "rules.toml, rule 1 (line 2)" in done.output) == (1, True)


def test_the_doctor_names_own_rules_and_yeses_that_are_left_out(tmp_path: Path) -> None:
    """Own rules are shown as they are; mapped categories without notice and evidence are a warning with the mend."""
    folder = tmp_path / "shop"
    assert CliRunner().invoke(cli, ["init", str(folder)]).exit_code == 0
    (folder / "rules.toml").write_text(ASK)
    with (folder / "tillwise.toml").open("a") as settings:
        settings.write('\n[consent.categories]\nads = "share"\n')
    app = build_app(folder)
    found = {finding.about: finding for finding in consent(app)}
    app.close()
    assert found["own rules"].says == "rules.toml sets US-TX recommend opt_in"
    assert (found["consent"].level, "[consent]" in found["consent"].mend) == ("warning", True)
