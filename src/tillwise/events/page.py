"""The page that documents every event type, written from the declarations: an analyst reads it, nobody maintains it."""

from __future__ import annotations

from tillwise.events.event_type import EventType, Sender
from tillwise.events.properties import LINE, Kind, Property
from tillwise.events.types import EVENT_TYPES

_HEADER = (
    "| property | also called | kind | category | sensitivity | unit | feeds | meaning |",
    "|---|---|---|---|---|---|---|---|",
)


def event_types_page() -> str:
    """Return a Markdown page: each type with its code, sender, purposes and properties."""
    parts = [
        "# Event types",
        "Names follow the Segment e-commerce specification. Data categories are keys of the fideslang taxonomy. "
        "What is not declared here is not stored. Amounts are sent as decimals in major units, kept as minor units.",
        "## A line of `products`",
        _table(LINE),
    ]
    parts.extend(_section(declared) for declared in EVENT_TYPES.values())
    return "\n\n".join(parts) + "\n"


def _section(declared: EventType) -> str:
    sender = "a browser or a server key" if declared.sender is Sender.BROWSER else "a server key"
    purposes = ", ".join(sorted(purpose.value for purpose in declared.purposes))
    about = [
        f"{declared.meaning[:1].upper()}{declared.meaning[1:]}.",
        f"Code {declared.code}, version {declared.version}; sent with {sender}; readable for {purposes}.",
    ]
    if any(each.kind is Kind.LINES for each in declared.properties):
        about.append(f"Its lines have the code {declared.line_code}.")
    if declared.flag:
        about.append(f"`flag`: {declared.flag}.")
    if declared.one_of:
        about.append(f"At least one of {', '.join(f'`{name}`' for name in declared.one_of)} is required.")
    if not declared.person:
        about.append("It is about a thing: no person is stored with it.")
    properties = _table(declared.properties) if declared.properties else "It has no properties."
    return f"## {declared.name}\n\n{' '.join(about)}\n\n{properties}"


def _table(properties: tuple[Property, ...]) -> str:
    return "\n".join((*_HEADER, *(_row(each) for each in properties)))


def _row(declared: Property) -> str:
    others = [f"`{name}`" for name in declared.names[1:]]
    if declared.context:
        others.append(f"`context.{declared.context}`")
    feeds = f"`{declared.column}`" if declared.column else "body" if declared.stored else "not kept"
    name = f"`{declared.name}`{' (required)' if declared.required else ''}"
    cells = (name, ", ".join(others), declared.kind, declared.category, declared.sensitivity, declared.unit, feeds)
    return f"| {' | '.join(cells)} | {declared.meaning} |"
