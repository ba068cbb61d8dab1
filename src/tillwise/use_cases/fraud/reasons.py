"""Why a fraud score is what it is, in plain words: one phrase per column."""

from __future__ import annotations

from typing import Final

from tillwise.decisions.decision import Explain, Reason
from tillwise.explanations.phrases import Phrase
from tillwise.explanations.reasons import Direction, reasons
from tillwise.models.score import Score
from tillwise.use_cases.fraud.features import FEATURES

_SPAN: Final = {
    "1h": "an hour", "24h": "a day", "7d": "a week", "30d": "a month", "90d": "three months", "180d": "half a year",
    "365d": "a year",
}  # fmt: skip
_FROM: Final = {
    "subject": "by this person", "device": "from this device", "card": "with this card",
    "ip": "from this internet address", "address": "to this shipping address", "email": "with this e-mail address",
}  # fmt: skip
_ONE: Final = {"cards": "card", "devices": "device", "addresses": "address", "people": "person"}
_NAMED: Final = {
    "device": "device", "card": "card", "ip": "internet address", "address": "shipping address",
    "email": "e-mail address",
}  # fmt: skip
"""Keys an order may leave out, each with its column `has_…`."""
_NONE_BEFORE: Final = "no earlier payment of this person to compare with"
_NOT_COMPARED: Final = "the amount cannot be compared with earlier payments of this person"
_FIRST: Final = "no payment attempt of this person is known from the last half year"
_LOWERS: Final = Direction(lowers=" (lowers the risk)")


def _seen(key: str, last: str, what: str) -> dict[str, Phrase]:
    """Return how it is said whether a key is new here; of one the order does not name, only that."""
    never, needs, group = f"no {what} in the last half year", (f"has_{key}",), f"new_{key}"
    absent = f"the order names no {_NAMED[key]}"
    return {
        f"since_attempt_{key}": Phrase(
            f"{last} {{value}} ago", "duration", unknown=never, group=group, needs=needs, absent=absent
        ),
        group: Phrase(
            never, "flag", none=f"at least one {what} in the last half year", group=group, needs=needs, absent=absent
        ),
    }


PLAIN: Final[dict[str, Phrase]] = {
    "order_amount": Phrase(
        "the order is over {value}", "money", unknown="the order names no amount in the shop's currency", group="amount"
    ),
    "hour": Phrase("it is {value} o'clock (UTC)", group="hour"),
    "night": Phrase("it is night (UTC)", "flag", none="it is not night (UTC)", group="hour"),
    "amount_24h_subject": Phrase("{value} tried by this person in a day", "money", unknown=_NONE_BEFORE),
    "mean_amount_180d_subject": Phrase(
        "this person usually pays {value}", "money", unknown=_NONE_BEFORE, group="amount_ratio"
    ),
    "max_amount_180d_subject": Phrase(
        "the most this person tried to pay in half a year is {value}", "money", unknown=_NONE_BEFORE,
        group="amount_ratio",
    ),
    "amount_ratio": Phrase(
        "the order is {value} times this person's usual amount", "number", unknown=_NOT_COMPARED, group="amount_ratio"
    ),
    "amount_above_max": Phrase(
        "larger than any payment this person tried in half a year", "flag",
        none="not larger than every payment this person tried in half a year",
        unknown=_NOT_COMPARED, group="amount_ratio",
    ),
    "account_age": Phrase(
        "the account was opened {value} ago", "duration", unknown="nobody knows how old the account is"
    ),
    "since_attempt_subject": Phrase(
        "last payment attempt of this person {value} ago", "duration", unknown=_FIRST, group="first_attempt"
    ),
    "first_attempt": Phrase(
        _FIRST, "flag", none="this person tried to pay here in the last half year", group="first_attempt"
    ),
    **_seen("device", "last payment attempt from this device", "payment attempt from this device"),
    **_seen("card", "last payment attempt with this card", "payment attempt with this card"),
    **_seen("address", "last order to this shipping address", "order to this shipping address"),
    "new_everything": Phrase(
        "device, card and address are all new here", "flag", none="device, card or address is known here",
        needs=("has_device", "has_card", "has_address"),
        absent="the order does not name all of device, card and address",
    ),
    "country_mismatch": Phrase(
        "billing and shipping country differ", "flag", none="billing and shipping country are the same",
        unknown="billing or shipping country is not given",
    ),
    "rule_points": Phrase(
        "{value} warning signs by fixed rules", one="1 warning sign by fixed rules", none="no warning sign found"
    ),
    **{
        f"has_{key}": Phrase(f"the order names its {noun}", "flag", none=f"the order names no {noun}")
        for key, noun in _NAMED.items()
    },
}  # fmt: skip


def _counted(column: str) -> Phrase:
    kind, span, key = column.split("_")
    of, during = _FROM[key], _SPAN[span]
    many, one = {
        "attempts": ("payment attempts", "payment attempt"),
        "refused": ("declined payments", "declined payment"),
        "chargebacks": ("chargebacks on payments", "chargeback on a payment"),
    }.get(kind) or (f"different {kind}", _ONE[kind])
    return Phrase(
        f"{{value}} {many} {of} in {during}", one=f"1 {one} {of} in {during}", none=f"no {one} {of} in {during}",
        needs=(f"has_{key}",) if key in _NAMED else (),
        absent=f"the order names no {_NAMED[key]} to count {many} of" if key in _NAMED else None,
    )  # fmt: skip


PHRASES: Final = {column: PLAIN.get(column) or _counted(column) for column in FEATURES.columns}
"""A phrase for every column."""


def score_reasons(score: Score, explain: Explain, currency: str = "") -> tuple[Reason, ...]:
    """Return what moved the score most: the 3 strongest reasons for `top`, all for `full`, none for `none`."""
    said = reasons(
        score.contributions, PHRASES, top=None if explain is Explain.FULL else 3, currency=currency, direction=_LOWERS
    )
    return tuple(Reason(*each) for each in said)
