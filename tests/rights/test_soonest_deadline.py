"""Of all places that are known of somebody, the law that answers soonest sets the deadline of a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tillwise.app.build import App, build_app
from tillwise.cli.init import create_shop
from tillwise.events.people import pseudonym_for, set_traits
from tillwise.privacy import ledger
from tillwise.privacy.ledger import Consent, DeclaredBasis, PurposeBasis, State
from tillwise.rights.asked import Asked
from tillwise.rights.deadlines import soonest
from tillwise.rights.request import Kind
from tillwise.vocabulary.purpose import Purpose

NOW = 1_795_000_000_000


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("soonest") / "shop"
    create_shop(folder)
    app = build_app(folder)
    yield app
    app.close()


def known(app: App, who: str, *, lives: str = "", spoke: str = "", declared: str = "") -> None:
    def work(transaction: Any) -> None:
        person = pseudonym_for(transaction, app.secrets, who)
        if lives:
            set_traits(transaction, person, {"country": lives})
        if spoke:
            ledger.record(transaction, Consent(person, Purpose.SEARCH, State.GIVEN, place=spoke), app.clock.now())
        if declared:
            basis = DeclaredBasis(declared, {Purpose.RECOMMEND: PurposeBasis("notice", "terms")})
            ledger.declare(transaction, (person,), basis, source="import", now=app.clock.now())

    app.store.commit(work).result()


@pytest.mark.parametrize(
    ("told", "asked_from", "law"),
    [
        ({"lives": "FR", "declared": "US"}, "", "GDPR 12(3)"),
        ({"lives": "BR", "spoke": "DE"}, "", "LGPD 19"),
        ({"spoke": "DE", "declared": "US"}, "", "GDPR 12(3)"),
        ({"lives": "FR"}, "US-CA", "GDPR 12(3)"),
        ({"lives": "US"}, "FR", "GDPR 12(3)"),
        ({"declared": "US-IA"}, "", "Iowa"),
        ({}, "", "the shortest of the laws that may hold"),
    ],
)
def test_no_import_and_no_request_buys_time(app: App, told: dict[str, str], asked_from: str, law: str) -> None:
    """Residence, own word, an import and what the request names: whichever asks for the quickest answer."""
    who = f"{told} {asked_from}"
    known(app, who, **told)
    assert law in app.rights.ask(Asked(who, Kind.ACCESS, place=asked_from)).request.law


def test_the_place_of_the_deadline_does_not_move_the_person(app: App) -> None:
    """An objection is kept with the place it was made from, or the one known before, never with the quickest law's."""
    known(app, "u-1", lives="BR", spoke="DE")
    app.rights.object(Asked("u-1", Kind.OBJECTION, identity=True), (Purpose.MARKETING,))
    with app.store.snapshot() as snapshot:
        person = app.store.commit(lambda t: pseudonym_for(t, app.secrets, "u-1")).result()
        assert {row["place"] for row in ledger.history(snapshot, person)} == {"DE"}


def test_the_kind_of_request_is_part_of_it() -> None:
    """California ends sales within 15 business days, sooner than a month; access may take 45 days there."""
    assert soonest(("DE", "US-CA"), Kind.OBJECTION, NOW) == "US-CA"
    assert soonest(("DE", "US-CA"), Kind.ACCESS, NOW) == "DE"
    assert soonest((), Kind.ACCESS, NOW) == ""


def test_a_law_that_knows_the_right_goes_before_a_quicker_courtesy() -> None:
    """Brazil answers within 15 days but knows no restriction; who also lives in Germany has a right to it."""
    assert soonest(("BR", "DE"), Kind.ACCESS, NOW) == "BR"
    assert soonest(("BR", "DE"), Kind.RESTRICTION, NOW) == "DE"
