"""The bodies of the decision routes. One declaration decodes them strictly and describes them in OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from tillwise.errors import ConfigurationError
from tillwise.outcomes.outcomes import KINDS
from tillwise.vocabulary.currencies import EXPONENTS
from tillwise.vocabulary.money import MAX_MINOR

_UNFIT = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
"""Control characters, and the invisible ones that make two ids look alike: no id may hold them."""
Id = Annotated[
    str,
    Meta(min_length=1, max_length=200, pattern=rf"^[^\s{_UNFIT}][^{_UNFIT}]*$(?!\n)", description="an opaque id"),
]
Minor = Annotated[int, Meta(ge=0, le=MAX_MINOR, description="an amount in integer minor units, such as cents")]
Quantity = Annotated[int, Meta(ge=0, le=1_000_000)]
Country = Annotated[str, Meta(max_length=2, pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2, such as DE")]
CURRENCIES: Final = tuple(sorted(EXPONENTS))
Short = Annotated[str, Meta(max_length=40)]
Definition = Annotated[
    str, Meta(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$", description="the hash of a feature definition")
]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with a time zone")]
Address = Annotated[str, Meta(max_length=45, extra_json_schema={"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})]


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body in which a misspelt field is an error and not silence."""


class Where(Strict, frozen=True, kw_only=True):
    """Where the person is. Without a country the strictest rules hold."""

    country: Country | None = None
    region: Short | None = None
    postcode: Short | None = None


class GivenFeatures(Strict, frozen=True, kw_only=True):
    """Feature values given by the caller: of the released definition only, never trained on."""

    version: Definition
    values: Annotated[dict[Id, Annotated[float, Meta(ge=-1e15, le=1e15)] | None], Meta(max_length=500)]


class Common(Strict, frozen=True, kw_only=True):
    """The fields every question may have. `simulated` asks about simulated people: only simulated rows are read."""

    request_id: Id | None = None
    subject: Id | None = None
    anonymous_id: Id | None = None
    place: Where = Where()
    deadline_ms: Annotated[int, Meta(ge=1, le=60_000)] = 250
    explain: Literal["none", "top", "full"] = "top"
    dry_run: bool = False
    features: GivenFeatures | None = None
    simulated: bool = False


class CartLine(Strict, frozen=True, kw_only=True):
    """An item and how many of it."""

    item_id: Id
    quantity: Quantity = 1


class Filters(Strict, frozen=True, kw_only=True):
    """What may be shown at all."""

    in_stock: bool | None = None
    categories: Annotated[list[Id], Meta(max_length=100)] | None = None
    max_price: Minor | None = None


class RecommendationsAsk(Common, frozen=True, kw_only=True):
    """What to show somebody."""

    placement: Literal["home", "product", "cart", "email"]
    item_id: Id | None = None
    cart: Annotated[list[CartLine], Meta(max_length=200)] | None = None
    candidates: Annotated[list[Id], Meta(max_length=5_000)] | None = None
    exclude: Annotated[list[Id], Meta(max_length=5_000)] | None = None
    filters: Filters | None = None
    k: Annotated[int, Meta(ge=1, le=100)] = 20


class Order(Strict, frozen=True, kw_only=True):
    """The order to be judged; `amount` is its total."""

    id: Id
    amount: Minor
    currency: Annotated[Literal[CURRENCIES], Meta(description="ISO 4217, such as EUR")]  # type: ignore[valid-type]
    items: Annotated[list[CartLine], Meta(max_length=500)] = []


class Payment(Strict, frozen=True, kw_only=True):
    """How it is paid. Card numbers never come here: a hash and the first digits do."""

    method: Annotated[str, Meta(min_length=1, max_length=40)]
    card_hash: Id | None = None
    bin: Annotated[str, Meta(max_length=8, pattern=r"^[0-9]{4,8}$")] | None = None


class Billing(Strict, frozen=True, kw_only=True):
    """Where the bill goes."""

    country: Country | None = None
    postcode: Short | None = None
    address_hash: Id | None = None


class FraudAsk(Common, frozen=True, kw_only=True):
    """Whether to trust an order."""

    order: Order
    payment: Payment
    billing: Billing | None = None
    shipping: Billing | None = None
    device_id: Id | None = None
    ip: Address | None = None
    email_hash: Id | None = None


class ChurnAsk(Common, frozen=True, kw_only=True):
    """Whether somebody is about to leave."""

    horizon_days: Annotated[int, Meta(ge=1, le=3_650)] | None = None


def churn_ask(horizons: tuple[int, ...]) -> type[ChurnAsk]:
    """Return ChurnAsk described with the horizons that may be asked for; the use case refuses others by name."""
    known = Meta(extra_json_schema={"enum": list(horizons)}, description="days; one of the released horizons")
    field = ("horizon_days", Annotated[int, known] | None, None)
    made: type[Any] = msgspec.defstruct(
        "ChurnAsk", [field], bases=(ChurnAsk,), frozen=True, kw_only=True, forbid_unknown_fields=True
    )
    return made


def own_ask(name: str, fields: type[msgspec.Struct] | None) -> type[Common]:
    """Return the body of a question to a shop's own use case: its declared fields beside the common ones.

    Raises ConfigurationError when they are no msgspec struct, or one of them has the name of a common field.
    """
    try:
        declared = () if fields is None else msgspec.structs.fields(fields)
    except TypeError:
        raise ConfigurationError(f"use case '{name}': asks must be a msgspec.Struct class") from None
    if twice := {field.encode_name for field in declared} & set(Common.__struct_fields__):
        raise ConfigurationError(f"use case '{name}': its field '{min(twice)}' is one of the common fields; rename it")
    own = [(field.encode_name, field.type, *_default(field)) for field in declared]
    made: type[Any] = msgspec.defstruct(
        "".join(part.capitalize() for part in name.split("_")) + "Ask", own, bases=(Common,), frozen=True,
        kw_only=True, forbid_unknown_fields=True,
    )  # fmt: skip
    return made


def _default(field: msgspec.structs.FieldInfo) -> tuple[Any, ...]:
    if field.required:
        return ()
    factory = field.default_factory
    return (field.default,) if factory is msgspec.NODEFAULT else (msgspec.field(default_factory=factory),)


class OutcomeTold(Strict, frozen=True, kw_only=True):
    """What happened later to a decided thing: told by its decision, or by its order."""

    kind: Literal[KINDS]  # type: ignore[valid-type]
    value: Annotated[float, Meta(ge=-1e15, le=1e15)] = 1.0
    decision_id: Id | None = None
    order_id: Id | None = None
    at: Moment | None = None


class Judgement(Strict, frozen=True, kw_only=True):
    """What a reviewer found, and why. `reviewer` is the key's own name when nobody is named."""

    verdict: Literal["approve", "decline"]
    reason: Annotated[str, Meta(min_length=1, max_length=1_000, pattern=r"\S")]
    reviewer: Id | None = None


class Taking(Strict, frozen=True, kw_only=True):
    """Who takes a case."""

    reviewer: Id | None = None
