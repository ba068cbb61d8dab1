"""From a probability to an action: what each action would cost this order, and what the review queue can still take.

Thresholds are results of the cost table, not settings. For an order of amount a with fraud probability p:

    approve    p · (a + fee)
    challenge  p · leak · (a + fee)  +  (1 − p) · abandonment · margin · a
    review     p · miss · (a + fee)  +  (1 − p) · wrongly_stopped · margin · a  +  cost of a reviewer's time
    decline    (1 − p) · margin · a

The cheapest is taken. A review must save more the fuller the day's queue is, and none is opened beyond its capacity.
"""

from __future__ import annotations

from typing import Final

import msgspec

APPROVE: Final = "approve"
CHALLENGE: Final = "challenge"
REVIEW: Final = "review"
DECLINE: Final = "decline"
ACTIONS: Final = (APPROVE, CHALLENGE, REVIEW, DECLINE)
"""From the mildest to the strictest."""


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What going wrong costs. Money in minor units, the rest shares between 0 and 1."""

    chargeback_fee: int = 2_000
    margin: float = 0.25
    review_minute: int = 60
    review_minutes: float = 5.0
    review_misses: float = 0.15
    review_stops_good: float = 0.05
    challenge_leaks: float = 0.35
    challenge_abandonment: float = 0.06

    def of(self, probability: float, amount: float) -> dict[str, float]:
        """Return the expected cost of each action for an order, in minor units."""
        loss, profit = amount + self.chargeback_fee, self.margin * amount
        p, good = probability, 1.0 - probability
        return {
            APPROVE: p * loss,
            CHALLENGE: p * self.challenge_leaks * loss + good * self.challenge_abandonment * profit,
            REVIEW: p * self.review_misses * loss
            + good * self.review_stops_good * profit
            + self.review_minute * self.review_minutes,
            DECLINE: good * profit,
        }


class RuleLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the declared rules speak; 0 switches a rule off. Money in minor units."""

    attempts_1h_device: int = 10
    attempts_1h_card: int = 6
    refused_24h_card: int = 4
    cards_7d_device: int = 5
    people_30d_card: int = 4
    chargebacks: int = 1
    review_amount: int = 200_000
    mismatch_amount: int = 30_000


class FraudPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that turns a score into an action; its hash is the policy revision.

    `review_capacity` is how many orders people can look at in 24 hours. `random_pass_share` of the orders the score
    would decline are approved by lot (at most 0.5 %, and only up to `random_pass_amount`), so that the model can learn
    what became of them. `fail_open_amount` is the largest order approved when something failed; 0 = none.
    """

    costs: Costs = msgspec.field(default_factory=Costs)
    limits: RuleLimits = msgspec.field(default_factory=RuleLimits)
    review_capacity: int = 50
    random_pass_share: float = 0.005
    random_pass_amount: int = 5_000
    fail_open_amount: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.random_pass_share <= 0.005:
            raise ValueError("random_pass_share lies between 0 and 0.005: half a percent at most")
        if self.review_capacity < 0:
            raise ValueError("review_capacity is 0 or more")

    def choose(self, probability: float, amount: float, open_reviews: int) -> str:
        """Return the cheapest action when `open_reviews` were opened in the last 24 hours."""
        costs = self.costs.of(probability, amount)
        return min(
            (cost + (self._queue_price(open_reviews) if action == REVIEW else 0.0), ACTIONS.index(action), action)
            for action, cost in costs.items()
            if action != REVIEW or open_reviews < self.review_capacity
        )[2]

    def _queue_price(self, open_reviews: int) -> float:
        """Return what a place in the queue is worth now: nothing while it is half empty, then rising steeply."""
        used = open_reviews / self.review_capacity if self.review_capacity else 1.0
        crowded = max(0.0, used - 0.5) / max(1e-9, 1.0 - used)
        return self.costs.review_minute * self.costs.review_minutes * crowded

    def thresholds(self, amount: float, open_reviews: int = 0) -> dict[str, float]:
        """Return the lowest probability at which each action is taken for an order of this amount, for people to see.

        An action that is never the cheapest is left out.
        """
        found: dict[str, float] = {}
        for step in range(1001):
            found.setdefault(self.choose(step / 1000, amount, open_reviews), step / 1000)
        return found


def stricter(one: str, other: str) -> str:
    """Return the stricter of two actions."""
    return max(one, other, key=ACTIONS.index)
