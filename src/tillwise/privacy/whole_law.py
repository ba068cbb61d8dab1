"""Is every row of the law there? A place without one of its rows would fall back to another place's, which asks less.

A table that lost a row stops the start. Not being able to tell is no reason to guess in the shop's favour.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tillwise.errors import ConfigurationError
from tillwise.privacy.jurisdictions import Jurisdictions, load_jurisdictions
from tillwise.privacy.purposes import Rule, strictness
from tillwise.vocabulary.purpose import Purpose

ASKED_OF_ALL: Final = tuple(purpose for purpose in Purpose if purpose is not Purpose.OPERATIONS)
"""Every place says something about these; operations use no personal data."""
_ON_DEVICES: Final = (Purpose.RECOMMEND, Purpose.SEARCH)
"""Uses of device history: where one has a stricter rule for visitors, so has the other."""


def check_whole(rules: Iterable[Rule], laws: Jurisdictions | None = None) -> None:
    """Raise ConfigurationError naming the place and row that is missing from purposes.toml or jurisdictions.toml."""
    laws = load_jurisdictions() if laws is None else laws
    rows = {(rule.place, rule.purpose, rule.visitor): rule for rule in rules}
    ruled = {place for place, _, _ in rows}
    known = {place for law in laws.rows for place in law.places}
    if ruled != known:
        place = sorted(ruled ^ known)[0]
        file = "purposes.toml" if place in known else "jurisdictions.toml"
        raise ConfigurationError(f"{file}: {place} has no row there, and nothing may be decided by half a law")
    for place in sorted(ruled):
        for purpose in ASKED_OF_ALL:
            if (place, purpose, False) not in rows:
                raise _missing(place, purpose.value)
        _check_visitors(place, rows)
    _check_duties(laws, rows)


def _check_visitors(place: str, rows: dict[tuple[str, Purpose, bool], Rule]) -> None:
    stricter = [
        purpose
        for purpose in _ON_DEVICES
        if (row := rows.get((place, purpose, True))) is not None
        and strictness(row.default) > strictness(rows[place, purpose, False].default)
    ]
    for purpose in _ON_DEVICES:
        if stricter and (place, purpose, True) not in rows:
            raise _missing(place, f"{purpose.value}_visitor")


def _check_duties(laws: Jurisdictions, rows: dict[tuple[str, Purpose, bool], Rule]) -> None:
    for law in laws.rows:
        for place in law.places if law.signal.duty else ():
            if "gpc" not in rows[place, Purpose.SHARE, False].signals:
                raise ConfigurationError(
                    f"purposes.toml, place {place}, purpose share: {law.name} has to honour the signal gpc"
                    " (jurisdictions.toml), but the row does not name it"
                )


def _missing(place: str, name: str) -> ConfigurationError:
    return ConfigurationError(f"purposes.toml, place {place}: the row for {name} is missing")
