"""Numbers that may leave the shop: a count about enough people is anonymous, a hash or a pseudonym never is.

The law asks whether anybody could be singled out by means reasonably likely to be used (GDPR recital 26; C-413/23 P). A
keyed hash fails that for whoever holds the key, however long it is. What passes here is a number about nobody or about
at least `smallest` people. That is a floor, not a proof: two tables that differ by one person still tell about that
person, so publish one cut of a number, not many. Nothing here adds noise (no differential privacy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tillwise.errors import InvalidInput

SMALLEST_GROUP: Final = 10
"""The people a number must be about before it leaves the shop's own screens, in documents and exports of them."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """A number about `people` people: nobody at all, or at least `smallest` of them.

    Raises InvalidInput for a smaller group, so that no other value of this type exists.
    """

    value: int
    people: int
    smallest: int = SMALLEST_GROUP

    def __post_init__(self) -> None:
        if self.smallest < 2:
            raise InvalidInput("a group of one is a person: the smallest group has at least 2 people")
        if self.people < 0 or 0 < self.people < self.smallest:
            raise InvalidInput(f"a number about {self.people} people is personal: it takes at least {self.smallest}")

    def __str__(self) -> str:
        return f"{self.value:,}".replace(",", " ")


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A number that stays inside, because too few people are behind it; not even how many is told."""

    smallest: int = SMALLEST_GROUP

    def __str__(self) -> str:
        return f"about fewer than {self.smallest} people"


Published = Anonymous | Suppressed
"""What a document may print where people are counted."""


def published(value: int, people: int, *, smallest: int = SMALLEST_GROUP) -> Published:
    """Return the number when it is about nobody or about enough people, else the fact that it is not told."""
    return Suppressed(smallest) if 0 < people < smallest else Anonymous(value, people, smallest)


def as_number(number: Published) -> int | None:
    """Return the number for a machine to read; None where it is suppressed."""
    return number.value if isinstance(number, Anonymous) else None
