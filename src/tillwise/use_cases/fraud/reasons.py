"""Why a fraud score is what it is, in plain words: one phrase per column, filled with the value it had."""

from __future__ import annotations

from typing import Final

from tillwise.decisions.decision import Explain, Reason
from tillwise.models.score import Contribution, Score

TOP: Final = 3
_DAY: Final = 86_400_000
_SPAN: Final = {
    "1h": "an hour", "24h": "a day", "7d": "a week", "30d": "a month", "90d": "three months", "180d": "half a year",
    "365d": "a year",
}  # fmt: skip
_FROM: Final = {
    "subject": "by this person", "device": "from this device", "card": "with this card",
    "ip": "from this internet address", "address": "to this shipping address", "email": "with this e-mail address",
}  # fmt: skip
_KNOWN: Final = {
    "order_amount": "the amount of this order",
    "hour": "it is {v:.0f} o'clock (UTC)",
    "amount_24h_subject": "what this person tried to pay in a day",
    "mean_amount_180d_subject": "what this person usually pays",
    "max_amount_180d_subject": "the most this person paid in half a year",
    "amount_ratio": "the order is {v:.1f} times this person's usual amount",
    "rule_points": "{v:.0f} warning signs by fixed rules",
    "account_age": "the account is {d:.0f} days old",
}
_NOTHING: Final = {
    "account_age": "nobody knows how old the account is",
    "country_mismatch": "billing or shipping country is not given",
    "order_amount": "the order names no amount",
}
_ONE: Final = {"cards": "card", "devices": "device", "addresses": "address", "people": "person"}
_YES_NO: Final = {
    "country_mismatch": ("billing and shipping country differ", "billing and shipping country are the same"),
    "amount_above_max": ("larger than any order of this person before", "not larger than this person's orders before"),
    "new_device": ("this device has not paid here before", "this device has paid here before"),
    "new_card": ("this card has not paid here before", "this card has paid here before"),
    "new_address": ("nothing was sent to this address before", "orders went to this address before"),
    "first_attempt": ("this person has not paid here before", "this person has paid here before"),
    "night": ("it is night (UTC)", "it is not night (UTC)"),
    "new_everything": ("device, card and address are all new here", "device, card or address is known here"),
    **{
        f"has_{key}": (f"the order names its {noun}", f"the order names no {noun}")
        for key, noun in (("device", "device"), ("card", "card"), ("ip", "internet address"),
                          ("address", "shipping address"), ("email", "e-mail address"))
    },
}  # fmt: skip


def text_of(column: str, value: float | None) -> str:
    """Return the phrase of a column with this value."""
    if value is None:
        return _unknown(column)
    if column in _YES_NO:
        return _YES_NO[column][0 if value else 1]
    if column in _KNOWN:
        return _KNOWN[column].format(v=value, d=value / _DAY)
    kind, _, rest = column.partition("_")
    if kind == "since":
        return f"last payment attempt {_FROM[rest.rpartition('_')[2]]} {value / _DAY:.1f} days ago"
    span, _, key = rest.partition("_")
    number = f"{value:.0f}"
    return {
        "attempts": f"{number} payment {_many('attempt', value)} {_FROM[key]} in {_SPAN[span]}",
        "refused": f"{number} declined {_many('payment', value)} {_FROM[key]} in {_SPAN[span]}",
        "chargebacks": f"{number} {_many('payment', value)} {_FROM[key]} taken back by the bank in {_SPAN[span]}",
    }.get(kind) or f"{number} different {_ONE[kind] if value == 1 else kind} {_FROM[key]} in {_SPAN[span]}"


def _unknown(column: str) -> str:
    kind, _, rest = column.partition("_")
    if kind == "since":
        return f"no earlier payment attempt {_FROM[rest.rpartition('_')[2]]}"
    return _NOTHING.get(column, "nothing earlier of this person to compare with")


def _many(noun: str, value: float) -> str:
    return noun if value == 1 else f"{noun}s"


def score_reasons(score: Score, explain: Explain) -> tuple[Reason, ...]:
    """Return the score itself as a reason, and the contributions that moved it most: 3 for `top`, all for `full`.

    A weight is the contribution's share of all movement, in the model's log-odds; below 0 it lowered the risk.
    """
    if score.value is None:
        return ()
    moved = sum(abs(c.weight) for c in score.contributions)
    strongest = sorted((c for c in score.contributions if c.weight), key=lambda c: (-abs(c.weight), c.column))
    shown = strongest if explain is Explain.FULL else strongest[:TOP]
    return tuple(_reason(c, moved) for c in shown)


def _reason(contribution: Contribution, moved: float) -> Reason:
    text = text_of(contribution.column, contribution.value)
    return Reason(contribution.column, text[0].upper() + text[1:], round(contribution.weight / moved, 4))
