"""A label is an outcome turned into something to learn from, once it is certain."""

from __future__ import annotations

from dataclasses import dataclass

from tillwise.errors import InvalidDeclaration


@dataclass(frozen=True, slots=True)
class LabelDefinition:
    """What counts as a yes, and when a no may be believed. Times are log-clock milliseconds.

    A yes is one of `events`, or an outcome of one of `kinds`, that follows within `horizon` after the thing judged.
    Before `maturity` has passed nobody can know that nothing will follow: younger rows are read neither for training
    nor for metrics, their early yeses included, since a sample of only early yeses would be biased.
    """

    name: str
    meaning: str
    events: tuple[str, ...]
    horizon: int
    maturity: int
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.horizon <= 0 or self.maturity < self.horizon:
            raise InvalidDeclaration(
                f"label '{self.name}': maturity ({self.maturity}) must be at least the horizon ({self.horizon}),"
                " which must be above 0"
            )

    def mature_before(self, now: int) -> int:
        """Return the time before which something must have happened for its label to be certain at `now`."""
        return now - self.maturity
