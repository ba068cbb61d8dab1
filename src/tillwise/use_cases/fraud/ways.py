"""What somebody whose order was stopped could have done: deliver elsewhere, order less, wait, pay differently.

Nothing here is about who they are. A way sets the columns to what they would at least become: after a wait, whatever
lies within the wait's window is empty; a card nobody else used has no attempts of others.
"""

from __future__ import annotations

from typing import Final

from tillwise.decisions.counterfactual import Known, Step, Way
from tillwise.explanations.phrases import written
from tillwise.features.feature import DAY, HOUR, Agg, Aggregate, FeatureSet
from tillwise.features.row import FeatureRow

WAITS: Final = (
    ("an hour", HOUR), ("a day", DAY), ("a week", 7 * DAY), ("a month", 30 * DAY), ("three months", 90 * DAY),
    ("half a year", 180 * DAY), ("a year", 365 * DAY),
)  # fmt: skip
SHARES: Final = (0.75, 0.5, 0.25, 0.1)
"""Of the order's amount."""
TIMES: Final = (2.0, 4.0)
"""For an order so small that the fee of one chargeback weighs more than what it earns."""
OLD_ACCOUNT: Final = 2 * 365 * DAY
KNOWN_FOR: Final = 30 * DAY
"""A card, device or address "used here before" was last used so long ago."""
_OTHER: Final = (
    ("address", "delivery to an address you have ordered to before", "delivery to another address"),
    ("device", "a device you have ordered from before", "another device, which nobody here has used"),
    ("card", "a card you have paid with here before, and nobody else has", "another card, which nobody here has used"),
    ("ip", "", "another internet connection"),
    ("email", "an e-mail address you have used here before, and nobody else has", "an e-mail address of your own"),
)  # fmt: skip


def ways(row: FeatureRow, features: FeatureSet) -> tuple[Way, ...]:
    """Return the ways open for this order, the easiest first."""
    known = dict(zip(row.columns, row.values, strict=True))
    currency = str(row.facts.get("currency", ""))
    mismatch = Step("delivery to the country of the bill", {"country_mismatch": 0.0})
    found = [
        Way("same_country", (mismatch,) if known.get("country_mismatch") == 1.0 else ()),
        Way("smaller_order", _smaller(known, currency)),
        Way("wait", _waits(known, features)),
        Way("account", _accounts(known)),
        Way("larger_order", _larger(known, currency)),
    ]
    found += [Way(f"other_{key}", _other(key, old, new, known, features)) for key, old, new in _OTHER]
    return tuple(found)


def _smaller(known: Known, currency: str) -> tuple[Step, ...]:
    amount = known.get("order_amount") or 0.0
    usual = known.get("max_amount_180d_subject")
    amounts = {float(int(amount * share)) for share in SHARES} | ({usual} if usual is not None else set())
    tried = sorted((each for each in amounts if 0 < each < amount), reverse=True)
    return tuple(Step(f"an order of {written(each, 'money', currency)}", {"order_amount": each}) for each in tried)


def _accounts(known: Known) -> tuple[Step, ...]:
    """Return the steps to an account; one so old that its opening is no longer known needs a new one as well."""
    age = known.get("account_age")
    if age is not None and age < OLD_ACCOUNT:
        return ()
    return tuple(Step(f"an account opened {words} before", {"account_age": float(wait)}) for words, wait in WAITS[2:])


def _larger(known: Known, currency: str) -> tuple[Step, ...]:
    amount = known.get("order_amount") or 0.0
    amounts = [amount * times for times in TIMES if amount]
    return tuple(Step(f"an order of {written(each, 'money', currency)}", {"order_amount": each}) for each in amounts)


def _waits(known: Known, features: FeatureSet) -> tuple[Step, ...]:
    hour = known.get("hour")
    steps = []
    for words, wait in WAITS:
        values = {each.name: _after(each, known.get(each.name), wait) for each in features.aggregates}
        if hour is not None:
            values["hour"] = (hour + wait // HOUR) % 24
        if any(known.get(name) != value for name, value in values.items() if not name.startswith("since_")):
            steps.append(Step(f"another attempt after {words}, and none before", values))
    return tuple(steps)


def _after(feature: Aggregate, value: float | None, wait: int) -> float | None:
    if feature.agg is Agg.TIME_SINCE:
        return None if value is None or value + wait >= feature.window else value + wait
    return _empty(feature) if wait >= feature.window else value


def _empty(feature: Aggregate) -> float | None:
    return 0.0 if feature.agg in (Agg.COUNT, Agg.COUNT_NONNULL, Agg.DISTINCT) else None


def _other(key: str, old: str, new: str, known: Known, features: FeatureSet) -> tuple[Step, ...]:
    """Return the steps to one used before, if the person has paid here before, and to a new one."""
    if known.get(f"has_{key}") != 1.0:
        return ()
    own = [each for each in features.aggregates if each.key == key]
    fresh = {each.name: _empty(each) for each in own}
    before = {**fresh, **{each.name: float(KNOWN_FOR) for each in own if each.agg is Agg.TIME_SINCE}}
    has_history = known.get("since_attempt_subject") is not None
    return (*((Step(old, before),) if old and has_history else ()), Step(new, fresh))
