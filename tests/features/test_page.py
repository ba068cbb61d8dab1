"""The page says what the declarations say, every column of them, and escapes what a shop writes."""

from __future__ import annotations

import random
from dataclasses import replace

from oracle import random_features

from tillwise.features.feature import DAY, HOUR, FeatureSet
from tillwise.features.page import feature_page, feature_page_html, words_for


def test_every_column_is_on_the_page() -> None:
    """No feature of a set is missing, nor its hash, in either form."""
    features = replace(
        random_features(random.Random(3), 20), request=("amount",), rows=(("amount_log", "log1p(amount)"),),
        meanings={"amount": "what the order costs"},
    )  # fmt: skip
    for page in (feature_page([features]), feature_page_html([features])):
        assert features.hash in page
        assert "what the order costs" in page
        assert all(name in page for name in features.columns)


def test_text_cannot_become_markup() -> None:
    """A meaning with markup or a table's bar stays text."""
    features = random_features(random.Random(3), 1)
    named = FeatureSet("s", (replace(features.aggregates[0], meaning="<script>a|b"),))
    assert "<script>" not in feature_page_html([named])
    assert "a\\|b" in feature_page([named])


def test_windows_read_as_people_say_them() -> None:
    """The largest unit that fits is used."""
    assert [words_for(w) for w in (30 * DAY, DAY, 36 * HOUR, 90_000, 7)] == [
        "30 days", "1 day", "36 hours", "90 seconds", "7 milliseconds"
    ]  # fmt: skip
