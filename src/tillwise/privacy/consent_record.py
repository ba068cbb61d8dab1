"""Records of other consent tools, read into what somebody chose per category: klaro, cookieconsent, Segment, TCF, GPP.

Category names are the shop's own; `[consent.categories]` in tillwise.toml says which purposes each one means. TCF and
GPP have fixed meanings instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from tillwise.errors import InvalidInput
from tillwise.privacy.iab import read_gpp, read_tcf
from tillwise.vocabulary.purpose import Purpose

FORMATS: Final = ("klaro", "cookieconsent", "segment", "tcf", "gpp")
_TCF: Final = {
    Purpose.RECOMMEND: frozenset({5, 6}),
    Purpose.SEARCH: frozenset({5, 6}),
    Purpose.SHARE: frozenset({3, 4}),
}
"""TCF purposes that together mean one of ours: 3 and 4 advertising profiles, 5 and 6 profiles for content."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What somebody chose: yes or no per purpose, which categories nobody mapped, when (Unix ms), which revision."""

    purposes: Mapping[Purpose, bool]
    unmapped: tuple[str, ...] = ()
    at: int | None = None
    revision: int = 0


def read_record(kind: str, record: Any, categories: Mapping[str, tuple[Purpose, ...]]) -> Chosen:
    """Read one record of a tool (one of FORMATS); raise InvalidInput when it is not what that tool writes."""
    if kind in ("tcf", "gpp"):
        if not isinstance(record, str):
            raise InvalidInput(f"a {kind} record is a text", field="record")
        return _tcf(record) if kind == "tcf" else _gpp(record)
    plain = _cookie(record) if isinstance(record, str) else record
    if not isinstance(plain, dict):
        raise InvalidInput("a consent record is a JSON object, or the cookie that holds one", field="record")
    if kind == "klaro":
        return _mapped(_flags(plain), categories)
    if kind == "segment":
        return read_segment(plain, categories)
    return _cookieconsent(plain, categories)


def read_segment(consent: Mapping[str, Any], categories: Mapping[str, tuple[Purpose, ...]]) -> Chosen:
    """Read Segment's `context.consent`: `categoryPreferences` maps category ids to true or false."""
    given = consent.get("categoryPreferences")
    if not isinstance(given, dict):
        raise InvalidInput("categoryPreferences must be an object", field="context.consent.categoryPreferences")
    return _mapped(_flags(given), categories)


def _cookieconsent(plain: dict[str, Any], categories: Mapping[str, tuple[Purpose, ...]]) -> Chosen:
    """Read the cookie of orestbida/cookieconsent: accepted categories; a mapped one that is not among them is a no."""
    accepted = plain.get("categories", plain.get("level"))
    if not isinstance(accepted, list) or not all(isinstance(name, str) for name in accepted):
        raise InvalidInput("a cookieconsent record lists its accepted categories", field="record.categories")
    revision = plain.get("revision", 0)
    if not isinstance(revision, int) or isinstance(revision, bool):
        raise InvalidInput("revision must be a whole number", field="record.revision")
    flags = {**dict.fromkeys(categories, False), **dict.fromkeys(accepted, True)}
    when = plain.get("lastConsentTimestamp", plain.get("consentTimestamp"))
    return Chosen(*_parts(flags, categories), moment(when), revision)


def _tcf(text: str) -> Chosen:
    said = read_tcf(text)
    own = said.vendors if said.publisher is None else said.publisher
    chosen = {p: needed <= (said.vendors if p is Purpose.SHARE else own) for p, needed in _TCF.items()}
    return Chosen(chosen, at=said.at)


def _gpp(text: str) -> Chosen:
    """Read the opt-outs; somebody who did not opt out has said nothing by it."""
    return Chosen({Purpose.SHARE: False} if read_gpp(text) else {})


def _mapped(flags: Mapping[str, bool], categories: Mapping[str, tuple[Purpose, ...]]) -> Chosen:
    return Chosen(*_parts(flags, categories))


def _parts(
    flags: Mapping[str, bool], categories: Mapping[str, tuple[Purpose, ...]]
) -> tuple[dict[Purpose, bool], tuple[str, ...]]:
    """Return yes or no per purpose; of several categories for one purpose every one has to say yes."""
    chosen: dict[Purpose, bool] = {}
    for name, yes in flags.items():
        for purpose in categories.get(name, ()):
            chosen[purpose] = chosen.get(purpose, True) and yes
    return chosen, tuple(sorted(name for name in flags if name not in categories))


def _flags(given: Mapping[Any, Any]) -> dict[str, bool]:
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, bool):
            raise InvalidInput(f"'{str(name)[:40]}' must be true or false", field="record")
    return dict(given)


def _cookie(text: str) -> Any:
    try:
        return msgspec.json.decode(unquote(text))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise InvalidInput("this cookie holds no JSON", field="record") from None


def moment(value: Any) -> int | None:
    """Return Unix milliseconds of an RFC 3339 text, or of a number of milliseconds; None when nothing is given."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53:
        return value
    try:
        read = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidInput("a moment is RFC 3339, such as 2026-03-01T12:00:00Z", field="at") from None
    return round((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)
