"""Why a churn score is what it is, in plain words."""

from __future__ import annotations

from typing import Final

from tillwise.decisions.decision import Explain, Reason
from tillwise.models.score import Contribution, Score

TOP: Final = 3
_TEXTS: Final = {
    "since_order": "Last order {days:.0f} days ago",
    "tenure": "First order {days:.0f} days ago",
    "since_days": "Last order {v:.0f} days ago",
    "log_since": "Last order {e:.0f} days ago",
    "tenure_days": "Customer for {v:.0f} days",
    "active_days": "{v:.0f} days between first and last order",
    "mean_gap": "Usually orders every {v:.0f} days",
    "gap_ratio": "The pause is {v:.1f} times the usual gap between orders",
    "rate": "Orders about {month:.1f} times a month",
    "log_rate": "How often this person orders",
    "silence": "How unusual the present pause is for this person",
    "repeats": "{v:.0f} orders after the first",
    "log_orders": "{e:.0f} orders after the first",
    "orders_1095d": "{v:.0f} orders in three years",
    "spent_90d": "Money spent in 90 days",
    "spent_365d": "Money spent in a year",
    "mean_order_1095d": "Size of the usual order",
    "log_mean_order": "Size of the usual order",
    "last_order": "Size of the last order",
    "refunds_365d": "{v:.0f} refunds in a year",
    "views_30d": "{v:.0f} products looked at in 30 days",
    "added_30d": "{v:.0f} products put into the cart in 30 days",
    **{f"orders_{days}d": f"{{v:.0f}} orders in {days} days" for days in (14, 30, 60, 90, 180, 365)},
    **{f"log_orders_{days}d": f"{{e:.0f}} orders in {days} days" for days in (30, 90, 180)},
}


def text_of(column: str, value: float | None) -> str:
    """Return the phrase of a column with this value."""
    if value is None:
        return "Ordered once only: no rhythm to compare with" if column in ("mean_gap", "gap_ratio") else "Unknown yet"
    # columns in logarithms are shown as the number of things they stand for
    plain = 2.718281828459045 ** min(value, 40.0) - 1
    return _TEXTS[column].format(v=value, e=plain, days=value / 86_400_000, month=value * 30)


def score_reasons(score: Score, explain: Explain) -> tuple[Reason, ...]:
    """Return the contributions that moved the score most: 3 for `top`, all for `full`, each text once.

    A weight is the share of all movement, in log-odds; below 0 it speaks against churn.
    """
    moved = sum(abs(c.weight) for c in score.contributions)
    shown: dict[str, Reason] = {}
    for contribution in sorted(score.contributions, key=lambda c: (-abs(c.weight), c.column)):
        if contribution.weight and (explain is Explain.FULL or len(shown) < TOP):
            reason = _reason(contribution, moved)
            shown.setdefault(reason.text if explain is Explain.TOP else reason.code, reason)
    return tuple(shown.values())


def _reason(contribution: Contribution, moved: float) -> Reason:
    text = text_of(contribution.column, contribution.value)
    return Reason(contribution.column, text, round(contribution.weight / moved, 4))
