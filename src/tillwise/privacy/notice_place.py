"""For which place a notice is made, and where else its law is the same law."""

from __future__ import annotations

from collections.abc import Collection

from tillwise.privacy.jurisdictions import load_jurisdictions
from tillwise.privacy.purposes import UNKNOWN


def notice_place(place: str, ruled: Collection[str]) -> str:
    """Return the place whose notice somebody at `place` is shown, of those with rules of their own (`ruled`).

    A region without any has its country's notice, a country without any the strictest one, that of an unknown place:
    a code nobody knows makes no notice of its own.
    """
    if place in ruled:
        return place
    country = place[:2]
    return country if any(each[:2] == country for each in ruled) else UNKNOWN


def stands_at(told: str, place: str) -> bool:
    """Return True when a notice made for `told` tells somebody at `place` the rules and rights of that place.

    That of a country tells the strictest of its regions, that of an unknown place the strictest of all. Countries under
    one law share theirs (the EU and EEA); states of one country have acts of their own.
    """
    if told in (UNKNOWN, place) or place.startswith(f"{told}-"):
        return True
    laws = load_jurisdictions()
    shared = {law.name for law in laws.rows if "-" not in told and told in law.places and place[:2] in law.places}
    return {law.name for law in laws.at(place)} <= shared
