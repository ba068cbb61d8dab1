"""Whatever is known of where somebody is counts: their profile, the request, what they said. The strictest decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from consent_shop import ANN, NOW, VISITOR, ConsentShop

from tillwise.events.log import read_head
from tillwise.events.people import pseudonym_for, set_traits
from tillwise.privacy import ledger
from tillwise.privacy.gate import Gate
from tillwise.privacy.ledger import Consent, DeclaredBasis, PurposeBasis, State
from tillwise.settings import Secrets
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose

SECRETS = Secrets(log=b"0123456789abcdef0123456789abcdef")
GPC = frozenset({"gpc"})


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ConsentShop]:
    shop = ConsentShop(tmp_path / "shop.db")
    yield shop
    shop.store.close()


def lives(shop: ConsentShop, country: str, person: Pseudonym = ANN) -> None:
    shop.do(lambda t: set_traits(t, person, {"country": country}))


def declare(shop: ConsentShop, place: str, basis: str, *purposes: Purpose, person: Pseudonym = ANN) -> None:
    said = DeclaredBasis(place, {purpose: PurposeBasis(basis, "terms-1", "signed") for purpose in purposes})
    shop.do(lambda t: ledger.declare(t, (person,), said, source="import", now=NOW))


@pytest.mark.parametrize(("residence", "place"), [("FR", "FR"), ("IN", "IN"), ("ZZ", "unknown")])
@pytest.mark.parametrize("asked_from", ["US", "US-CA", None])
def test_a_request_from_elsewhere_does_not_loosen_the_law_of_ones_country(
    shop: ConsentShop, residence: str, place: str, asked_from: str | None
) -> None:
    """Somebody living where people are asked first is asked first, wherever the request comes from."""
    lives(shop, residence)
    shop.gate = Gate(default_place="US", wall=lambda: NOW)
    permit = shop.permit(asked_from)
    assert (permit.granted, permit.place, permit.withheld[0].cause) == (False, place, "consent_missing")
    shop.record(State.GIVEN)
    assert shop.permit(asked_from).basis == "consent"


def test_a_lax_country_does_not_loosen_the_request(shop: ConsentShop) -> None:
    """The profile says US, the request DE: DE. Where all agree, nothing is stricter than before."""
    lives(shop, "US")
    assert (shop.cause("DE"), shop.permit("DE").place) == ("consent_missing", "DE")
    assert (shop.permit("US").basis, shop.permit("US").places) == ("notice", ())
    assert shop.permit(None).place == "US"


def test_the_permit_names_who_decided_and_all_that_were_weighed(shop: ConsentShop) -> None:
    """One place decides; the others stand beside it, so that the decision can be judged again."""
    lives(shop, "FR")
    shop.record(State.GIVEN, Purpose.SEARCH, place="GB")
    permit = shop.permit("US")
    assert (permit.place, permit.places) == ("GB", ("US", "GB", "FR"))


def test_ages_and_signals_of_every_place_count(shop: ConsentShop) -> None:
    """India asks nobody under 18; California takes the signal for a no, and so does a request from there."""
    lives(shop, "IN")
    shop.record(State.GIVEN, age=16, guardian=True, place="DE")
    assert shop.cause("US") == "banned_for_minors"
    lives(shop, "US", VISITOR)
    assert shop.cause("BR", Purpose.SHARE, subject=VISITOR, signals=GPC) == "consent_missing"
    assert shop.cause("US-CA", Purpose.SHARE, subject=VISITOR, signals=GPC) == "gpc"


def test_an_import_does_not_move_people(shop: ConsentShop) -> None:
    """Somebody who spoke here from Germany is no American because a file says so; many imports change nothing."""
    shop.record(State.GIVEN, Purpose.MARKETING, place="DE")
    for basis in ("notice", "legitimate_interest"):
        declare(shop, "US", basis, *(each for each in Purpose if each is not Purpose.OPERATIONS))
    assert (shop.cause(None), shop.permit(None).place) == ("consent_missing", "DE")
    shop.record(State.REFUSED, Purpose.SHARE, place="US")
    assert shop.permit(None).place == "US"


def test_the_place_of_the_device_counts_too(shop: ConsentShop) -> None:
    """A visitor who said in Germany who they are is still in Germany when they sign in."""
    shop.record(State.GIVEN, Purpose.SEARCH, VISITOR, place="DE")
    assert shop.permit("US", anonymous=VISITOR).place == "DE"


def test_nobody_known_has_the_place_of_the_request(shop: ConsentShop) -> None:
    """Without a person there is no profile to look at."""
    lives(shop, "FR")
    assert shop.permit("US", subject=None).place == "US"


def test_training_knows_the_same_places(shop: ConsentShop) -> None:
    """Who is judged by their country while serving is judged by it while training."""

    def enrol(transaction: ledger.Transaction) -> dict[str, Pseudonym]:
        people = {name: pseudonym_for(transaction, SECRETS, name) for name in ("us", "moved", "spoke in DE")}
        for name, country in (("us", "US"), ("moved", "FR")):
            set_traits(transaction, people[name], {"country": country})
        ledger.record(transaction, Consent(people["spoke in DE"], Purpose.SERVICE, State.GIVEN, place="DE"), NOW)
        return people

    people: dict[str, Pseudonym] = shop.do(enrol)
    for person in people.values():
        declare(shop, "US", "notice", Purpose.RECOMMEND, Purpose.TRAIN, person=person)
    with shop.store.snapshot() as snapshot:
        assert shop.gate.trainable(snapshot, Purpose.RECOMMEND) == {people["us"]}
        assert read_head(snapshot).seq
