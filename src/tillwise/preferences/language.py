"""What the pages say, in five languages: one file of words each, and which one somebody reads."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from tillwise.errors import ConfigurationError
from tillwise.vocabulary.shipped import shipped_text

LANGUAGES: Final[Mapping[str, str]] = {
    "en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "pt": "Português",
}  # fmt: skip
"""Code → what its speakers call it."""
DEFAULT: Final = "en"


class Words:
    """The words of one language. `words("page.title")` is a text; names in braces are filled in."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self.texts = texts
        self._months = texts["date.months"].split("|")

    def __call__(self, key: str, **values: object) -> str:
        """Return a text; a key nobody wrote is a KeyError, and a test looks for them."""
        text = self.texts[key]
        return text.format(**values) if values else text

    def known(self, room: str, name: str) -> str:
        """Return the text of a name out of an open list, such as a use case, else what stands for all others."""
        return self.texts.get(f"{room}.{name}", self.texts[f"{room}.other"])

    def day(self, at: int) -> str:
        """Write Unix milliseconds as a day in UTC."""
        return self._moment("date.day", at)

    def moment(self, at: int) -> str:
        """Write Unix milliseconds as a day and a time in UTC."""
        return self._moment("date.moment", at)

    def _moment(self, key: str, at: int) -> str:
        when = datetime.fromtimestamp(at / 1000, UTC)
        month = self._months[when.month - 1]
        return self(key, day=when.day, month=month, year=when.year, time=when.strftime("%H:%M"))


def check_words() -> None:
    """Raise ConfigurationError when a language lacks a text another one has: a page would stop at it."""
    every = {language: words_of(language).texts.keys() for language in LANGUAGES}
    for language, texts in every.items():
        for other, others in every.items():
            if missing := sorted(others - texts):
                raise ConfigurationError(f"preferences/words/{language}.toml: {missing[0]} is missing; {other} has it")


@cache
def words_of(language: str) -> Words:
    """Return the words of one of LANGUAGES."""
    text = shipped_text("tillwise.preferences", "words", f"{language}.toml")
    try:
        return Words(language, dict(_flat(tomllib.loads(text))))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"preferences/words/{language}.toml: {error}") from None
    except KeyError as error:
        raise ConfigurationError(f"preferences/words/{language}.toml: {error.args[0]} is missing") from None


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, str(value)))
    return found


def language_for(wanted: str, accepted: str) -> str:
    """Return the language of a link, else the first of an Accept-Language header (RFC 9110 12.5.4) that we have."""
    if wanted in LANGUAGES:
        return wanted
    offers = []
    for place, part in enumerate(accepted[:500].split(",")):
        name, _, weight = part.partition(";")
        code = name.strip().lower()[:2]
        if code in LANGUAGES:
            offers.append((-_weight(weight), place, code))
    return min(offers)[2] if offers else DEFAULT


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
