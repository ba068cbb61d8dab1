"""Imports a file of consents from another tool: every line is read before the first is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tillwise.audit.log import enter_act
from tillwise.errors import InvalidInput
from tillwise.events.people import pseudonym_for
from tillwise.privacy.consent_record import FORMATS, Chosen, moment, read_record
from tillwise.privacy.elsewhere import Origin, read_categories, take_over
from tillwise.privacy.gate import place_of
from tillwise.settings import ConsentSettings, Secrets
from tillwise.vocabulary.clock import LogClock
from tillwise.vocabulary.store import Store, Transaction

__all__ = ["FORMATS", "Imported", "import_consents"]
LONGEST_LINE: Final = 65_536
_TOGETHER: Final = 500
_MOST_COUNTS: Final = 100
_Id = Annotated[str, Meta(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class Imported:
    """What is said of a whole file. Yeses on a `revision` of the text older than this one are left out."""

    kind: str
    notice: str = ""
    evidence: str = ""
    place: str = ""
    revision: int = 0


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    record: Any
    subject: _Id | None = None
    anonymous_id: _Id | None = None
    place: Annotated[str, Meta(pattern="^([A-Za-z]{2}(-[A-Za-z0-9]{1,3})?)?$")] = ""
    at: str | int | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    user_id: str
    anonymous: bool
    chosen: Chosen
    origin: Origin


_line: Final = msgspec.json.Decoder(_Line)


def import_consents(
    store: Store, secrets: Secrets, clock: LogClock, settings: ConsentSettings, about: Imported, file: Path
) -> dict[str, int]:
    """Import a file of JSON Lines; return how often what was done.

    Raises InvalidInput naming the first line that cannot be read; then nothing of the file was imported. Importing the
    same file again changes nothing. It is read twice and never held whole.
    """
    counts: Counter[str] = Counter()
    for each in _read_all(clock, settings, about, file):
        counts["lines"] += 1
        if len(counts) < _MOST_COUNTS:
            counts.update(f"category not mapped: {name[:60]}" for name in each.chosen.unmapped[:_MOST_COUNTS])
    checked = _read_all(clock, settings, about, file)
    while part := list(islice(checked, _TOGETHER)):
        counts += store.commit(partial(_write, secrets=secrets, clock=clock, part=part)).result()
    act = {"tool": about.kind, "notice": about.notice, "evidence": about.evidence, **counts}
    store.commit(lambda transaction: enter_act(transaction, "consent.import", act)).result()
    return dict(counts)


def _write(transaction: Transaction, *, secrets: Secrets, clock: LogClock, part: list[_Read]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for each in part:
        person = pseudonym_for(transaction, secrets, each.user_id, anonymous=each.anonymous)
        counts += take_over(transaction, person, each.chosen, each.origin, clock.now())
    return counts


def _read_all(clock: LogClock, settings: ConsentSettings, about: Imported, file: Path) -> Iterator[_Read]:
    categories = read_categories(settings.purposes())
    with file.open("rb") as lines:
        for number, text in enumerate(iter(lambda: lines.readline(LONGEST_LINE + 1), b""), 1):
            if not text.strip():
                continue
            try:
                yield _read(clock, about, read_line(text), categories)
            except InvalidInput as error:
                raise InvalidInput(f"line {number}: {error}", field=error.field) from None


def read_line(text: bytes) -> _Line:
    """Read one line; raise InvalidInput when it is too long, no JSON, or names nobody or two people."""
    if len(text) > LONGEST_LINE:
        raise InvalidInput(f"a line has at most {LONGEST_LINE} bytes")
    try:
        line = _line.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidInput(str(error)) from None
    if (line.subject is None) is (line.anonymous_id is None):
        raise InvalidInput("a line names either subject or anonymous_id", field="subject")
    return line


def _read(clock: LogClock, about: Imported, line: _Line, categories: Any) -> _Read:
    chosen = read_record(about.kind, line.record, categories)
    if about.kind == "cookieconsent" and chosen.revision < about.revision:
        noes = {purpose: yes for purpose, yes in chosen.purposes.items() if not yes}
        chosen = replace(chosen, purposes=noes)
    at = moment(line.at)
    at = chosen.at if at is None else at
    place = place_of(line.place) if line.place else about.place
    origin = Origin(about.kind, about.notice, about.evidence, place, None if at is None else at + clock.offset)
    anonymous = line.subject is None
    return _Read(line.anonymous_id or line.subject or "", anonymous, chosen, origin)
