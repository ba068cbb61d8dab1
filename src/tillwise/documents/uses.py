"""What each purpose in force really uses, derived from its use cases, their features, and the vendors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from tillwise.documents.described import Answering, Described, answering
from tillwise.documents.lineage import Input, Lineage, lineage, specific
from tillwise.privacy.material import material
from tillwise.privacy.notice import Facts, Phrase, Recipient, Use
from tillwise.recipients.vendor import Vendor
from tillwise.releases.card import Importance
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

MOST_PARAMETERS = 5
"""Main parameters told per surface; more would be read by nobody."""

_WHOSE = ("Signed Up", "Identify", "Alias")
"""Events that are about one account by themselves: nobody needs to be told by what they are counted."""


def purposes_in_force(shop: Described) -> tuple[Purpose, ...]:
    """Return every purpose something here pursues: a declared use case, learning, or a vendor who gets data for it."""
    found = {use_case.purpose for use_case in shop.use_cases.values()}
    found |= {purpose for vendor in shop.vendors for purpose in vendor.purposes}
    if shop.learners:
        found.add(Purpose.TRAIN)
    if any(_for_themselves(vendor) for vendor in shop.vendors):
        found.add(Purpose.SHARE)
    return tuple(purpose for purpose in Purpose if purpose in found)


def lineages(shop: Described) -> dict[str, Lineage]:
    """Return what every use case knows, by its name."""
    return {name: lineage(use_case) for name, use_case in shop.use_cases.items()}


def uses(shop: Described) -> dict[Purpose, Use]:
    """Return what each purpose in force reads, who receives it, and how long it is kept."""
    known = lineages(shop)
    return {purpose: _use(shop, known, purpose) for purpose in purposes_in_force(shop)}


def materials(shop: Described) -> dict[Purpose, str]:
    """Return, per purpose, what a yes to it has to cover (privacy/material.py)."""
    return {
        purpose: material(use.categories, (f"{v.name}@{v.country}" for v in receiving(shop, purpose)))
        for purpose, use in uses(shop).items()
    }


def receiving(shop: Described, purpose: Purpose) -> tuple[Vendor, ...]:
    """Return the vendors whose record lists this purpose; whoever uses data for themselves shares in them too."""
    return tuple(
        vendor for vendor in shop.vendors
        if purpose in vendor.purposes or (purpose is Purpose.SHARE and _for_themselves(vendor))
    )  # fmt: skip


def _for_themselves(vendor: Vendor) -> bool:
    return vendor.role != "processor"


def facts(shop: Described, snapshot: Snapshot) -> Facts:
    """Return everything a notice tells beside the rules."""
    known, said = lineages(shop), shop.settings.controller
    who = answering(shop, snapshot)
    return Facts(
        uses=uses(shop),
        parameters={name: main_parameters(known[name], who[name]) for name in shop.use_cases},
        recipients=tuple(_recipient(vendor) for vendor in shop.vendors),
        automated=any(use_case.adverse for use_case in shop.use_cases.values()),
        imported=snapshot.one("SELECT 1 FROM epochs WHERE visible = 1 LIMIT 1") is not None,
        controller=", ".join(part for part in (said.name, said.address) if part),
        contact=said.contact,
        dpo=said.dpo,
        home=shop.settings.shop.place,
    )


def main_parameters(known: Lineage, who: Answering) -> tuple[Phrase, ...]:
    """Return what weighs most in who answers now, the heaviest first; nothing where the card does not say.

    A computed column's weight is shared out evenly among what it is computed from.
    """
    weights: defaultdict[Phrase, float] = defaultdict(float)
    for each in () if who.card is None else who.card.importances:
        parts = list(_phrases(known, each))
        for phrase in parts:
            weights[phrase] += each.share / len(parts)
    heaviest = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0].group, pair[0].word, pair[0].key))
    return tuple(phrase for phrase, _ in heaviest[:MOST_PARAMETERS])


def _phrases(known: Lineage, importance: Importance) -> Iterator[Phrase]:
    base = known.base(importance.column)
    if not base:
        name = importance.column.partition("_")[0]
        yield Phrase("part", name if name in ("own", "popular") else "other")
    for each in base:
        yield _phrase(each)


def _phrase(each: Input) -> Phrase:
    if each.kind == "request":
        return Phrase("request", each.name)
    event = each.events[0]
    return Phrase("event", event, "" if event in _WHOSE else each.key)


def _use(shop: Described, known: dict[str, Lineage], purpose: Purpose) -> Use:
    if purpose is Purpose.TRAIN:
        reading: Iterable[str] = shop.learners
    else:
        reading = [name for name, use_case in shop.use_cases.items() if use_case.purpose is purpose]
    vendors = receiving(shop, purpose)
    read = specific(category for name in reading if name in known for category in known[name].categories)
    if not read:  # only a vendor pursues it
        read = specific(category for vendor in vendors for category in vendor.categories)
    events = {event for name in reading if name in known for event in known[name].events}
    days = [shop.keep(event, purpose) for event in events]
    longest = max((n for n in days if n is not None), default=None)
    return Use(read, tuple(vendor.title or vendor.name for vendor in vendors), None if None in days else longest)


def _recipient(vendor: Vendor) -> Recipient:
    mechanism = "" if vendor.transfer is None else vendor.transfer.mechanism
    return Recipient(vendor.title or vendor.name, vendor.role, vendor.country, mechanism, vendor.name)
