"""Whatever permission rests on is missing or broken: nothing personal is used, nobody gets an error, or nothing starts.

Every 60th mutant of a kind, more of those that act while the shop runs;
benchmarks/mutations.py runs all of them.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from small_shop import write_files
from test_shop_file import OWN

from tillwise.app import App, build_app
from tillwise.connectors.mapping_file import read_mapping
from tillwise.errors import ConfigurationError, InvalidDeclaration, InvalidMapping
from tillwise.events.check import check_event_types, is_category
from tillwise.events.properties import Sensitivity
from tillwise.events.types import EVENT_TYPES
from tillwise.privacy.purposes import Rulebook
from tillwise.privacy.rule_file import load_rules
from tillwise.privacy.whole_law import check_whole
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.shipped import SEAL, sealed_text, shipped_text

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NOW = 1_795_000_000_000
FEATURE = """\
from tillwise.features.feature import DAY, Agg, Aggregate
from tillwise.vocabulary.purpose import Purpose

EXTRA_FEATURES = {"churn": (Aggregate("largest", "subject", ("Order Completed",), Agg.MAX, 45 * DAY, "largest order",
    of="amount", categories=("user.behavior.purchase_history",), purposes=frozenset({Purpose.MARKETING})),)}
"""


@pytest.fixture(scope="module")
def mutations() -> Iterator[Any]:
    """The benchmark's module."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("mutations")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def bench(mutations: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = mutations.Bench(tmp_path_factory.mktemp("mutations"))
    yield made
    made.close()


def test_unbroken_every_surface_uses_what_it_may(bench: Any) -> None:
    """The surfaces really read somebody while nothing is broken, and answer everybody: else the test proves nothing."""
    assert not [seen.error for seen in bench.before.values() if seen.error]
    personal = Counter(probe.surface for probe, seen in bench.before.items() if seen.personal)
    assert set(personal) == {probe.surface for probe in bench.before}
    assert not [probe for probe, seen in bench.before.items() if probe.person == "nobody" and seen.personal]


def test_a_piece_taken_away_fails_closed_everywhere(mutations: Any, bench: Any) -> None:
    """No surface fails open, no answer is an error, and each verdict there is really occurs."""
    wanted = ("events", "vendor", "consent", "place", "notice of a yes", "model", "purposes of rows")
    every = list(mutations.chosen(mutations.every_mutant(), 60))
    every += [m for kind in wanted for m in mutations.chosen(mutations.every_mutant(), 7, kind)]
    table, wrong = mutations.run(bench, every)
    assert not wrong
    verdicts = sum(table.values(), Counter())
    assert all(verdicts[each] for each in (mutations.REFUSED, mutations.PLAIN, mutations.SAME))


def test_an_import_without_its_basis_uses_nothing(mutations: Any, tmp_path: Path) -> None:
    """An import that lost a line of its basis is refused, or nothing personal of its people is used."""
    assert not [name for _, name, personal in mutations.import_mutants(tmp_path) if personal]


def test_every_event_and_property_is_tagged() -> None:
    """All declarations say purposes, categories and sensitivity, in the taxonomy's words."""
    check_event_types()
    assert all(is_category(each.category) for declared in EVENT_TYPES.values() for each in declared.properties)
    assert not any(map(is_category, ("", "behavior", "user.", "user.Behavior", "User", None, 3)))


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [("purposes", frozenset(), "no purposes"), ("category", "", "no data category"), ("category", "shop", "no data")],
)
def test_an_untagged_event_is_named(field: str, value: object, says: str) -> None:
    """The message names the event and what to add."""
    declared = EVENT_TYPES["Product Viewed"]
    broken = type(declared)(**{**{name: getattr(declared, name) for name in declared.__slots__}, field: value})
    with pytest.raises(InvalidDeclaration, match="'Product Viewed'") as caught:
        check_event_types([broken])
    assert says in str(caught.value)


def test_special_data_stop_the_start() -> None:
    """No place lets health or belief serve a shop's purposes without more than any yes here covers: none is kept."""
    declared = EVENT_TYPES["Product Viewed"]
    special = replace(next(iter(declared.properties)), sensitivity=Sensitivity.SPECIAL)
    with pytest.raises(InvalidDeclaration, match="special category"):
        check_event_types([replace(declared, properties=(special, *declared.properties[1:]))])


@pytest.mark.parametrize(
    ("found", "instead", "says"),
    [
        ("frozenset({Purpose.MARKETING})", "frozenset()", "'largest': has no purposes"),
        (', purposes=frozenset({Purpose.MARKETING})', "", "'largest': has no purposes"),
        ("Purpose.MARKETING", "Purpose.PRICE", "add Purpose.MARKETING"),
        ('("user.behavior.purchase_history",)', "()", "'largest': has no data categories"),
        ('"user.behavior.purchase_history"', '"orders"', "'orders' of 'largest' is no data category"),
    ],
)  # fmt: skip
def test_an_untagged_feature_of_the_shop_stops_the_start(folder: Path, found: str, instead: str, says: str) -> None:
    """One line names the feature and what to write; nobody is served by a shop that cannot say why it reads."""
    (folder / "shop.py").write_text(FEATURE.replace(found, instead))
    with pytest.raises(ConfigurationError, match=r"shop\.py") as caught:
        build_app(folder)
    assert says in str(caught.value)


def test_a_tagged_feature_of_the_shop_starts(folder: Path, opened: Callable[[], App]) -> None:
    """The same declaration, whole."""
    (folder / "shop.py").write_text(FEATURE)
    assert "largest" in opened().use_case("churn").features.columns


def test_a_use_case_needs_a_purpose_and_tagged_request_columns(folder: Path) -> None:
    """A use case of the shop's own without a purpose, or with a column nobody tagged, is refused by name."""
    (folder / "shop.py").write_text(OWN.replace('UseCase("regular", Purpose.MARKETING', 'UseCase("regular", None'))
    with pytest.raises(ConfigurationError, match="'regular' has no purpose"):
        build_app(folder)
    asked = OWN.replace("purposes=frozenset({Purpose.MARKETING})),\n))", "purposes=frozenset({Purpose.MARKETING})),\n),"
                        ' request=("basket",))')  # fmt: skip
    (folder / "shop.py").write_text(asked)
    with pytest.raises(ConfigurationError, match="'basket' has no data category"):
        build_app(folder)


def test_the_tables_of_law_are_those_that_were_reviewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seal is current; a changed table is refused by name. After a review: sha256sum of the tables it lists."""
    for package in ("tillwise.privacy", "tillwise.recipients"):
        for line in shipped_text(package, SEAL).splitlines():
            digest, name = line.split()
            assert hashlib.sha256(files(package).joinpath(name).read_bytes()).hexdigest() == digest, name
            assert sealed_text(package, name)
    changed = shipped_text("tillwise.privacy", "purposes.toml").replace("opt_in", "notice", 1)
    monkeypatch.setattr(
        "tillwise.vocabulary.shipped.shipped_text",
        lambda package, *path: changed if path == ("purposes.toml",) else shipped_text(package, *path),
    )
    with pytest.raises(ConfigurationError, match=r"purposes\.toml is not the table that was reviewed"):
        sealed_text("tillwise.privacy", "purposes.toml")


def test_a_law_without_one_of_its_rows_is_no_law() -> None:
    """A missing row, place, stricter visitor rule or duty to honour a signal is named, sealed or not."""
    rules = load_rules().rules
    check_whole(rules)
    for gone, says in (
        (("US-CA", Purpose.RECOMMEND, False), "US-CA: the row for recommend is missing"),
        (("BR", Purpose.RECOMMEND, True), "BR: the row for recommend_visitor is missing"),
        (("BR", Purpose.SEARCH, True), "BR: the row for search_visitor is missing"),
    ):
        left = [rule for rule in rules if (rule.place, rule.purpose, rule.visitor) != gone]
        with pytest.raises(ConfigurationError, match=says):
            check_whole(left)
    with pytest.raises(ConfigurationError, match="CN has no row there"):
        check_whole([rule for rule in rules if rule.place != "CN"])
    deaf = [replace(rule, signals=()) if rule.place == "US-CA" else rule for rule in rules]
    with pytest.raises(ConfigurationError, match="US-CA, purpose share"):
        check_whole(deaf)


def test_a_rule_that_ended_without_another_asks_first() -> None:
    """A region whose row ran out is not judged by its country's looser row; a ban stays one."""
    rules = [
        replace(rule, valid_to=date(2026, 1, 1)) if rule.place in ("US-CA", "CN") else rule
        for rule in load_rules().rules
    ]
    book = Rulebook(rules)
    for place in ("US-CA", "CN"):
        for purpose in (Purpose.RECOMMEND, Purpose.MARKETING, Purpose.TRAIN):
            assert book.rule(place, purpose, NOW).default in ("opt_in", "ban")
    assert load_rules().rule("US-CA", Purpose.RECOMMEND, NOW).default == "notice"


@pytest.mark.parametrize("lacking", ["notice", "evidence"])
def test_an_imported_yes_names_its_notice_and_its_proof(tmp_path: Path, lacking: str) -> None:
    """A declared consent without the notice it was given on, or without evidence, is refused by line."""
    mapping = write_files(tmp_path)
    word = {"notice": 'notice = "terms-1", ', "evidence": ', evidence = "account page"'}[lacking]
    mapping.write_text("\n".join(
        line.replace(word, "") if line.startswith("marketing") else line for line in mapping.read_text().splitlines()
    ))  # fmt: skip
    with pytest.raises(InvalidMapping, match=f"marketing.*add {lacking}"):
        read_mapping(mapping)
