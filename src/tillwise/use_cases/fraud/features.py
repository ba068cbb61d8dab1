"""What fraud is judged by: velocity, sharing, mismatch, age and chargebacks, per person-like key."""

from __future__ import annotations

from typing import Final, NamedTuple

from tillwise.features.feature import DAY, HOUR, Agg, Aggregate, FeatureSet, Key, Reading, Where
from tillwise.vocabulary.codes import code_of
from tillwise.vocabulary.purpose import Purpose

ATTEMPT: Final = "Payment Attempted"
CHARGEBACK: Final = "Chargeback Received"
REFUSED: Final = tuple(code_of(status) for status in ("declined", "failed", "refused"))
"""Statuses of an attempt that did not go through."""
KEYS: Final[tuple[Key, ...]] = ("subject", "device", "card", "ip", "address", "email")
_FRAUD: Final = frozenset({Purpose.FRAUD_PREVENTION})
_PAYMENT: Final = ("user.payment", "user.behavior.purchase_history")
_DEVICE: Final = ("user.payment", "user.device")


class _Many(NamedTuple):
    """The name of a window and its length."""

    label: str
    window: int


H1, H24, D7, D30, D90, D180, D365 = (
    _Many("1h", HOUR), _Many("24h", DAY), _Many("7d", 7 * DAY), _Many("30d", 30 * DAY), _Many("90d", 90 * DAY),
    _Many("180d", 180 * DAY), _Many("365d", 365 * DAY),
)  # fmt: skip
_NOUN: Final[dict[str, str]] = {
    "subject": "this person", "device": "this device", "card": "this card", "ip": "this internet address",
    "address": "this shipping address", "email": "this e-mail address",
}  # fmt: skip


def _attempts(key: Key, *windows: _Many) -> tuple[Aggregate, ...]:
    return tuple(
        Aggregate(
            f"attempts_{many.label}_{key}", key, (ATTEMPT,), Agg.COUNT, many.window,
            f"payment attempts of {_NOUN[key]} in {many.label}, whatever came of them",
            unit="attempts", categories=_PAYMENT, purposes=_FRAUD,
        )
        for many in windows
    )  # fmt: skip


def _refused(key: Key, many: _Many) -> Aggregate:
    return Aggregate(
        f"refused_{many.label}_{key}", key, (ATTEMPT,), Agg.COUNT, many.window,
        f"payment attempts of {_NOUN[key]} in {many.label} that were declined or failed",
        where=(Where("kind", "in", REFUSED),), unit="attempts", categories=_PAYMENT, purposes=_FRAUD,
    )  # fmt: skip


def _distinct(of: str, key: Key, many: _Many) -> Aggregate:
    plural = {"subject": "people", "address": "addresses"}.get(of, f"{of}s")
    return Aggregate(
        f"{plural}_{many.label}_{key}", key, (ATTEMPT,), Agg.DISTINCT, many.window,
        f"different {plural} that paid with {_NOUN[key]} in {many.label}",
        of=of, unit=plural, categories=_DEVICE, purposes=_FRAUD,
    )  # fmt: skip


def _chargebacks(key: Key, many: _Many) -> Aggregate:
    return Aggregate(
        f"chargebacks_{many.label}_{key}", key, (CHARGEBACK,), Agg.COUNT, many.window,
        f"payments of {_NOUN[key]} that the bank took back in {many.label}",
        unit="chargebacks", categories=_PAYMENT, purposes=_FRAUD,
    )  # fmt: skip


def _money(name: str, agg: Agg, many: _Many, meaning: str) -> Aggregate:
    return Aggregate(
        name, "subject", (ATTEMPT,), agg, many.window, meaning, of="amount", unit="minor", categories=_PAYMENT,
        purposes=_FRAUD,
    )  # fmt: skip


def _since(name: str, key: Key, event: str, many: _Many, meaning: str) -> Aggregate:
    return Aggregate(
        name, key, (event,), Agg.TIME_SINCE, many.window, meaning, unit="ms", categories=_PAYMENT, purposes=_FRAUD
    )


AGGREGATES: Final = (
    *_attempts("subject", H1, H24, D7, D90),
    _refused("subject", H24),
    _distinct("card", "subject", D30),
    _distinct("device", "subject", D30),
    _distinct("address", "subject", D90),
    _money("amount_24h_subject", Agg.SUM, H24, "total of this person's payment attempts in 24h"),
    _money("mean_amount_180d_subject", Agg.MEAN, D180, "this person's mean payment in 180 days"),
    _money("max_amount_180d_subject", Agg.MAX, D180, "this person's largest payment in 180 days"),
    _since("since_attempt_subject", "subject", ATTEMPT, D180, "time since this person's last payment attempt"),
    _since("account_age", "subject", "Signed Up", _Many("3y", 3 * 365 * DAY), "time since the account was opened"),
    _chargebacks("subject", D365),
    *_attempts("device", H1, H24, D7),
    _refused("device", H24),
    _distinct("card", "device", D7),
    _distinct("subject", "device", D30),
    _since("since_attempt_device", "device", ATTEMPT, D180, "time since the last payment attempt from this device"),
    _chargebacks("device", D180),
    *_attempts("card", H1, H24, D7),
    _refused("card", H24),
    _distinct("device", "card", D7),
    _distinct("subject", "card", D30),
    _since("since_attempt_card", "card", ATTEMPT, D180, "time since the last payment attempt with this card"),
    _chargebacks("card", D365),
    *_attempts("ip", H1, H24),
    _distinct("card", "ip", H24),
    _distinct("subject", "ip", H24),
    *_attempts("address", H24, D7),
    _distinct("subject", "address", D90),
    _distinct("card", "address", D30),
    _since("since_attempt_address", "address", ATTEMPT, D180, "time since the last order to this shipping address"),
    _chargebacks("address", D365),
    *_attempts("email", H24),
    _distinct("subject", "email", D90),
)

REQUEST: Final = (
    "order_amount", "country_mismatch", "hour", "has_device", "has_card", "has_ip", "has_address", "has_email",
)  # fmt: skip
"""Numbers of the order itself: minor units, 0/1 or unknown, hour of the day in UTC, and which keys it names."""

ROWS: Final = (
    ("amount_ratio", "div(order_amount, mean_amount_180d_subject)"),
    ("amount_above_max", "order_amount > max_amount_180d_subject"),
    ("new_device", "has_device * isnull(since_attempt_device)"),
    ("new_card", "has_card * isnull(since_attempt_card)"),
    ("new_address", "has_address * isnull(since_attempt_address)"),
    ("first_attempt", "isnull(since_attempt_subject)"),
    ("night", "if_(hour < 6, 1, 0)"),
    ("new_everything", "new_device * new_card * new_address"),
    (
        "rule_points",
        "bucket(attempts_1h_device, 3, 6, 10) + bucket(attempts_1h_card, 3, 6) + bucket(attempts_1h_ip, 6, 12)"
        " + bucket(cards_7d_device, 3, 5) + bucket(people_30d_device, 3, 5) + bucket(people_30d_card, 2, 4)"
        " + bucket(refused_24h_device, 2, 4) + bucket(refused_24h_card, 2, 4)"
        " + bucket(chargebacks_365d_card + chargebacks_180d_device + chargebacks_365d_subject, 1, 2)"
        " + if_(isnull(country_mismatch), 0, country_mismatch * 2 + country_mismatch * new_device)"
        " + if_(isnull(amount_ratio), 0, bucket(amount_ratio, 3, 6))",
    ),
)
"""`rule_points` is the declared baseline: what a careful shop would add up by hand."""

FEATURES: Final = FeatureSet(
    name="fraud",
    aggregates=AGGREGATES,
    request=REQUEST,
    rows=ROWS,
    meanings={
        "order_amount": "amount of the order in minor units",
        "country_mismatch": "1 when billing and shipping country are both known and differ",
        "hour": "hour of the day, UTC",
        **{f"has_{key}": f"1 when the order names {_NOUN[key].replace('this', 'its')}" for key in KEYS[1:]},
        "amount_ratio": "the order's amount as a multiple of this person's mean",
        "amount_above_max": "1 when the order is larger than any of this person's in 180 days",
        "new_device": "1 when this device has not paid here in 180 days",
        "new_card": "1 when this card has not paid here in 180 days",
        "new_address": "1 when nothing was sent to this address in 180 days",
        "first_attempt": "1 when this person has not paid here in 180 days",
        "night": "1 between 0 and 6 o'clock UTC",
        "new_everything": "1 when device, card and address are all new here",
        "rule_points": "warning signs added up by fixed rules, without a model",
    },
    categories={
        "order_amount": ("user.payment",),
        "country_mismatch": ("user.contact.address.country",),
        "hour": (),
        "has_device": ("user.device.device_id",),
        "has_card": ("user.financial.credit_card",),
        "has_ip": ("user.device.ip_address",),
        "has_address": ("user.contact.address.mailing_address",),
        "has_email": ("user.contact.email",),
    },
    readings=(
        Reading(
            "own_order",
            "subject",
            "the order an event belongs to: it never counts for itself, a chargeback labels it",
            (ATTEMPT, CHARGEBACK),
            ("order_ref", "at"),
            D365.window,
        ),
    ),
)
