"""How far a long job is. The command line draws it; a job only says it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener to a job's steps."""

    def start(self, total: int, label: str) -> None:
        """Begin a step of `total` units (0 when unknown), named in plain words; it ends the step before it."""
        ...

    def advance(self, units: int = 1) -> None:
        """Say that `units` more are done."""
        ...


class Silent:
    """A listener that says nothing."""

    def start(self, total: int, label: str) -> None:
        """Ignore the step."""

    def advance(self, units: int = 1) -> None:
        """Ignore the units."""
