"""Consent over HTTP: the notice in force, what a person says about it, and what counts now."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from tillwise.api.asks import Id, Strict
from tillwise.api.body import decode
from tillwise.api.problem import Refusal, invalid_value
from tillwise.api.reading import REASON, log_call
from tillwise.api.route import Call, Parameter, Reply, Route
from tillwise.api.shop import Shop
from tillwise.decisions.answer import rfc3339
from tillwise.errors import Conflict, NotFound
from tillwise.events.people import find_pseudonym, pseudonym_for
from tillwise.privacy import ledger
from tillwise.privacy.age import in_words
from tillwise.privacy.consent import Choice, Said, current, keep_age, known_band, say
from tillwise.privacy.consent_receipt import ALGORITHM, ReceiptSigner, basis_after, consent_receipt
from tillwise.privacy.gate import place_of
from tillwise.privacy.ledger import State
from tillwise.privacy.served import serve
from tillwise.privacy.wording import LANGUAGES
from tillwise.vocabulary.canonical import Json
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction

T = TypeVar("T")
Place = Annotated[
    str,
    Meta(max_length=6, pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", description="ISO 3166-1 or 3166-2, such as DE or US-CA"),
]
Asked = Literal[
    "recommend", "search", "price", "marketing", "fraud_prevention", "service", "moderation", "train", "share"
]
Flag = Literal["true", "false"]
Language = Literal["en", "de", "fr", "es", "pt"]
_ROOM: Final = "People's rights"


class Told(Strict, frozen=True, kw_only=True):
    """What a person says. A yes names a notice they were shown that tells of the purpose and stands for `country`.

    A no needs nothing. `implied` is going on after the notice was shown: it counts only where nobody has to be asked,
    and never over a yes or no of their own. Of `age` (years) the band is kept, never the age, and later decisions go by
    it. `anonymous` says the id is an anonymous id.
    """

    purpose: Asked
    state: Literal["given", "refused", "withdrawn", "implied"]
    notice_id: Annotated[str, Meta(max_length=40)] = ""
    source: Annotated[str, Meta(min_length=1, max_length=40)] = "api"
    country: Place | None = None
    age: Annotated[int, Meta(ge=0, le=150)] | None = None
    guardian: bool = False
    anonymous: bool = False


class NoticeShown(msgspec.Struct, frozen=True):
    """The notice in force. `served` tells when it was recorded as shown; null when nobody was named.

    `place` is where its rules hold: a region without rules of its own has its country's, a country without any has the
    strictest, `unknown`. A yes on it counts at that place and those it stands for.
    """

    notice_id: str
    sha256: str
    place: str
    short: str
    long: str
    served: str | None


class SignedReceipt(msgspec.Struct, frozen=True):
    """A receipt with the fields of ISO/IEC TS 27560 and its signature over the canonical JSON of `receipt`."""

    receipt: Json
    signature: str
    algorithm: str
    public_key: str


class Counts(msgspec.Struct, frozen=True):
    """What counts for a purpose; `dpv` is the state in the words of the W3C Data Privacy Vocabulary.

    `renew` says that a yes no longer covers what the purpose uses today: show the notice in force and ask again.
    """

    purpose: str
    state: str
    dpv: str
    place: str
    seq: int
    at: str
    renew: bool


class Consents(msgspec.Struct, frozen=True):
    """What counts now, and everything ever said, oldest first. `age` is the band known, such as `14` or `16-17`."""

    subject: str
    age: str
    now: list[Counts]
    history: list[Json]


_told = msgspec.json.Decoder(Told)
_encode = msgspec.json.Encoder().encode
_SUBJECT: Final = Parameter("subject", "path", "The shop's user id", msgspec.json.schema(Id))
_SHOWN_TO: Final = (
    Parameter("subject", "query", "Who is shown the notice", msgspec.json.schema(Id)),
    Parameter("anonymous_id", "query", "The anonymous id that is shown the notice", msgspec.json.schema(Id)),
    Parameter("country", "query", "Where they are", msgspec.json.schema(Place)),
    Parameter("language", "query", "Language of the notice, English unless named", msgspec.json.schema(Language)),
)
_ANONYMOUS: Final = Parameter("anonymous", "query", "The id is an anonymous id", msgspec.json.schema(Flag))


def consent_routes(shop: Shop) -> tuple[Route, ...]:
    """Return `/notice` and `/consent/{subject}`."""
    desk = _Desk(shop)
    one = "/consent/{subject}"
    return (
        Route(
            "GET", "/notice", "consent", desk.notice, "The notice in force, recorded as served to whom it is shown",
            _ROOM, gives=NoticeShown, problems=(422, 503), parameters=_SHOWN_TO,
        ),
        Route(
            "PUT", one, "consent", desk.say, "What a person says about a purpose; the next decision acts on it",
            _ROOM, takes=Told, gives=SignedReceipt, problems=(404, 409, 415, 422, 503), parameters=(_SUBJECT,),
            example={"purpose": "recommend", "state": "refused", "source": "account page", "country": "DE"},
        ),
        Route(
            "GET", one, "consent", desk.show, "What counts now, and everything ever said",
            _ROOM, gives=Consents, problems=(404, 422, 503), parameters=(_SUBJECT, _ANONYMOUS, REASON),
            shows=frozenset({"consents"}),
        ),
    )  # fmt: skip


class _Desk:
    """Answers the three calls."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._signer = ReceiptSigner(shop.secrets)

    async def notice(self, call: Call) -> Reply:
        """Make the notice for a place and record to whom it is shown."""
        shop, now = self._shop, self._shop.clock.now()
        place = self._place(_query(call, "country", Place))
        people = [
            (text, anonymous)
            for name, anonymous in (("subject", False), ("anonymous_id", True))
            if (text := _query(call, name, Id)) is not None
        ]
        language = _query(call, "language", Language) or LANGUAGES[0]
        made = await asyncio.to_thread(shop.notices.current, place, language)

        def work(transaction: Transaction) -> None:
            for text, anonymous in people:
                serve(transaction, made, pseudonym_for(transaction, shop.secrets, text, anonymous=anonymous), now)

        if people:
            await asyncio.wrap_future(shop.store.commit(work))
        since = rfc3339(now) if people else None
        shown = NoticeShown(made.notice_id, made.sha256, made.place, made.short, made.long, since)
        return Reply(_encode(shown))

    async def say(self, call: Call) -> Reply:
        """Record a choice and hand out its receipt."""
        shop, told = self._shop, decode(_told, call.body)
        subject = _convert(call.params["subject"], Id, "subject")
        choice = Choice(
            Purpose(told.purpose), State(told.state), told.notice_id, told.source, self._place(told.country),
            told.age, told.guardian, frozenset({"gpc"}) if call.headers.get(b"sec-gpc") == b"1" else frozenset(),
        )  # fmt: skip

        def work(transaction: Transaction) -> tuple[Said, str | None]:
            person = pseudonym_for(transaction, shop.secrets, subject, anonymous=told.anonymous)
            said = say(transaction, person, choice, shop.clock.now())
            return said, basis_after(shop.gate, transaction, person, said, anonymous=told.anonymous)

        def keep(transaction: Transaction) -> None:
            person = pseudonym_for(transaction, shop.secrets, subject, anonymous=told.anonymous)
            keep_age(transaction, person, choice, shop.clock.now())

        try:
            said, basis = await asyncio.wrap_future(shop.store.commit(work))
        except Conflict:
            await asyncio.wrap_future(shop.store.commit(keep))
            raise
        receipt = consent_receipt(said, subject=subject, shop=shop.settings.shop.name, basis=basis)
        signed = SignedReceipt(receipt, self._signer.sign(receipt), ALGORITHM, self._signer.public)
        return Reply(_encode(signed))

    async def show(self, call: Call) -> Reply:
        """Tell what a person said."""
        shop = self._shop
        subject = _convert(call.params["subject"], Id, "subject")
        anonymous = _query(call, "anonymous", Flag) == "true"
        with shop.store.snapshot() as snapshot:
            person = find_pseudonym(snapshot, shop.secrets, subject, anonymous=anonymous)
            if person is None:
                raise NotFound("nobody with this id is known here")
            counts = current(snapshot, person, shop.clock.now())
            history: list[Any] = ledger.history(snapshot, person)
            age = in_words(known_band(snapshot, person))
        await log_call(shop, call, "GET /consent/{subject}", (person,))
        now = [Counts(c.purpose, c.state, c.dpv, c.place, c.seq, rfc3339(c.at), c.renew) for c in counts]
        told = [{**row, "age": in_words(row["age"]), "at": rfc3339(row["at"])} for row in history]
        return Reply(_encode(Consents(subject, age, now, told)))

    def _place(self, country: str | None) -> str:
        return place_of(country or self._shop.settings.shop.place)


def _query(call: Call, name: str, kind: type[T] | Any) -> str | None:
    text = call.query.get(name)
    return None if text is None else _convert(text, kind, name)


def _convert(text: str, kind: Any, field: str) -> str:
    try:
        return str(msgspec.convert(text, kind))
    except msgspec.ValidationError as error:
        found = invalid_value(error)
        raise Refusal(422, found.detail.replace("the body", field, 1), field) from None
