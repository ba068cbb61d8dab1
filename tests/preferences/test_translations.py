"""Five languages say the same things, and no page says anything that is not translated."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files
from string import Formatter

import pytest

from tillwise.preferences.language import LANGUAGES, words_of
from tillwise.preferences.pages import ROOMS
from tillwise.preferences.switches import _CAUSES
from tillwise.rights.history import REMOVABLE
from tillwise.rights.request import Kind, State
from tillwise.vocabulary.purpose import Purpose

TEMPLATES = files("tillwise.preferences").joinpath("templates")
SPOKEN = ("alt", "title", "placeholder", "aria-label")
JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_stands_in_every_language(language: str) -> None:
    """The same keys, the same blanks to fill, nothing empty, twelve months."""
    english, own = words_of("en").texts, words_of(language).texts

    assert own.keys() == english.keys()
    assert {key for key in english if names(own[key]) != names(english[key])} == set()
    assert [key for key, text in own.items() if not text.strip()] == []
    assert len(own["date.months"].split("|")) == 12


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_sentences_are_translated_and_not_copied(language: str) -> None:
    """No text of more than two words is the English one."""
    english, own = words_of("en").texts, words_of(language).texts
    copied = [key for key, text in own.items() if text == english[key] and len(JINJA.sub("", text).split()) > 2]

    assert [key for key in copied if key not in ("date.day", "date.moment")] == []


def test_every_name_a_page_may_meet_has_words() -> None:
    """Purposes, causes, events, requests: a new one without words is a red test, not a broken page."""
    texts = words_of("en").texts
    wanted = [f"purpose.{each}.{part}" for each in Purpose if each is not Purpose.OPERATIONS
              for part in ("name", "what", "data")]  # fmt: skip
    wanted += [f"state.{cause}" for cause in _CAUSES]
    wanted += [f"event.{name.lower().replace(' ', '_')}" for name in REMOVABLE]
    wanted += [f"kind.{kind}" for kind in Kind] + [f"progress.{state}" for state in State]
    wanted += [f"page.{room}" for room in ROOMS]

    assert [key for key in wanted if key not in texts] == []


class Seen(HTMLParser):
    """Collects what a reader sees or hears of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words += re.findall(r"[^\W\d_]{2,}", data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in SPOKEN and value:
                self.words += re.findall(r"[^\W\d_]{2,}", value)


@pytest.mark.parametrize("name", sorted(each.name for each in TEMPLATES.iterdir()))
def test_no_template_says_anything_untranslated(name: str) -> None:
    """Whatever a template prints as words comes from the words of a language."""
    seen = Seen()
    seen.feed(JINJA.sub("", TEMPLATES.joinpath(name).read_text("utf-8")))

    assert seen.words == []


def test_every_key_of_a_template_is_written() -> None:
    """A template asks for no key that nobody wrote, and no key is left that nothing asks for."""
    texts = words_of("en").texts
    sources = [each.read_text("utf-8") for each in TEMPLATES.iterdir()]
    asked = {key for text in sources for key in re.findall(r'\bt\("([\w.]+)"', text) if not key.endswith(".")}

    assert asked - texts.keys() == set()
