"""The record of processing activities (GDPR 30(1)), made from what is declared and what really ran."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from tillwise.access.duties import holder
from tillwise.documents.described import Described
from tillwise.documents.measures import Measure, measures
from tillwise.documents.observed import Observed
from tillwise.documents.uses import receiving, uses
from tillwise.privacy.notice import Use
from tillwise.privacy.purposes import UNKNOWN
from tillwise.privacy.wording import words
from tillwise.recipients.vendor import Vendor, day_of
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

MISSING: Final = "missing"
_ENGLISH: Final = words("en")


class Transfer(msgspec.Struct, frozen=True):
    """A recipient and, where it is abroad, on what the transfer rests. `problem` says what is missing or over."""

    name: str
    role: str
    country: str
    region: str
    agreement: str
    mechanism: str
    sub_processors: tuple[str, ...]
    problem: str = ""


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """One purpose: Article 30(1)(b) to (f). Days are None where no time limit is declared.

    `decisions` and `said` are counts in words: fewer than ten people are not counted.
    """

    purpose: str
    meaning: str
    use_cases: tuple[str, ...]
    basis: str
    default: str
    law: str
    people: tuple[str, ...]
    data: tuple[str, ...]
    special: bool
    recipients: tuple[Transfer, ...]
    days: int | None
    decisions: str
    said: dict[str, str]


class Imported(msgspec.Struct, frozen=True):
    """An import: declared by the shop, not witnessed by this program."""

    name: str
    place: str
    declared: dict[str, str]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The whole record. What the shop did not say is in `missing`."""

    shop: str
    controller: dict[str, str]
    missing: tuple[str, ...]
    place: str
    region: str
    made: str
    people: dict[str, str]
    activities: tuple[Activity, ...]
    imports: tuple[Imported, ...]
    sent: dict[str, str]
    measures: tuple[Measure, ...]
    stays: dict[str, str]


def record(shop: Described, snapshot: Snapshot, observed: Observed) -> Record:
    """Return the record of processing as of now."""
    said, wall = shop.settings.controller, shop.wall()
    officer = said.dpo or _officer(snapshot)
    controller = {"name": said.name, "address": said.address, "contact": said.contact, "dpo": officer}
    return Record(
        shop=shop.name,
        controller={key: value or MISSING for key, value in controller.items()},
        missing=missing(shop, snapshot),
        place=shop.settings.shop.place or UNKNOWN,
        region=shop.settings.shop.region or "not declared",
        made=datetime.fromtimestamp(wall / 1000, UTC).isoformat(timespec="seconds"),
        people={"customers": str(observed.people), "visitors": str(observed.visitors)},
        activities=tuple(
            _activity(shop, observed, purpose, use) for purpose, use in uses(shop).items()
            if purpose is not Purpose.OPERATIONS
        ),
        imports=tuple(
            Imported(each.name, each.place, {name: _basis(said) for name, said in each.purposes.items()})
            for each in observed.imports
        ),
        sent={
            f"{each.vendor or 'files that stay with the shop'}, {each.purpose}": f"{each.times} times, "
            f"{'nobody' if not each.people else f'people: {each.people}'}"
            for each in observed.left
        },
        measures=measures(shop, snapshot),
        stays=dict(shop.stays),
    )  # fmt: skip


def _officer(snapshot: Snapshot) -> str:
    """Return who holds the duty of the data protection officer, "" when nobody does."""
    person = holder(snapshot, "dpo")
    return "" if person is None else person.name


def missing(shop: Described, snapshot: Snapshot) -> tuple[str, ...]:
    """Return what an Article 30 record needs and the shop has not said, in plain words with where to say it."""
    said, found = shop.settings.controller, []
    for key, meaning in (
        ("name", "the name of who answers for the data"), ("address", "their address"),
        ("contact", "how people reach them"),
        ("dpo", "the data protection officer (`tillwise people duty dpo NAME`, or 'none' when the law asks for none)"),
    ):  # fmt: skip
        if not (getattr(said, key) or (key == "dpo" and _officer(snapshot))):
            found.append(f"{meaning}: `{key}` under [controller] in tillwise.toml")
    if not shop.settings.shop.region:
        found.append("where the store stands: `region` under [shop] in tillwise.toml")
    return tuple(found)


def _activity(shop: Described, observed: Observed, purpose: Purpose, use: Use) -> Activity:
    rule = shop.rules.rule(shop.settings.shop.place or UNKNOWN, purpose, shop.wall())
    if purpose is Purpose.TRAIN:
        cases = tuple(sorted(shop.learners))
    else:
        cases = tuple(name for name, use_case in shop.use_cases.items() if use_case.purpose is purpose)
    decided = [f"{name}: {observed.decided[name].decisions}" for name in cases if name in observed.decided]
    return Activity(
        purpose=purpose.value, meaning=_ENGLISH.of("purpose", purpose), use_cases=cases, basis=rule.basis,
        default=rule.default.value, law=rule.source, people=("customers", "visitors"), data=use.categories,
        special=any(_special(each) for each in use.categories),
        recipients=tuple(_transfer(shop, vendor) for vendor in receiving(shop, purpose)), days=use.days,
        decisions="" if purpose is Purpose.TRAIN else ("; ".join(decided) or "none"),
        said={
            f"{each.state} ({each.basis})": str(each.people) for each in observed.said if each.purpose == purpose.value
        },
    )  # fmt: skip


def _transfer(shop: Described, vendor: Vendor) -> Transfer:
    today, home = day_of(shop.wall()), shop.settings.shop.place[:2]
    problems = [
        f"{kind} '{paper.kind}' ended on {paper.expires}" for kind, paper in vendor.papers() if not paper.holds(today)
    ]
    if vendor.agreement is None:
        problems.append("no agreement is on record")
    if vendor.transfer is None and vendor.country[:2] != home:
        problems.append("no transfer mechanism is on record")
    elif vendor.transfer is not None and not vendor.transfer.holds(today):
        problems.append(f"the transfer mechanism ended on {vendor.transfer.expires}")
    mechanism = vendor.transfer.mechanism if vendor.transfer else "none"
    decision = f" ({vendor.transfer.decision})" if vendor.transfer and vendor.transfer.decision else ""
    return Transfer(
        vendor.title or vendor.name, vendor.role, vendor.country, vendor.region,
        f"until {vendor.agreement.expires}" if vendor.agreement else MISSING, mechanism + decision,
        tuple(f"{each.name} ({each.country})" for each in vendor.sub_processors), "; ".join(problems),
    )  # fmt: skip


def _basis(said: object) -> str:
    if not isinstance(said, dict):
        return ""
    return "; ".join(f"{key}: {value}" for key, value in said.items() if value)


def _special(category: str) -> bool:
    """Return True for the special categories of GDPR 9 as fideslang names them."""
    kinds = ("health_and_medical", "biometric", "genetic", "race", "religion", "political", "sexual", "union")
    return any(kind in category for kind in kinds)
