"""A declaration that cannot be computed exactly, or read lawfully, is refused with what to write instead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tillwise.errors import InvalidDeclaration
from tillwise.features.check import check_features
from tillwise.features.feature import DAY, HOUR, Agg, Aggregate, FeatureSet, Where
from tillwise.features.plan import Plan
from tillwise.vocabulary.purpose import Purpose

FRAUD = frozenset({Purpose.FRAUD_PREVENTION})
SPENT = Aggregate(
    "spent_30d", "subject", ("Order Completed",), Agg.SUM, 30 * DAY, "money spent on orders", of="amount",
    unit="minor", purposes=frozenset({Purpose.MARKETING, Purpose.FRAUD_PREVENTION}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "Spent"}, "no column name"),
        ({"meaning": " "}, "plain words"),
        ({"purposes": frozenset()}, "no purposes"),
        ({"categories": ()}, "no data categories"),
        ({"version": 0}, "start at 1"),
        ({"events": ()}, "names no events"),
        ({"events": ("Order Complete",)}, "did you mean 'Order Completed'"),
        ({"key": "customer"}, "no key 'customer'"),
        ({"window": 0}, "a window is between"),
        ({"window": 4000 * DAY}, "a window is between"),
        ({"key": "device"}, "only purpose is fraud_prevention"),
        ({"key": "ip", "purposes": FRAUD}, "at most 24 hours"),
        ({"key": "item", "agg": Agg.DISTINCT}, "cannot be kept exactly"),
        ({"key": "merchant", "agg": Agg.MAX}, "cannot be kept exactly"),
        ({"key": "item", "where": (Where("device", "=", 1),)}, "rows of a item have no column 'device'"),
        ({"of": None}, "needs `of`"),
        ({"agg": Agg.COUNT}, "takes no column"),
        ({"of": "amout"}, "did you mean 'amount'"),
        ({"of": "brand"}, "has no sum"),
        ({"agg": Agg.DISTINCT, "of": "device"}, "only purpose is fraud_prevention"),
        ({"where": (Where("flags", "=", 1),)}, "did you mean 'flag'"),
        ({"where": (Where("flag", "=", (1, 2)),)}, "'=' with one number"),
        ({"where": (Where("flag", "in", ()),)}, "'in' with several"),
        ({"where": (Where("flag", "like", 1),)}, "'=' with one number"),
        ({"where": (Where("flag", "=", 2**63),)}, "whole numbers"),
        ({"where": (Where("flag", "=", "1; DROP TABLE facts"),)}, "whole numbers"),
    ],
)
def test_refused_aggregates(change: dict[str, Any], says: str) -> None:
    """Each broken rule is named, and so is the feature."""
    with pytest.raises(InvalidDeclaration, match=says) as caught:
        check_features(FeatureSet("s", (replace(SPENT, **change),)))
    assert "spent_30d" in str(caught.value) or "name" in change


@pytest.mark.parametrize(
    ("features", "says"),
    [
        (FeatureSet("s", (SPENT, SPENT)), "spent_30d twice"),
        (FeatureSet("s", (SPENT,), rows=(("r", "spent_30"),)), "did you mean 'spent_30d'"),
        (FeatureSet("s", (SPENT,), rows=(("a", "b + 1"), ("b", "spent_30d"))), "no column 'b'"),
        (FeatureSet("s", (SPENT,), output=("spend_30d",)), "did you mean 'spent_30d'"),
        (FeatureSet("s", (SPENT,), output=("spent_30d", "spent_30d")), "twice"),
        (FeatureSet("s", (SPENT, replace(SPENT, name="x", purposes=frozenset({Purpose.SEARCH})))), "share no purpose"),
    ],
)
def test_refused_sets(features: FeatureSet, says: str) -> None:
    """A set is checked as a whole too, and nothing is compiled from one that fails."""
    with pytest.raises(InvalidDeclaration, match=says):
        Plan(features)


def test_a_use_case_may_only_use_features_of_its_purpose() -> None:
    """A feature that may not be read for the use case's purpose is found when it is declared, not when it is served."""
    features = FeatureSet("churn", (SPENT, replace(SPENT, name="other", purposes=FRAUD)))
    check_features(features, Purpose.FRAUD_PREVENTION)
    with pytest.raises(InvalidDeclaration, match=r"other may not be read for it: add Purpose\.MARKETING"):
        check_features(features, Purpose.MARKETING)


def test_the_hash_names_what_decides_the_value() -> None:
    """A window, version or expression changes the hash; a better wording does not."""
    plain = FeatureSet("s", (SPENT,))
    assert plain.hash == FeatureSet("s", (replace(SPENT, meaning="money spent, refunds not taken off"),)).hash
    for other in (replace(SPENT, window=HOUR), replace(SPENT, version=2)):
        assert FeatureSet("s", (other,)).hash != plain.hash
