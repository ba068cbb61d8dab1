"""A yes covers what its notice named: a new kind of data or a new recipient asks again, less data never does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from consent_shop import ANN, NOW, ConsentShop, notice_of

from tillwise.errors import Conflict, NotFound
from tillwise.privacy import ledger
from tillwise.privacy.consent import current
from tillwise.privacy.ledger import State
from tillwise.privacy.material import ANYTHING, added, covers, keep_materials, material, read_materials
from tillwise.vocabulary.purpose import Purpose

BOUGHT, SEEN, PLACE = "user.behavior.purchase_history", "user.behavior.browsing_history", "user.location"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ConsentShop]:
    shop = ConsentShop(tmp_path / "shop.db")
    yield shop
    shop.store.close()


def use(shop: ConsentShop, *kinds: str, to: tuple[str, ...] = (), wall: int = NOW) -> None:
    """Declare what recommendations use from now on, as a start of the shop does."""
    needed = {Purpose.RECOMMEND: material(kinds, to)}
    shop.do(lambda t: keep_materials(t, needed, wall))
    shop.gate.need(needed)


def test_what_covers_what() -> None:
    """Same or less is covered, a broader word covers a narrower one, a new kind or recipient is not covered."""
    both = material([BOUGHT, SEEN])
    assert covers(both, material([SEEN, BOUGHT]))
    assert covers(both, material([SEEN]))
    assert covers("user.behavior", both)
    assert not covers(material([SEEN]), both)
    assert not covers(both, material([BOUGHT], ["Ad Network"]))
    assert covers(material([BOUGHT], ["Ad Network"]), material([BOUGHT]))
    assert covers("", "")
    assert covers(both, "")
    assert not covers("", both)
    assert covers(ANYTHING, both)
    assert added("", material([SEEN], ["Ad Network"])) == (SEEN, "Ad_Network")
    assert added(material([SEEN]), material([SEEN, PLACE], ["Ad Network"])) == (PLACE, "Ad_Network")
    assert added(both, both) == ()


def test_a_new_kind_of_data_asks_again(shop: ConsentShop) -> None:
    """Renewal needed: withheld where people are asked, still told apart from no yes at all; a new yes mends it."""
    use(shop, SEEN)
    shop.serve()
    assert shop.say().dpv == "ConsentGiven"
    assert shop.cause() is None
    use(shop, SEEN, PLACE, wall=NOW + 1)
    assert shop.cause() == "consent_renewal_needed"
    with shop.store.snapshot() as snapshot:
        (status,) = current(snapshot, ANN, NOW)
    assert (status.dpv, status.renew) == ("ConsentExpired", True)
    shop.serve(at=NOW + 1)
    assert shop.say().dpv == "RenewedConsentGiven"
    assert shop.cause() is None


def test_where_telling_is_enough_nothing_is_withheld(shop: ConsentShop) -> None:
    """Outside opt-in places the use rests on the notice again."""
    use(shop, SEEN)
    shop.serve(notice=notice_of("US-TX"))
    shop.say(place="US-TX")
    use(shop, SEEN, PLACE, wall=NOW + 1)
    permit = shop.permit("US-TX")
    assert (permit.granted, permit.basis) == (True, "notice")


def test_less_data_and_old_wording_need_no_new_yes(shop: ConsentShop) -> None:
    """Using less never asks anybody again."""
    use(shop, SEEN, BOUGHT, to=("Mailer",))
    shop.serve()
    shop.say()
    use(shop, SEEN, wall=NOW + 1)
    assert shop.cause() is None


def test_the_notice_of_the_day_counts_not_the_day_of_the_yes(shop: ConsentShop) -> None:
    """Shown before the change and agreed after it: the yes covers what was shown."""
    use(shop, SEEN)
    shop.serve()
    use(shop, SEEN, PLACE, wall=NOW + 1)
    shop.say()
    assert shop.cause() == "consent_renewal_needed"


def test_materials_are_kept_with_their_day(shop: ConsentShop) -> None:
    """The newest counts; the same again writes nothing."""
    for wall, kinds in ((NOW, (SEEN,)), (NOW + 1, (SEEN,)), (NOW + 2, (BOUGHT,))):
        use(shop, *kinds, wall=wall)
    with shop.store.snapshot() as snapshot:
        assert read_materials(snapshot) == {Purpose.RECOMMEND: BOUGHT}
        assert snapshot.all("SELECT wall FROM consent_materials ORDER BY wall") == [(NOW,), (NOW + 2,)]


def test_implied_consent_counts_only_where_nobody_has_to_be_asked(shop: ConsentShop) -> None:
    """Going on after a notice is stored as what it is; a signal still outweighs it, a yes does not rest on it."""
    with pytest.raises(NotFound, match="never served"):
        shop.say(State.IMPLIED)
    for place in ("DE", "US-TX"):
        shop.serve(notice=notice_of(place))
        assert shop.say(State.IMPLIED, place=place).dpv == "ConsentUnknown"
    assert shop.cause() == "consent_missing"
    shop.record(State.IMPLIED, Purpose.SHARE, place="US-CA")
    assert shop.cause("US-CA", Purpose.SHARE) is None
    assert shop.permit("US-CA", Purpose.SHARE).basis != "consent"
    assert shop.cause("US-CA", Purpose.SHARE, signals=frozenset({"gpc"})) == "gpc"


@pytest.mark.parametrize("no", [State.REFUSED, State.WITHDRAWN])
def test_going_on_without_a_word_takes_no_no_back(shop: ConsentShop, no: State) -> None:
    """A refusal, withdrawal or objection ends with the person's own yes, with nothing less (GDPR 7(3), 21(3))."""
    shop.serve(notice=notice_of("US-TX"))
    shop.say(no, place="US-TX")
    for _ in range(2):
        with pytest.raises(Conflict, match="their own yes"):
            shop.say(State.IMPLIED, place="US-TX")
        assert shop.cause("US-TX") == f"consent_{no}"
        shop.do(lambda t: ledger.restrict(t, ANN, NOW, place="US-TX", source="restriction"))
        with pytest.raises(Conflict, match="their own yes"):
            shop.say(State.IMPLIED, place="US-TX")
        shop.do(lambda t: ledger.lift(t, ANN, NOW, source="lifted"))
    shop.say(State.GIVEN, place="US-TX")
    assert shop.cause("US-TX") is None


def test_a_yes_asked_just_in_time_says_so(shop: ConsentShop) -> None:
    """When the notice was shown stands beside when the yes was said."""
    shop.serve(at=NOW - 4_000)
    said = shop.say()
    assert (said.shown_at, said.at) == (NOW - 4_000, NOW)
