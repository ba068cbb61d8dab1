"""Pages that list what the code declares list all of it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tillwise.events.page import event_types_page
from tillwise.settings import Settings, SinkSettings

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_event_types_is_what_is_declared() -> None:
    """docs/events.md is `event_types_page()`, word for word: write it again after a change of the declarations."""
    assert (DOCS / "events.md").read_text("utf-8") == event_types_page()


def test_every_setting_is_on_its_page() -> None:
    """A setting nobody explains is a red test."""
    text = (DOCS / "settings.md").read_text("utf-8")
    tables = {each.name: each.type for each in msgspec.structs.fields(Settings)}
    named = [f"`[{name}" for name in tables]
    named += [
        f"`{each.name}`"
        for struct in (*tables.values(), SinkSettings)
        if isinstance(struct, type) and issubclass(struct, msgspec.Struct)
        for each in msgspec.structs.fields(struct)
    ]
    assert [name for name in named if name not in text] == []
