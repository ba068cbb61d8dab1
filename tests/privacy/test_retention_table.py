"""How long data are kept: the shipped table, what a shop may choose, and windows that end with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tillwise.app.build import build_app
from tillwise.cli.init import create_shop
from tillwise.errors import ConfigurationError
from tillwise.events.types import EVENT_TYPES
from tillwise.features.feature import DAY
from tillwise.features.reach import within
from tillwise.privacy.retention import Retention, days, load_retention
from tillwise.use_cases import churn, fraud
from tillwise.vocabulary.purpose import Purpose


def test_every_event_type_stands_in_exactly_one_row() -> None:
    """A new event type fails here until somebody says how long it is kept."""
    named = [event for row in load_retention() for event in row.events]
    assert sorted(named) == sorted(EVENT_TYPES)


def test_every_row_says_why_and_stays_within_its_bounds() -> None:
    """Source, kind, confidence and bounds of each row."""
    for row in load_retention():
        assert row.source
        assert row.kind in ("law", "guidance", "ethics")
        assert row.confidence in ("confirmed", "known", "uncertain")
        assert row.least <= row.days() <= row.most
        assert all(row.days(purpose) <= row.days() for purpose in Purpose)


def test_days_are_found_by_kind_table_event_and_purpose() -> None:
    """What stands in no row may not be read at all."""
    assert days("Product Viewed", Purpose.MARKETING) == 395
    assert days("Product Viewed") == days("behaviour") == 760
    assert days("quarantine") == 30
    assert days("receipts") == 1098
    assert days("something new", Purpose.TRAIN) == 0


def test_reach_is_the_shortest_of_all_types_and_purposes() -> None:
    """A feature over two types reads no further than both allow."""
    table = load_retention()
    assert table.reach(("Order Completed",), Purpose.MARKETING) == 1098 * DAY
    assert table.reach(("Order Completed", "Product Viewed"), Purpose.MARKETING, Purpose.TRAIN) == 395 * DAY
    assert Retention(()).reach(("Order Completed",), Purpose.MARKETING) == 0


def test_a_shop_may_shorten_and_says_why_it_keeps_longer() -> None:
    """Shorter needs nothing, longer needs a reason and ends at the maximum."""
    assert load_retention({"purchases": {"days": 365}}).days("Order Completed", Purpose.TRAIN) == 365
    one = load_retention({"purchases": {"marketing": 200}})
    assert one.days("Order Completed", Purpose.MARKETING) == 200
    assert one.days("Order Completed", Purpose.TRAIN) == 1098
    longer = load_retention({"purchases": {"days": 2000, "reason": "guarantees of five years"}})
    assert longer.days("Order Completed") == 2000
    assert longer.find("purchases").reason == "guarantees of five years"  # type: ignore[union-attr]
    assert load_retention({"behaviour": {"days": 100}}).days("Page", Purpose.MARKETING) == 100


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"purchases": {"days": 2000}}, "needs a reason"),
        ({"purchases": {"days": 9000, "reason": "because"}}, "more than the 3653"),
        ({"decisions": {"days": 30}}, "fewer than the 183"),
        ({"orders": {"days": 30}}, "there is no kind of data 'orders'"),
        ({"purchases": {"day": 30}}, "'day' is neither"),
        ({"purchases": {"days": 0}}, "number of days"),
        ({"purchases": {"days": "30"}}, "number of days"),
        ({"purchases": {"days": True}}, "number of days"),
        ({"purchases": {"days": 30, "reason": 5}}, "the reason is a text"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_by_name(chosen: dict[str, dict[str, object]], says: str) -> None:
    """The message names the row and what is possible."""
    with pytest.raises(ConfigurationError, match=says):
        load_retention(chosen)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("clock =", "clocks ="), "lacks clock"),
        (('"Page"', '"Pages"'), "no event type Pages"),
        (('"Page"', '"Order Completed"'), "stands in two rows"),
        (("else = 760, ", ""), "lack `else`"),
        (("marketing = 395", "advertising = 395"), "advertising"),
        (('clock = "log"', 'clock = "moon"'), "log or wall"),
        (("most = 760", "most = 7"), "do not lie between"),
    ],
)
def test_a_broken_table_is_refused(change: tuple[str, str], says: str) -> None:
    """Each mistake with the row it stands in."""
    text = Path("src/tillwise/privacy/retention.toml")
    source = (Path(__file__).parents[2] / text).read_text("utf-8").replace(*change, 1)
    with pytest.raises(ConfigurationError, match=says):
        load_retention(text=source)


def test_windows_end_with_the_retention_of_their_data_and_the_hash_tells() -> None:
    """The shipped table cuts nothing; a shorter one cuts windows and histories, and names another definition."""
    table = load_retention()
    assert within(churn.FEATURES, Purpose.MARKETING, table) is churn.FEATURES
    assert within(fraud.FEATURES, Purpose.FRAUD_PREVENTION, table) is fraud.FEATURES
    cut = within(churn.FEATURES, Purpose.MARKETING, load_retention({"purchases": {"days": 100}}))
    assert max(each.window for each in cut.aggregates) == 100 * DAY
    assert [each.window for each in cut.readings] == [100 * DAY]
    assert cut.hash != churn.FEATURES.hash
    nothing = within(churn.FEATURES, Purpose.MARKETING, Retention(()))
    assert {each.window for each in nothing.aggregates} == {1}


def test_a_shop_that_keeps_less_reads_less_everywhere(tmp_path: Path) -> None:
    """Use case, steps, learner and the history of lists follow the shop's own table."""
    folder = tmp_path / "shop"
    create_shop(folder)
    with (folder / "tillwise.toml").open("a", encoding="utf-8") as file:
        file.write("\n[retention.purchases]\ndays = 60\n")
    app = build_app(folder)
    use_case, learner = app.use_case("churn"), app.learners["churn"]
    assert max(each.window for each in use_case.features.aggregates) <= 60 * DAY
    assert use_case.steps.features == use_case.features  # type: ignore[attr-defined]
    assert learner.features == use_case.features  # type: ignore[attr-defined]
    assert app.use_case("recommendations").policy.history_days == 60
    app.close()


def test_a_use_case_of_the_shop_that_reads_too_far_is_refused(tmp_path: Path) -> None:
    """Its steps keep their windows to themselves, so nobody can cut them."""
    from tillwise.app.reach import within_retention  # noqa: PLC0415

    class Steps:
        pass

    own = replace(churn.USE_CASE, steps=Steps())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="shorten the windows"):
        within_retention(own, churn.LEARNER, load_retention({"purchases": {"days": 60}}))
