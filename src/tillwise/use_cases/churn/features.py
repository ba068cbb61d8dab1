"""What churn is judged by: how lately, how often and for how much a person buys, against their own rhythm."""

from __future__ import annotations

from typing import Final

from tillwise.features.feature import DAY, Agg, Aggregate, FeatureSet, Reading
from tillwise.vocabulary.purpose import Purpose

ORDER: Final = "Order Completed"
MEMORY: Final = 3 * 365 * DAY
"""How far back a person's orders count."""
_MARKETING: Final = frozenset({Purpose.MARKETING})
_BOUGHT: Final = ("user.behavior.purchase_history",)
_BROWSED: Final = ("user.behavior.browsing_history",)


def _count(name: str, event: str, days: int, meaning: str, categories: tuple[str, ...] = _BOUGHT) -> Aggregate:
    return Aggregate(
        name, "subject", (event,), Agg.COUNT, days * DAY, meaning, categories=categories, purposes=_MARKETING
    )


def _money(name: str, agg: Agg, days: int, meaning: str) -> Aggregate:
    return Aggregate(
        name, "subject", (ORDER,), agg, days * DAY, meaning, of="amount", unit="minor", categories=_BOUGHT,
        purposes=_MARKETING,
    )  # fmt: skip


AGGREGATES: Final = (
    *(_count(f"orders_{days}d", ORDER, days, f"orders in {days} days") for days in (14, 30, 60, 90, 180, 365)),
    _count("orders_1095d", ORDER, 1095, "orders in three years"),
    _money("spent_90d", Agg.SUM, 90, "money spent in 90 days"),
    _money("spent_365d", Agg.SUM, 365, "money spent in a year"),
    _money("mean_order_1095d", Agg.MEAN, 1095, "mean order value in three years"),
    _money("last_order", Agg.LAST, 1095, "value of the last order"),
    Aggregate(
        "since_order", "subject", (ORDER,), Agg.TIME_SINCE, MEMORY, "time since the last order", unit="ms",
        categories=_BOUGHT, purposes=_MARKETING,
    ),
    _count("refunds_365d", "Order Refunded", 365, "refunds in a year"),
    _count("views_30d", "Product Viewed", 30, "products looked at in 30 days", _BROWSED),
    _count("added_30d", "Product Added", 30, "products put into the cart in 30 days", _BROWSED),
)  # fmt: skip

REQUEST: Final = ("tenure",)
"""Milliseconds since the first order that may be read: read from the log beside the aggregates (churn/tenure.py)."""

ROWS: Final = (
    ("since_days", f"div(since_order, {DAY})"),
    ("tenure_days", f"div(tenure, {DAY})"),
    ("repeats", "orders_1095d - 1"),
    ("active_days", "tenure_days - since_days"),
    ("mean_gap", "div(active_days, repeats)"),
    ("gap_ratio", "div(since_days, clip(mean_gap, 1, 100000))"),
    ("rate", "div(repeats + 0.4, tenure_days + 30)"),
    ("log_rate", "log1p(rate * 90 - 1)"),
    ("silence", "log1p((repeats + 0.4) * (log1p(tenure_days + 29) - log1p(active_days + 29)))"),
    ("log_since", "log1p(since_days)"),
    ("log_orders", "log1p(repeats)"),
    ("log_mean_order", "log1p(mean_order_1095d)"),
    ("log_orders_30d", "log1p(orders_30d)"),
    ("log_orders_90d", "log1p(orders_90d)"),
    ("log_orders_180d", "log1p(orders_180d)"),
)
"""`rate` and `silence` are the two halves of a buy-till-you-die model: how often, and how unusual the pause is."""

FEATURES: Final = FeatureSet(
    name="churn",
    aggregates=AGGREGATES,
    request=REQUEST,
    rows=ROWS,
    meanings={
        "tenure": "milliseconds since the first order",
        "since_days": "days since the last order",
        "tenure_days": "days since the first order",
        "repeats": "orders after the first",
        "active_days": "days between first and last order",
        "mean_gap": "mean days between orders",
        "gap_ratio": "the present pause as a multiple of the usual gap between orders",
        "rate": "orders per day, held towards the usual for those with few",
        "log_rate": "the same, in logarithms",
        "silence": "how unusual the present pause is for this person's rhythm",
        "log_since": "days since the last order, in logarithms",
        "log_orders": "orders after the first, in logarithms",
        "log_mean_order": "mean order value, in logarithms",
        "log_orders_30d": "orders in 30 days, in logarithms",
        "log_orders_90d": "orders in 90 days, in logarithms",
        "log_orders_180d": "orders in 180 days, in logarithms",
    },
    categories={"tenure": _BOUGHT},
    readings=(Reading("tenure", "subject", "when a person first ordered", (ORDER,), ("at",), MEMORY),),
)
RHYTHM: Final = ("log_since", "log_orders", "log_mean_order", "log_rate", "silence", "log_orders_90d")
"""The columns of the simpler candidate: a logistic regression on a person's rhythm."""
RFM: Final = ("log_since", "log_orders", "log_mean_order")
"""The columns of the declared baseline: recency, frequency, monetary value."""
