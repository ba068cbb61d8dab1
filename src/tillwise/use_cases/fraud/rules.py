"""The declared rules around the model: each one is a column, a limit, the mildest action it allows, and its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tillwise.decisions.decision import Reason
from tillwise.use_cases.fraud.policy import APPROVE, CHALLENGE, DECLINE, REVIEW, RuleLimits, stricter

Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that speaks makes the action at least `action`. `test` gives the number to show, or None for silence."""

    code: str
    action: str
    test: Callable[[Values, RuleLimits], float | None]
    text: str
    request_only: bool = False


def _at_least(column: str, limit: Callable[[RuleLimits], int]) -> Callable[[Values, RuleLimits], float | None]:
    def test(values: Values, limits: RuleLimits) -> float | None:
        value, least = values.get(column), limit(limits)
        return value if value is not None and least > 0 and value >= least else None

    return test


def _chargebacks(values: Values, limits: RuleLimits) -> float | None:
    columns = ("chargebacks_365d_card", "chargebacks_180d_device", "chargebacks_365d_subject")
    worst = max(values.get(column) or 0.0 for column in columns)
    return worst if limits.chargebacks and worst >= limits.chargebacks else None


def _mismatch(values: Values, limits: RuleLimits) -> float | None:
    amount = values.get("order_amount") or 0.0
    if values.get("country_mismatch") == 1.0 and limits.mismatch_amount and amount >= limits.mismatch_amount:
        return amount
    return None


def _foreign(values: Values, limits: RuleLimits) -> float | None:
    return 1.0 if values.get(FOREIGN) else None


FOREIGN: Final = "foreign_currency"
"""Says, beside the columns, that the order is in another currency than the shop's."""
RULES: Final = (
    Rule("velocity_cap", REVIEW, _at_least("attempts_1h_device", lambda x: x.attempts_1h_device),
         "{n:.0f} payment attempts from this device in an hour"),
    Rule("card_velocity_cap", DECLINE, _at_least("attempts_1h_card", lambda x: x.attempts_1h_card),
         "{n:.0f} payment attempts with this card in an hour"),
    Rule("refused_card", DECLINE, _at_least("refused_24h_card", lambda x: x.refused_24h_card),
         "this card was declined {n:.0f} times in a day"),
    Rule("cards_on_device", REVIEW, _at_least("cards_7d_device", lambda x: x.cards_7d_device),
         "{n:.0f} different cards were used on this device in a week"),
    Rule("people_on_card", REVIEW, _at_least("people_30d_card", lambda x: x.people_30d_card),
         "{n:.0f} different people paid with this card in a month"),
    Rule("chargeback_history", REVIEW, _chargebacks,
         "the bank took back {n:.0f} earlier payments of this card, device or person"),
    Rule("large_order", REVIEW, _at_least("order_amount", lambda x: x.review_amount),
         "the order is larger than the limit above which people look", request_only=True),
    Rule("country_mismatch", CHALLENGE, _mismatch,
         "billing and shipping country differ on a large order", request_only=True),
    Rule(FOREIGN, REVIEW, _foreign,
         "the order is in another currency than the shop's, so its amount could not be judged", request_only=True),
)  # fmt: skip
"""In the order in which their reasons are shown."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the rules said: the mildest action they allow together, and why."""

    action: str
    codes: tuple[str, ...]
    reasons: tuple[Reason, ...]


def apply(values: Values, limits: RuleLimits, *, request_only: bool = False) -> Spoken:
    """Run the rules; with `request_only` just those that need nothing but the order itself."""
    action, codes, reasons = APPROVE, [], []
    for rule in RULES:
        if request_only and not rule.request_only:
            continue
        shown = rule.test(values, limits)
        if shown is not None:
            action = stricter(action, rule.action)
            codes.append(rule.code)
            reasons.append(Reason(rule.code, rule.text.format(n=shown), 1.0))
    return Spoken(action, tuple(codes), tuple(reasons))
