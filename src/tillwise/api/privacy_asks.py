"""The bodies of the routes of people's requests: one declaration decodes them strictly and describes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tillwise.api.asks import Country, Id, Strict
from tillwise.rights.asked import Asked, Corrections
from tillwise.rights.request import Delay, Kind, Refusal
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.purpose import Purpose

Place = Annotated[
    str,
    Meta(max_length=6, pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", description="ISO 3166-1 or 3166-2, such as DE or US-CA"),
]
Region = Annotated[str, Meta(max_length=3, pattern=r"^[A-Z0-9]{1,3}$", description="ISO 3166-2 without the country")]
Trait = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Personal = Literal[
    "recommend", "search", "price", "marketing", "fraud_prevention", "service", "moderation", "train", "share"
]
KindTold = Literal[
    "access", "rectification", "erasure", "portability", "objection", "restriction", "lift_restriction", "explanation",
    "human_review",
]  # fmt: skip
RefusalTold = Literal[
    "identity_not_proven", "manifestly_unfounded", "excessive", "legal_obligation", "legal_claims", "rights_of_others",
    "right_does_not_apply",
]  # fmt: skip
DelayTold = Literal["complex", "many_requests"]
assert {*KindTold.__args__} == {*Kind}  # type: ignore[attr-defined]  # noqa: S101 the API knows what the room knows
assert {*RefusalTold.__args__} == {*Refusal}  # type: ignore[attr-defined]  # noqa: S101
assert {*DelayTold.__args__} == {*Delay}  # type: ignore[attr-defined]  # noqa: S101


class Spot(Strict, frozen=True, kw_only=True):
    """Where the person is: it sets the law and its deadline."""

    country: Country | None = None
    region: Region | None = None


class TraitsTold(Strict, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a person and may be corrected."""

    country: Country | None = None
    language: Trait | None = None
    loyalty_tier: Trait | None = None
    age_range: Trait | None = None
    income_range: Trait | None = None
    household_size: Trait | None = None


class CorrectionsTold(Strict, frozen=True, kw_only=True):
    """What is wrong. Events are never edited: one is removed by the position that access shows."""

    traits: TraitsTold = TraitsTold()
    remove_events: Annotated[tuple[Annotated[int, Meta(ge=1, le=2**53)], ...], Meta(max_length=100)] = ()
    detach: Annotated[tuple[Id, ...], Meta(max_length=100, description="anonymous ids that are not theirs")] = ()


class RequestTold(Strict, frozen=True, kw_only=True):
    """What somebody asks about their own data. `identity` is `verified` when the caller has checked who asks.

    `informed` says that the person was told before their restriction is lifted.
    """

    kind: KindTold
    subject: Id | None = None
    anonymous_id: Id | None = None
    identity: Literal["verified"] | None = None
    place: Spot | None = None
    country: Place | None = None
    corrections: CorrectionsTold | None = None
    purposes: Annotated[tuple[Personal, ...], Meta(max_length=9)] = ()
    decision_id: Annotated[str, Meta(min_length=1, max_length=80)] | None = None
    informed: bool = False

    def asked(self) -> Asked:
        """Return it as the rooms below know it; the body names `subject`, or else `anonymous_id`."""
        return Asked(
            subject=self.subject or self.anonymous_id or "",
            kind=Kind(self.kind),
            place=self._where(),
            anonymous=self.subject is None,
            identity=self.identity == "verified",
            corrections=_corrections(self.corrections),
            purposes=tuple(Purpose(each) for each in dict.fromkeys(self.purposes)),
            decision_id=self.decision_id or "",
            informed=self.informed,
        )

    def _where(self) -> str:
        if self.place is not None and self.place.country:
            return f"{self.place.country}-{self.place.region}" if self.place.region else self.place.country
        return self.country or ""


class Verifying(Strict, frozen=True, kw_only=True):
    """Somebody checked who asks. It is then carried out, unless `carry_out` is false."""

    carry_out: bool = True


class Extending(Strict, frozen=True, kw_only=True):
    """Why the answer takes longer; the person is told."""

    reason: DelayTold


class Refusing(Strict, frozen=True, kw_only=True):
    """Why it is refused: one of the reasons a law knows."""

    reason: RefusalTold


class StepTold(msgspec.Struct, frozen=True):
    """One step of a request."""

    at: str
    what: str
    state: str
    who: str
    reason: str


class SignedReceipt(msgspec.Struct, frozen=True):
    """The receipt of an answered request, and its signature over the canonical JSON of `receipt`."""

    receipt: Json
    signature: str
    algorithm: str
    public_key: str


class RequestState(msgspec.Struct, frozen=True):
    """A request as it stands. `law` names the rule behind `deadline`; `told` is what the person is to be told.

    `fetch_until` says how long the copy may be fetched at `/result`.
    """

    id: str
    kind: str
    state: str
    deadline: str
    law: str
    received: str
    place: str
    identity: str
    extended: bool
    overdue: bool
    told: str
    refusal: str | None
    fetch_until: str | None
    result: Json
    steps: list[StepTold]
    receipt: SignedReceipt | None


class OpenRequests(msgspec.Struct, frozen=True):
    """What is not answered yet, the nearest deadline first."""

    requests: list[RequestState]


def _corrections(told: CorrectionsTold | None) -> Corrections:
    if told is None:
        return Corrections()
    traits: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(told.traits).items() if value is not None
    }
    return Corrections(traits, told.remove_events, told.detach)
