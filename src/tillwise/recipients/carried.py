"""Which category each thing that can leave with a decision belongs to.

What a decision says about a person is made of the data its features read, so it carries their categories: an inference
from purchases is as personal as the purchases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

IDENTITY: Final = "user.unique_id"
PLAIN: Final = "system.operations"
_SAYS: Final = frozenset(
    {"action", "score", "items", "result", "reasons", "reason_1", "reason_2", "reason_3", "outcome"}
)
_IDENTIFIES: Final = frozenset({"user_id", "subject", "anonymous_id"})


def categories_of(name: str, derived: Collection[str]) -> frozenset[str]:
    """Return the categories of one field of a decision; `derived` are those its use case reads."""
    if name in _IDENTIFIES:
        return frozenset({IDENTITY})
    return frozenset(derived) if name in _SAYS else frozenset({PLAIN})


def fields_that_may(names: Iterable[str], derived: Collection[str], allowed: Collection[str]) -> list[str]:
    """Return the fields all of whose categories may leave, in order."""
    free = set(allowed)
    return [name for name in names if categories_of(name, derived) <= free]


def wanted(names: Iterable[str], derived: Collection[str]) -> frozenset[str]:
    """Return every category of these fields: what the gate is asked about."""
    return frozenset(category for name in names for category in categories_of(name, derived))
