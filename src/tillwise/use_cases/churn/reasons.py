"""Why a churn score is what it is, in plain words: one phrase per column."""

from __future__ import annotations

from typing import Final

from tillwise.decisions.decision import Explain, Reason
from tillwise.explanations.phrases import Phrase
from tillwise.explanations.reasons import Direction, reasons
from tillwise.models.score import Score
from tillwise.use_cases.churn.features import FEATURES

_DIRECTION: Final = Direction(lowers=" (speaks against leaving)")
_ONCE: Final = "ordered once only: no rhythm to compare with"
_SPANS: Final = {
    14: "two weeks",
    30: "a month",
    60: "two months",
    90: "three months",
    180: "half a year",
    365: "a year",
}


def _orders(during: str, group: str) -> Phrase:
    return Phrase(
        f"{{value}} orders in {during}", one=f"1 order in {during}", none=f"no order in {during}", group=group
    )


PHRASES: Final[dict[str, Phrase]] = {
    **{f"orders_{days}d": _orders(during, f"orders_{days}d") for days, during in _SPANS.items()},
    **{f"log_orders_{days}d": Phrase(f"orders in {_SPANS[days]}", group=f"orders_{days}d") for days in (30, 90, 180)},
    "orders_1095d": _orders("three years", "orders"),
    "repeats": Phrase("{value} orders after the first", one="1 order after the first", none=_ONCE, group="orders"),
    "log_orders": Phrase("number of orders so far", none=_ONCE, group="orders"),
    "spent_90d": Phrase("{value} spent in three months", "money", unknown="nothing spent lately", group="spent"),
    "spent_365d": Phrase("{value} spent in a year", "money", unknown="nothing spent in a year", group="spent"),
    "mean_order_1095d": Phrase("usually orders for {value}", "money", group="order_size"),
    "log_mean_order": Phrase("size of the usual order", group="order_size"),
    "last_order": Phrase("last order was over {value}", "money"),
    "since_order": Phrase("last order {value} ago", "duration", group="since_order"),
    "since_days": Phrase("last order {value} days ago", none="ordered today", group="since_order"),
    "log_since": Phrase("time since the last order", group="since_order"),
    "tenure": Phrase("first order {value} ago", "duration", group="tenure"),
    "tenure_days": Phrase("first order {value} days ago", group="tenure"),
    "active_days": Phrase("{value} days between first and last order", none=_ONCE, group="tenure"),
    "mean_gap": Phrase("usually orders every {value} days", unknown=_ONCE, group="rhythm"),
    "gap_ratio": Phrase("the pause is {value} times the usual one", "number", unknown=_ONCE, group="rhythm"),
    "silence": Phrase("how unusual the present pause is for this person", group="rhythm"),
    "rate": Phrase("how often this person orders", group="how_often"),
    "log_rate": Phrase("how often this person orders", group="how_often"),
    "refunds_365d": Phrase("{value} refunds in a year", one="1 refund in a year", none="no refund in a year"),
    "views_30d": Phrase("{value} products looked at in a month", none="no product looked at in a month"),
    "added_30d": Phrase("{value} products put into the cart in a month", none="nothing put into the cart in a month"),
}  # fmt: skip
"""A phrase for every column."""
assert set(PHRASES) == set(FEATURES.columns)  # noqa: S101 declared side by side


def score_reasons(score: Score, explain: Explain, currency: str = "") -> tuple[Reason, ...]:
    """Return what moved the score most: the 3 strongest reasons for `top`, all for `full`, none for `none`."""
    said = reasons(
        score.contributions, PHRASES, top=None if explain is Explain.FULL else 3, currency=currency,
        direction=_DIRECTION,
    )  # fmt: skip
    return tuple(Reason(*each) for each in said)
