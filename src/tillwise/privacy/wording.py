"""The words of the notice in five languages: files of data in `notice_words/`, all with the same keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from tillwise.errors import ConfigurationError, InvalidInput
from tillwise.vocabulary.shipped import shipped_text

LANGUAGES: Final = ("en", "de", "fr", "es", "pt")
"""ISO 639-1; the first is the one everything else falls back to."""


@dataclass(frozen=True)
class Words:
    """One language's words by group and key."""

    language: str
    groups: Mapping[str, Mapping[str, str]]

    def say(self, key: str, **values: object) -> str:
        """Return a sentence with its values."""
        return self.groups["text"][key].format(**values)

    def of(self, group: str, key: str) -> str:
        """Return a word; of a group that has `other`, that one for a key nobody translated, else the key itself."""
        words = self.groups[group]
        return words.get(key) or words.get("other") or key.replace("_", " ")

    def category(self, key: str) -> str:
        """Return a fideslang key in plain words; a more special one is told by the nearest one above it."""
        words = self.groups["category"]
        parts = key.split(".")
        for n in range(len(parts), 0, -1):
            found = words.get(".".join(parts[:n]))
            if found is not None:
                return found
        return key

    def duration(self, days: int, months: int = 0) -> str:
        """Return days, or months where a law counts months."""
        group = self.groups["duration"]
        n, one, many = (months, "month_1", "months") if months else (days, "day_1", "days")
        return group[one] if n == 1 else group[many].format(n=n)

    def list(self, parts: Sequence[str]) -> str:
        """Return parts as a list people say: a, b and c."""
        if len(parts) < 2:
            return "".join(parts)
        return ", ".join(parts[:-1]) + self.groups["text"]["and"] + parts[-1]


def words(language: str) -> Words:
    """Return the words of a language such as `de` or `de-AT`; raise InvalidInput for one that is not here."""
    found = language[:2].lower()
    if found not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise InvalidInput(f"there is no notice in '{language[:20]}': choose one of {known}", field="language")
    return _read(found)


def check_words() -> None:
    """Raise ConfigurationError when a language's file is missing or lacks a word the others have."""
    every = {language: _keys(words(language)) for language in LANGUAGES}
    for language, keys in every.items():
        for other, others in every.items():
            if missing := sorted(others - keys):
                raise ConfigurationError(f"notice_words/{language}.toml: {missing[0]} is missing; {other} has it")


def _keys(said: Words) -> frozenset[str]:
    # Names of other countries and languages differ; everything else has to be there.
    return frozenset(f"{group}.{key}" for group, own in said.groups.items() if group != "name" for key in own)


@cache
def _read(language: str) -> Words:
    text = shipped_text("tillwise.privacy", "notice_words", f"{language}.toml")
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"notice_words/{language}.toml: {error}") from None
    return Words(language, {name: group for name, group in tables.items() if isinstance(group, dict)})
