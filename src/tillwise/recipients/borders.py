"""Borders as data: what a place asks before its people's data leave it, and where they have to stay.

Pure: rows, a vendor's record and a day in; causes out. The rows lie in `borders.toml` and `adequacy.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Final, Literal

import msgspec

from tillwise.errors import ConfigurationError
from tillwise.privacy.jurisdictions import Confidence, Jurisdictions, Kind, load_jurisdictions
from tillwise.recipients.vendor import Mechanism, Vendor, day_of
from tillwise.vocabulary.shipped import sealed_text

STALE_DAYS: Final = 180
_DAY: Final = 86_400_000


class Adequacy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One finding that a country protects data as well; `certificate` where only certified organisations are meant."""

    of: str
    country: tuple[str, ...]
    decision: str
    scope: str
    source: str
    confidence: Confidence
    reviewed: date
    certificate: str = ""
    valid_from: date = date.min
    valid_to: date = date.max


class Border(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one law asks before data leave its places."""

    places: tuple[str, ...]
    adequacy_of: str
    mechanisms: tuple[Mechanism, ...]
    separate_consent: bool
    localised: Literal["always", "unless_exempt", "if_designated", "no"]
    stores: tuple[str, ...]
    source: str
    kind: Kind
    confidence: Confidence
    reviewed: date


_NOWHERE: Final = Border(
    places=(), adequacy_of="", separate_consent=False, localised="no", stores=(), kind="ethics",
    mechanisms=("scc", "bcr", "idta", "addendum", "contract", "certificate", "security_assessment", "assessment",
                "accountability", "consent"),
    source="nobody wrote a row for this place: the strictest is asked", confidence="uncertain", reviewed=date.min,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Borders:
    """Every row. `designated` countries told this shop to keep their data; `exempt` says why others do not bind it."""

    rows: tuple[Border, ...]
    adequate: tuple[Adequacy, ...]
    jurisdictions: Jurisdictions
    designated: frozenset[str] = frozenset()
    exempt: Mapping[str, str] = field(default_factory=dict)

    def at(self, place: str) -> tuple[Border, ...]:
        """Return the rows that may hold at a place: its own, its country's, or all of a country without a region."""
        exact = [row for row in self.rows if place in row.places]
        if exact and "-" not in place:
            exact += [row for row in self.rows if any(each.startswith(f"{place}-") for each in row.places)]
        if not exact and "-" in place:
            exact = [row for row in self.rows if place[:2] in row.places]
        if exact:
            return tuple(exact)
        return () if self._known(place) else (_NOWHERE,)

    def obstacle(self, vendor: Vendor, place: str, day: date) -> str:
        """Return the cause why data of this place may not go to a vendor by its record; "" when they may."""
        abroad = [(row, country) for row in self.at(place) for country in _away(vendor, place, row)]
        asking = [(row, country) for row, country in abroad if row.mechanisms]
        if not asking:
            return ""
        transfer = vendor.transfer
        if transfer is None or transfer.mechanism == "none_needed":
            return "transfer_missing"
        if not transfer.holds(day):
            return "transfer_expired"
        if any(transfer.mechanism not in row.mechanisms for row, _ in asking):
            return "transfer_not_accepted"
        if transfer.mechanism == "adequacy":
            return next((why for row, country in asking if (why := self._inadequate(vendor, row, country, day))), "")
        return ""

    def consents(self, vendor: Vendor, place: str) -> frozenset[str]:
        """Return the countries this place's people must each have said yes to before their data go to the vendor."""
        asked: set[str] = set()
        chosen = vendor.transfer is not None and (
            vendor.transfer.separate_consent or vendor.transfer.mechanism == "consent"
        )
        for row in self.at(place) or (_NOWHERE,):
            if chosen or row.separate_consent:
                asked.update(country[:2] for country in _away(vendor, place, row))
        return frozenset(asked)

    def stores(self, place: str) -> tuple[str, ...]:
        """Return the regions whose stores may hold data of this place; nothing means any."""
        found: tuple[str, ...] = ()
        for row in self.at(place):
            if row.localised == "always" or (
                (row.localised == "if_designated" and place[:2] in self.designated)
                or (row.localised == "unless_exempt" and place[:2] not in self.exempt)
            ):
                found += row.stores
        return found

    def stays(self, place: str, region: str) -> bool:
        """Return True when data of this place may not be held by a store of this region ("" = nobody said where)."""
        homes = self.stores(place)
        return bool(homes) and region not in homes

    def unreviewed(self, wall: int) -> list[str]:
        """Name the rows nobody has read again for 180 days, for `doctor`."""
        limit = day_of(wall - STALE_DAYS * _DAY)
        old = [f"border of {', '.join(row.places[:3])}" for row in self.rows if row.reviewed < limit]
        return old + [f"adequacy {row.decision} of {row.of}" for row in self.adequate if row.reviewed < limit]

    def _known(self, place: str) -> bool:
        return any(known[:2] == place[:2] for row in self.jurisdictions.rows for known in row.places)

    def _inadequate(self, vendor: Vendor, row: Border, country: str, day: date) -> str:
        found = [
            each
            for each in self.adequate
            if each.of == row.adequacy_of and country[:2] in each.country and each.valid_from <= day < each.valid_to
        ]
        if not found:
            return "not_adequate"
        certified = any(not each.certificate or _certified(vendor, each.certificate, day) for each in found)
        return "" if certified else "certificate_missing"


def region_countries(region: str) -> str:
    """Return the country a store region lies in: `us` → US; "" for `eu`, which is no single country, and for none."""
    return "" if region in ("", "eu") else region.upper()[:2]


def _away(vendor: Vendor, place: str, row: Border) -> list[str]:
    """Return the countries beyond this row's places that a vendor, its store or those it hands on to stand in."""
    countries = [vendor.country, region_countries(vendor.region), *(each.country for each in vendor.sub_processors)]
    inside = {each[:2] for each in row.places} | {place[:2]}
    if "-" in place and place in row.places:  # the province itself is the border
        return sorted({country for country in countries if country and country != place})
    return sorted({country for country in countries if country and country[:2] not in inside})


def _certified(vendor: Vendor, certificate: str, day: date) -> bool:
    return any(certificate in each.kind and each.holds(day) for each in vendor.evidence)


class _Borders(msgspec.Struct, forbid_unknown_fields=True):
    border: tuple[Border, ...]


class _Adequacies(msgspec.Struct, forbid_unknown_fields=True):
    adequacy: tuple[Adequacy, ...]


def load_borders(designated: Collection[str] = (), exempt: Mapping[str, str] | None = None) -> Borders:
    """Return the rows shipped with tillwise as they bind this shop; raise ConfigurationError for an odd exemption."""
    rows, adequate = _shipped()
    for country, why in (exempt or {}).items():
        if not why.strip():
            raise ConfigurationError(f"tillwise.toml [borders] exempt: say why {country} does not bind this shop")
        if not any(country in row.places and row.localised == "unless_exempt" for row in rows):
            raise ConfigurationError(f"tillwise.toml [borders] exempt: the law of {country} knows no such exemption")
    for country in designated:
        if not any(country in row.places and row.localised == "if_designated" for row in rows):
            raise ConfigurationError(f"tillwise.toml [borders] designated: no row of {country} depends on that")
    return Borders(rows, adequate, load_jurisdictions(), frozenset(designated), dict(exempt or {}))


def read_borders(borders: str, adequacy: str) -> tuple[tuple[Border, ...], tuple[Adequacy, ...]]:
    """Read the two tables; raise ConfigurationError naming the file and what is wrong in it."""
    try:
        rows = msgspec.convert(tomllib.loads(borders), _Borders).border
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"borders.toml: {error}") from None
    try:
        adequate = msgspec.convert(tomllib.loads(adequacy), _Adequacies).adequacy
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"adequacy.toml: {error}") from None
    _check_twice("borders.toml", (place for row in rows for place in row.places))
    for border in rows:
        if (border.localised == "no") == bool(border.stores):
            raise ConfigurationError(f"borders.toml, {border.places}: localised and stores contradict each other")
    return rows, adequate


def _check_twice(file: str, places: Iterable[str]) -> None:
    seen: set[str] = set()
    for place in places:
        if place in seen:
            raise ConfigurationError(f"{file}: {place} stands in two rows")
        seen.add(place)


@cache
def _shipped() -> tuple[tuple[Border, ...], tuple[Adequacy, ...]]:
    texts = [sealed_text("tillwise.recipients", name) for name in ("borders.toml", "adequacy.toml")]
    return read_borders(*texts)
