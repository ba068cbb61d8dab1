"""From event to decision: derived from declarations, down to the property."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

from lived_shop import order, send

from tillwise.app import App
from tillwise.documents.described import answering
from tillwise.documents.flow import flow
from tillwise.documents.lineage import PSEUDONYM, lineage
from tillwise.documents.observed import observe
from tillwise.documents.uses import lineages
from tillwise.events.types import event_code, line_code
from tillwise.features.feature import DAY, Agg, Aggregate
from tillwise.use_cases import fraud, recommendations
from tillwise.use_cases.recommendations.history import KINDS, readings
from tillwise.vocabulary.purpose import Purpose


def test_a_feature_leads_back_to_the_properties_it_reads() -> None:
    """Key, measure and condition: each is a column, each column is fed by declared properties."""
    known = lineage(fraud.USE_CASE)
    by_name = {each.name: each for each in known.inputs}
    refused = by_name["refused_24h_card"]
    assert {(s.event, s.name) for s in refused.sources} == {
        ("Payment Attempted", "card_hash"), ("Payment Attempted", "status"),
    }  # fmt: skip
    assert "user.financial.credit_card" in refused.categories
    assert PSEUDONYM in by_name["amount_24h_subject"].categories
    assert by_name["new_everything"].inputs == ("new_device", "new_card", "new_address")
    assert {each.name for each in known.base("new_everything")} == {
        "has_device", "since_attempt_device", "has_card", "since_attempt_card", "has_address", "since_attempt_address",
    }  # fmt: skip


def test_no_column_of_tillwise_itself_is_untagged(app: App) -> None:
    """Every feature, reading and request value says what kind of data it is."""
    bare = [i.name for known in lineages(app.described).values() for i in known.inputs if not i.tagged]
    assert bare == []


def test_what_somebody_bought_is_not_what_they_looked_at() -> None:
    """The same property means more in an order than in a view; the event decides."""
    known = {each.name: each for each in lineage(recommendations.USE_CASE).inputs}
    assert known["looked_at"].categories == ("user.behavior.browsing_history", PSEUDONYM)
    assert known["bought"].categories == ("user.behavior.purchase_history", PSEUDONYM)


def test_the_declared_readings_are_those_the_sql_reads() -> None:
    """The history's SQL takes its event types from KINDS; the declaration must name the same."""
    named = {(line_code if each.lines else event_code)(event) for each in readings(30) for event in each.events}
    assert named == set(KINDS)


def test_a_new_feature_brings_its_data_along() -> None:
    """A shop's own feature over searches adds searches, with nothing else to write."""
    extra = Aggregate(
        "searches_7d", "subject", ("Products Searched",), Agg.COUNT, 7 * DAY, "searches in a week",
        categories=("user.behavior",), purposes=frozenset({Purpose.FRAUD_PREVENTION}),
    )  # fmt: skip
    features = replace(fraud.FEATURES, aggregates=(*fraud.FEATURES.aggregates, extra))
    more = lineage(replace(fraud.USE_CASE, features=features))
    assert set(more.categories) - set(lineage(fraud.USE_CASE).categories) == {"user.behavior.search_history"}


def test_documentation_changes_no_model_name() -> None:
    """Categories and readings decide no value: the definition's hash, which models carry, stays."""
    bare = replace(fraud.FEATURES, categories={}, readings=())
    assert bare.hash == fraud.FEATURES.hash


def test_the_picture_is_well_formed_and_holds_every_use_case(app: App) -> None:
    """One svg, no script, no link to anywhere, a group per box, bands per use case."""
    send(app, order("u-1", 1))
    with app.store.snapshot() as snapshot:
        known = lineages(app.described)
        picture = flow(known, answering(app.described, snapshot), observe(app.described, snapshot))
    root = ElementTree.fromstring(picture)
    assert root.tag == "svg"
    assert "script" not in picture
    assert "http" not in picture
    for index in range(len(known)):
        assert f'class="band u{index}' in picture
    boxes = [node for node in root.iter("rect") if node.get("class") == "box"]
    for column in {box.get("x") for box in boxes}:
        tops = sorted(float(box.get("y") or 0) for box in boxes if box.get("x") == column)
        assert all(b - a >= 44 for a, b in pairwise(tops)), "boxes overlap"
