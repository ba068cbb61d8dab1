"""Every event type there is, by name. Adding one = one declaration in a `types_*.py` file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tillwise.errors import InvalidInput
from tillwise.events.event_type import LINE_CODES, EventType, Sender
from tillwise.events.properties import Property
from tillwise.events.types_behaviour import ACCOUNT, BEHAVIOUR
from tillwise.events.types_operations import OFFERS, OPERATIONS, REVIEWS, SERVICE
from tillwise.events.types_orders import ORDERS, PAYMENTS

_DECLARED: Final = (*BEHAVIOUR, *ACCOUNT, *ORDERS, *PAYMENTS, *SERVICE, *OPERATIONS, *REVIEWS, *OFFERS)
EVENT_TYPES: Final[Mapping[str, EventType]] = MappingProxyType({declared.name: declared for declared in _DECLARED})
"""Every type by its name."""
PROPERTIES: Final[Mapping[str, tuple[Property, ...]]] = MappingProxyType(
    {declared.name: declared.properties for declared in _DECLARED}
)
"""Every type's declared properties."""
_BY_CODE: Final = {declared.code: declared for declared in _DECLARED}


def event_type(name: str) -> EventType:
    """Return the type called `name`; raise InvalidInput naming the closest thing to do when there is none."""
    try:
        return EVENT_TYPES[name]
    except KeyError:
        raise InvalidInput(f"'{name}' is no event type: see docs/events for the list", field="event") from None


def event_code(name: str) -> int:
    """Return the code of an event's own row."""
    return event_type(name).code


def line_code(name: str) -> int:
    """Return the code of an event's product lines."""
    return event_type(name).line_code


def name_of(code: int) -> str:
    """Return the type's name for an event or line code; raise InvalidInput for a code nobody declared."""
    declared = _BY_CODE.get(code % LINE_CODES)
    if declared is None:
        raise InvalidInput(f"{code} is no event code", field="type")
    return declared.name


def purposes_of(name: str) -> int:
    """Return the mask of what live rows of this type may be read for."""
    return event_type(name).mask


def needs_server_key(name: str) -> bool:
    """Return True unless a browser key may send this type."""
    return event_type(name).sender is Sender.SERVER
