"""The words of the notice: five languages that say the same, for everything that may have to be said."""

from __future__ import annotations

import string

import pytest

from tillwise.documents.stores import tables
from tillwise.errors import InvalidInput
from tillwise.events.types import EVENT_TYPES
from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.notice import USUAL
from tillwise.privacy.purposes import Default
from tillwise.privacy.wording import LANGUAGES, words
from tillwise.recipients.vendor import Vendor
from tillwise.rights.holders import STAYS
from tillwise.vocabulary.purpose import Purpose


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_and_places_for_values(language: str) -> None:
    """A key or a value that one translation forgot would fail in that language only: here it fails at once."""
    english, here = words("en").groups, words(language).groups
    assert here.keys() == english.keys()
    for group, said in english.items():
        assert here[group].keys() == said.keys(), group
        for key, text in said.items():
            assert _fields(here[group][key]) == _fields(text), f"{language} {group}.{key}"
            assert here[group][key].strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_was_left_in_english(language: str) -> None:
    """Whole sentences differ from the English ones."""
    if language != "en":
        same = [key for key, text in words("en").groups["text"].items() if words(language).groups["text"][key] == text]
        assert set(same) <= {"and", "controller", "recipient", "counts"}


def test_everything_that_may_have_to_be_said_has_words() -> None:
    """Purposes, defaults, rights of every place, event types, every data category of properties and tables."""
    said = words("en").groups
    assert {purpose.value for purpose in USUAL} == said["purpose"].keys()
    assert {default.value for default in Default} <= said["ask"].keys()
    assert {right for row in load_jurisdictions().rows for right in row.rights.list} <= said["right"].keys()
    assert EVENT_TYPES.keys() <= said["event"].keys()
    for declared in EVENT_TYPES.values():
        for category in (declared.category, *(each.category for each in declared.properties)):
            assert category.startswith("system") or category in said["category"], category
    roles = Vendor.__annotations__["role"]
    assert roles
    assert {"processor", "controller", "joint"} == said["role"].keys()


def test_the_notice_says_what_outlives_an_erasure() -> None:
    """Four kinds of marks stay: whoever adds a fifth changes the sentence in five languages, and this test."""
    assert STAYS.keys() == {"dedupe", "tombstones", "audit_runs", "rights_requests"}
    assert STAYS.keys() <= tables().keys()


def test_an_unknown_language_is_refused_by_name() -> None:
    """The answer names those there are; a region is read as its language."""
    assert words("de-AT").language == "de"
    with pytest.raises(InvalidInput, match="en, de, fr, es, pt"):
        words("tlh")


def test_a_special_category_is_told_by_the_nearest_word_above_it() -> None:
    """A shop's own key below a known one is not printed raw."""
    assert words("en").category("user.behavior.media") == words("en").category("user.behavior")
    assert Purpose.OPERATIONS not in USUAL
