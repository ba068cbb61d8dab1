"""An event type is a declaration: its properties, who may send it, and what its rows may be read for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tillwise.events.properties import LINE, Property
from tillwise.vocabulary.purpose import PERSONAL_PURPOSES, Purpose, mask

LINE_CODES = 1000
"""The code of a type's product lines is the type's code plus this."""
ALL_PERSONAL = frozenset((*PERSONAL_PURPOSES, Purpose.OPERATIONS))


class Sender(StrEnum):
    """The least key that may send an event: a browser's (behaviour only) or a server's."""

    BROWSER = "browser"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event.

    `code` never changes once released; `version` rises when a property changes its meaning. `purposes` is what live
    rows may be read for; imports narrow it to their declared basis. `person` False: the event has no subject and
    needs none (stock, prices). `flag` says what the type's own 0/1 measure means ("" = unused). `facts` False: the
    event is kept but feeds no feature. `one_of`: properties of which at least one is given, or the event is about
    nothing. `category` is the kind of data that it happened at all (a fideslang key): a
    product somebody looked at and one they bought are not the same data.
    """

    code: int
    name: str
    meaning: str
    properties: tuple[Property, ...]
    purposes: frozenset[Purpose]
    sender: Sender
    version: int = 1
    person: bool = True
    flag: str = ""
    facts: bool = True
    line: tuple[Property, ...] = LINE
    category: str = "user.behavior.browsing_history"
    one_of: tuple[str, ...] = ()

    @property
    def line_code(self) -> int:
        """Return the type code of this type's product lines."""
        return self.code + LINE_CODES

    @property
    def mask(self) -> int:
        """Return `purposes` as a row's permission mask."""
        return mask(self.purposes)
