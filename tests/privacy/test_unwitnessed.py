"""What an import says somebody agreed to is weighed as what it is: declared, not witnessed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from consent_shop import ANN, NOW, ConsentShop

from tillwise.events.people import pseudonym_for
from tillwise.privacy import ledger
from tillwise.privacy.consent_record import Chosen
from tillwise.privacy.elsewhere import Origin, take_over
from tillwise.privacy.gate import Gate
from tillwise.privacy.ledger import DeclaredBasis, PurposeBasis, State
from tillwise.privacy.rule_file import load_rules
from tillwise.settings import Secrets
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.purpose import Purpose

GPC = frozenset({"gpc"})


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ConsentShop]:
    shop = ConsentShop(tmp_path / "shop.db")
    yield shop
    shop.store.close()


def declare(
    shop: ConsentShop, place: str, purpose: Purpose = Purpose.MARKETING, basis: str = "consent", *people: Pseudonym
) -> None:
    said = DeclaredBasis(place, {purpose: PurposeBasis(basis, "terms-1", "signed")})
    shop.do(lambda t: ledger.declare(t, people or (ANN,), said, source="import", now=NOW))


def test_a_declared_yes_does_not_outweigh_a_signal(shop: ConsentShop) -> None:
    """Only a person's own yes does; without a signal the import's word counts."""
    declare(shop, "US-CA", Purpose.SHARE)
    assert shop.permit("US-CA", Purpose.SHARE).basis == "consent"
    assert shop.cause("US-CA", Purpose.SHARE, signals=GPC) == "gpc"
    declare(shop, "DE")
    assert shop.cause("DE", Purpose.MARKETING) is None
    assert shop.cause("DE", Purpose.MARKETING, signals=GPC) == "gpc"
    for purpose, place in ((Purpose.SHARE, "US-CA"), (Purpose.MARKETING, "DE")):
        shop.record(State.GIVEN, purpose)
        assert shop.permit(place, purpose, signals=GPC).basis == "consent"


def test_a_yes_from_another_tool_is_declared_too(shop: ConsentShop) -> None:
    """What a consent tool recorded elsewhere is no yes that was said here."""
    chosen = Chosen({Purpose.SHARE: True})
    origin = Origin("klaro", notice="terms", evidence="export", place="US-CA", at=NOW)
    shop.do(lambda t: take_over(t, ANN, chosen, origin, NOW))
    assert shop.cause("US-CA", Purpose.SHARE) is None
    assert shop.cause("US-CA", Purpose.SHARE, signals=GPC) == "gpc"


def test_a_yes_declared_under_a_laxer_law_is_no_yes_here(shop: ConsentShop) -> None:
    """An American file cannot say that a person in Germany was asked as German law asks; their own yes can."""
    declare(shop, "US")
    assert shop.permit("US", Purpose.MARKETING).basis == "consent"
    assert shop.cause("DE", Purpose.MARKETING) == "consent_missing"
    shop.record(State.GIVEN, Purpose.MARKETING, place="US")
    assert shop.permit("DE", Purpose.MARKETING).basis == "consent"


@pytest.mark.parametrize(("declared", "asked_from", "basis"), [("DE", "FR", "consent"), ("DE", "US", "consent")])
def test_a_yes_declared_under_a_law_as_strict_counts(
    shop: ConsentShop, declared: str, asked_from: str, basis: str
) -> None:
    """What was asked as strictly there needs no second question."""
    declare(shop, declared)
    assert shop.permit(asked_from, Purpose.MARKETING).basis == basis


def test_where_nobody_is_asked_the_rule_is_the_basis_not_the_file(shop: ConsentShop) -> None:
    """Declared as notice in the US, decided in Brazil, where people may opt out: allowed as Brazil says."""
    declare(shop, "US", Purpose.RECOMMEND, "notice")
    assert shop.permit("BR").basis == "legitimate_interest"


def test_a_yes_declared_for_no_place_counts_for_the_shops_own(shop: ConsentShop) -> None:
    """A file that names no place speaks of the shop's; where that is unknown too, nobody can say what it meant."""
    declare(shop, "")
    assert shop.cause("DE", Purpose.MARKETING) == "consent_missing"
    shop.gate = Gate(default_place="DE", wall=lambda: NOW)
    assert shop.permit("DE", Purpose.MARKETING).basis == "consent"


def test_a_stricter_preset_leaves_an_imports_yes_what_it_was(shop: ConsentShop) -> None:
    """With eu-strict a shop asks Americans too: those who agreed at home did; for Germany it is still not enough."""
    shop.gate = Gate(rules=load_rules(preset="eu-strict"), wall=lambda: NOW)
    declare(shop, "US")
    assert shop.permit("US", Purpose.MARKETING).basis == "consent"
    assert shop.cause("DE", Purpose.MARKETING) == "consent_missing"


def test_nobody_is_learnt_from_on_a_yes_of_a_laxer_law(shop: ConsentShop) -> None:
    """Training weighs a declared yes as serving does."""
    secrets = Secrets(log=b"0123456789abcdef0123456789abcdef")
    person: Pseudonym = shop.do(lambda t: pseudonym_for(t, secrets, "u-1"))
    for purpose in (Purpose.RECOMMEND, Purpose.TRAIN):
        declare(shop, "US", purpose, "consent", person)
    with shop.store.snapshot() as snapshot:
        assert shop.gate.trainable(snapshot, Purpose.RECOMMEND) == {person}
    shop.record(State.IMPLIED, Purpose.SERVICE, person, place="DE")
    with shop.store.snapshot() as snapshot:
        assert shop.gate.trainable(snapshot, Purpose.RECOMMEND) == set()
