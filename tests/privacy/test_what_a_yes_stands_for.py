"""A yes stands for what its notice told, where it told it, as long as that is on record; silence never replaces it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from consent_shop import ANN, NOTICE, NOW, ConsentShop, notice_of

from tillwise.errors import Conflict
from tillwise.privacy import ledger
from tillwise.privacy.consent import NothingAgreed, current
from tillwise.privacy.consent_record import Chosen
from tillwise.privacy.elsewhere import Origin, take_over
from tillwise.privacy.ledger import DeclaredBasis, PurposeBasis, State
from tillwise.privacy.material import keep_materials, material
from tillwise.privacy.notice_place import notice_place, stands_at
from tillwise.privacy.purposes import UNKNOWN
from tillwise.vocabulary.purpose import Purpose

SEEN = "user.behavior.browsing_history"
SHARED = {Purpose.SHARE: material([SEEN], ["ad-network@US"])}
QUIET = notice_of("DE", Purpose.RECOMMEND)
"""A notice of a shop that hands nothing to anybody."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ConsentShop]:
    shop = ConsentShop(tmp_path / "shop.db")
    yield shop
    shop.store.close()


def share(shop: ConsentShop) -> None:
    """Begin to hand data to a recipient."""
    shop.do(lambda t: keep_materials(t, SHARED, NOW + 1))
    shop.gate.need(SHARED)


def renew(shop: ConsentShop) -> list[bool]:
    with shop.store.snapshot() as snapshot:
        return [status.renew for status in current(snapshot, ANN, NOW)]


def declare(shop: ConsentShop, purpose: Purpose, basis: str = "consent") -> None:
    declared = DeclaredBasis("DE", {purpose: PurposeBasis(basis, "terms-2026", "sign-up box")})
    shop.do(lambda t: ledger.declare(t, [ANN], declared, source="import", now=NOW))


@pytest.mark.parametrize("state", [State.GIVEN, State.IMPLIED])
@pytest.mark.parametrize("purpose", [Purpose.SHARE, Purpose.PRICE, Purpose.SERVICE, Purpose.MODERATION])
def test_nobody_says_yes_to_what_the_notice_does_not_tell(shop: ConsentShop, purpose: Purpose, state: State) -> None:
    """There is nothing they could agree to; a no is taken all the same."""
    shown = shop.serve(notice=QUIET)
    with pytest.raises(NothingAgreed, match=f"does not stand for '{purpose}'"):
        shop.say(state, purpose, notice_id=shown)
    for no in (State.REFUSED, State.WITHDRAWN):
        assert shop.say(no, purpose, notice_id=shown).choice.state is no


def test_a_yes_of_before_covers_no_recipient_of_after(shop: ConsentShop) -> None:
    """A yes of an earlier release, which kept nothing of what was told, is asked again; it is held back until then."""
    shop.record(State.GIVEN, Purpose.SHARE, place="DE")
    assert (shop.cause(purpose=Purpose.SHARE), renew(shop)) == (None, [False])
    share(shop)
    assert (shop.cause(purpose=Purpose.SHARE), renew(shop)) == ("consent_renewal_needed", [True])


def test_a_use_that_ended_is_no_part_of_what_is_told_later(shop: ConsentShop) -> None:
    """The shop still knows what sharing used; a notice that does not speak of it stands for nothing of it."""
    share(shop)
    shown = shop.serve(notice=QUIET, at=NOW + 2)
    with pytest.raises(NothingAgreed):
        shop.say(purpose=Purpose.SHARE, notice_id=shown)


def test_what_a_place_bans_is_nothing_to_agree_to(shop: ConsentShop) -> None:
    """The notice says that it is not done there."""
    notice = notice_of("CN", Purpose.PRICE, Purpose.RECOMMEND)
    assert notice.purposes == (Purpose.RECOMMEND,)
    shown = shop.serve(notice=notice)
    with pytest.raises(NothingAgreed):
        shop.say(purpose=Purpose.PRICE, notice_id=shown, place="CN")


def test_what_an_import_declares_is_the_shops_own_word(shop: ConsentShop) -> None:
    """Its notice was served elsewhere: it covers what it was declared for, witnessed by nobody here."""
    declare(shop, Purpose.SHARE)
    share(shop)
    assert (shop.cause(purpose=Purpose.SHARE), renew(shop)) == (None, [False])


def test_another_tool_adds_no_yes_to_a_notice_of_ours_that_says_nothing_of_it(shop: ConsentShop) -> None:
    """It is left out and counted, and not declared instead; another place's notice likewise."""
    shown = shop.serve(notice=QUIET)
    for purpose, place in ((Purpose.SHARE, "DE"), (Purpose.RECOMMEND, "US-CA")):
        origin = Origin("klaro", shown, "export 3", place, NOW)
        (done,) = shop.do(lambda t, o=origin, p=purpose: take_over(t, ANN, Chosen({p: True}), o, NOW))
        assert done.startswith("left out: the notice served here")
    with shop.store.snapshot() as snapshot:
        assert ledger.history(snapshot, ANN) == []


@pytest.mark.parametrize(
    ("told", "place", "stands"),
    [
        ("DE", "DE", True), ("FR", "DE", True), ("FR", "DE-BY", True), ("US", "US-CA", True), ("CA", "CA-QC", True),
        (UNKNOWN, "DE", True), (UNKNOWN, "US-CA", True), (UNKNOWN, "ZW", True), ("JP", "JP-13", True),
        ("US", "DE", False), ("DE", "US", False), ("US-CA", "US", False), ("US-CA", "US-TX", False),
        ("US-TX", "US-OR", False), ("GB", "DE", False), ("CA", "US-CA", False), ("DE", "ZW", False),
        ("JP", "ZW", False), ("ZW", "DE", False), ("DE", UNKNOWN, False),
    ],
)  # fmt: skip
def test_where_a_notice_stands(told: str, place: str, stands: bool) -> None:
    """Its own place, the regions of its country, countries under the same law; that of an unknown place everywhere."""
    assert stands_at(told, place) is stands


def test_a_yes_under_another_places_notice_is_none(shop: ConsentShop) -> None:
    """Who was told the rights of the United States has not agreed in Germany; said there, the yes counts there."""
    shown = shop.serve(notice=notice_of("US"))
    with pytest.raises(NothingAgreed, match="tells the law of US, and this is said in DE"):
        shop.say(notice_id=shown)
    assert shop.cause() == "consent_missing"
    shop.say(notice_id=shown, place="US-CA")
    assert shop.permit("US-CA").basis == "consent"
    with pytest.raises(NothingAgreed):
        shop.say(notice_id=shop.serve(), place="US-CA")


def test_a_yes_that_names_no_place_is_said_where_its_notice_holds(shop: ConsentShop) -> None:
    """Or where the person is known to be: then the notice has to stand there."""
    assert shop.say(notice_id=shop.serve(notice=notice_of(UNKNOWN)), place="").choice.place == ""
    assert shop.say(notice_id=shop.serve(), place="").choice.place == "DE"
    with pytest.raises(NothingAgreed, match="said in DE"):
        shop.say(notice_id=shop.serve(notice=notice_of("US")), place="")


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("said", ["given", "declared"])
def test_going_on_without_a_word_replaces_no_yes(shop: ConsentShop, said: str, held: bool) -> None:
    """An explicit choice stands, as a no does, also while the data are on hold."""
    shop.serve()
    if said == "given":
        shop.say()
    else:
        declare(shop, Purpose.RECOMMEND)
    if held:
        shop.do(lambda t: ledger.restrict(t, ANN, NOW, place="DE", source="restriction"))
    with pytest.raises(Conflict, match="they said yes"):
        shop.say(State.IMPLIED)
    shop.do(lambda t: ledger.lift(t, ANN, NOW, source="lifted"))
    assert shop.permit().basis == "consent"


@pytest.mark.parametrize("table", ["notices_served", "notices"])
def test_a_yes_counts_while_its_notice_is_on_record(shop: ConsentShop, table: str) -> None:
    """Without the text, or the record that this person was shown it, nobody can tell what they agreed to."""
    shop.serve()
    shop.say()
    assert shop.cause() is None
    shop.do(lambda t: t.run(f"DELETE FROM {table}"))
    assert shop.cause() == "consent_invalidated"
    with shop.store.snapshot() as snapshot:
        assert [status.dpv for status in current(snapshot, ANN, NOW)] == ["ConsentInvalidated"]
        assert shop.gate.trainable(snapshot, Purpose.RECOMMEND) == set()
    shop.serve()
    shop.say(notice_id=NOTICE.notice_id)
    assert shop.cause() is None


def test_a_code_nobody_knows_makes_no_notice_of_its_own() -> None:
    """A region without rules has its country's, a country without any the strictest."""
    ruled = {"DE", "US", "US-CA", "JP-13"}
    asked = {"DE": "DE", "DE-BY": "DE", "US-ZZ": "US", "US-CA": "US-CA", "JP": "JP", "ZZ": UNKNOWN, "": UNKNOWN}
    assert {place: notice_place(place, ruled) for place in asked} == asked
