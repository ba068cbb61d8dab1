"""Whom to win back: those for whom a message is worth more than it costs."""

from __future__ import annotations

from typing import Final

import msgspec

NONE: Final = "none"
WIN_BACK: Final = "win_back"


class ChurnPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What turns a churn probability into an action; its hash is the policy revision. Money in minor units.

    A message is worth `saved_share` × margin × the person's mean order, for each unit of churn probability;
    `saved_share` is the shop's own estimate until an uplift model is released. `quiet_days` after an order nobody is
    written to. `horizons` are the horizons that may be asked for, in days.
    """

    contact_cost: int = 10
    margin: float = 0.25
    saved_share: float = 0.03
    quiet_days: int = 14
    horizons: tuple[int, ...] = (90,)

    def threshold(self, mean_order: float) -> float:
        """Return the churn probability from which a message to this person pays; above 1 it never does."""
        worth = self.saved_share * self.margin * max(mean_order, 0.0)
        return self.contact_cost / worth if worth > 0 else 2.0
