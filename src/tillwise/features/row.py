"""The second passport: what we know, computed with a Permit in hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tillwise.vocabulary.canonical import Json

if TYPE_CHECKING:
    from tillwise.privacy.permit import Permit


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """What a decision knows. Everything `think` and `act` may use is in here, and all of it goes into the receipt.

    `values` are float32 numbers in the order of `columns` (None = unknown). `facts` is what the request itself says,
    plus what ranking needs (history, cart, candidates), as JSON. `snapshot` names the item snapshot that was read.
    """

    permit: Permit
    definition: str
    columns: tuple[str, ...]
    values: tuple[float | None, ...]
    facts: Json = field(default_factory=dict)
    snapshot: str | None = None
