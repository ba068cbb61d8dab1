"""The gate: a permit is what the person said, weighed against what their place asks, at one position of the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tillwise.errors import InvalidInput, NotPermitted
from tillwise.events.log import read_head
from tillwise.events.people import pseudonym_for, set_traits
from tillwise.events.tables import TABLES as EVENT_TABLES
from tillwise.privacy import ledger
from tillwise.privacy.gate import Gate
from tillwise.privacy.ledger import Consent, DeclaredBasis, PurposeBasis, State
from tillwise.privacy.permit import Permit
from tillwise.privacy.rule_file import load_rules
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.identity import Pseudonym
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose

NOW = 1_795_000_000_000
SECRETS = Secrets(log=b"0123456789abcdef0123456789abcdef")
ANN, BEN, VISITOR = Pseudonym(11), Pseudonym(12), Pseudonym(13)
PEOPLE = (ANN, BEN, VISITOR)


@dataclass
class Ledger:
    """A ledger on a real file, and a gate over it."""

    store: SqliteStore
    gate: Gate

    def say(self, person: Pseudonym, state: State, purpose: Purpose = Purpose.RECOMMEND, **more: Any) -> int:
        return self.store.commit(lambda t: ledger.record(t, Consent(person, purpose, state, **more), NOW)).result()[0]

    def declare(self, place: str, basis: str, *people: Pseudonym, purpose: Purpose = Purpose.RECOMMEND) -> None:
        said = DeclaredBasis(place, {purpose: PurposeBasis(basis, "terms-1", "signed")})
        self.store.commit(lambda t: ledger.declare(t, people, said, source="import", now=NOW)).result()

    def permit(self, subject: Pseudonym | None = ANN, country: str | None = "DE", **more: Any) -> Permit:
        with self.store.snapshot() as snapshot:
            point = more.pop("point", None) or Point.after(read_head(snapshot), NOW)
            purpose = more.pop("purpose", Purpose.RECOMMEND)
            return self.gate.permit(snapshot, purpose=purpose, subject=subject, country=country, point=point, **more)

    def cause(self, *args: Any, **more: Any) -> str | None:
        permit = self.permit(*args, **more)
        assert permit.granted is (not permit.withheld)
        return permit.withheld[0].cause if permit.withheld else None


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Ledger]:
    store = SqliteStore(tmp_path / "shop.db")
    store.create((*EVENT_TABLES, *ledger.TABLES))
    yield Ledger(store, Gate(wall=lambda: NOW))
    store.close()


def test_nobody_makes_a_permit_but_the_gate() -> None:
    """A permit cannot be made up."""
    with pytest.raises(NotPermitted):
        Permit(object(), Purpose.RECOMMEND, "DE", None, Point(0, 0, 1), granted=True)


def test_opt_in_place_asks_first(shop: Ledger) -> None:
    """In an opt-in place nothing is granted before it is given, and a withdrawal takes it back at once."""
    assert shop.cause() == "consent_missing"
    seq = shop.say(ANN, State.GIVEN)
    permit = shop.permit()
    assert (permit.granted, permit.basis, permit.place, permit.consent_seq) == (True, "consent", "DE", seq)
    shop.say(ANN, State.WITHDRAWN)
    assert shop.cause() == "consent_withdrawn"
    shop.say(ANN, State.REFUSED)
    assert shop.cause() == "consent_refused"


def test_notice_place_grants_until_refused(shop: Ledger) -> None:
    """Where telling people is enough, a refusal still counts."""
    assert shop.permit(country="US").basis == "notice"
    shop.say(ANN, State.REFUSED)
    assert shop.cause(country="US") == "consent_refused"


def test_unknown_place_is_the_strictest(shop: Ledger) -> None:
    """No place, no rule: the strictest holds; the shop's own place stands in where it is set."""
    assert shop.cause(country=None) == "consent_missing"
    assert shop.permit(country=None).place == "unknown"
    shop.gate = Gate(default_place="us", wall=lambda: NOW)
    permit = shop.permit(country=None)
    assert (permit.granted, permit.place) == (True, "US")


def test_places_are_read_as_people_write_them(shop: Ledger) -> None:
    """Small letters, and UK for GB, name the same place."""
    for country, place in (("uk", "GB"), ("de", "DE"), ("us-ca", "US-CA"), ("EL", "GR")):
        assert shop.permit(country=country).place == place


def test_purposes_are_apart(shop: Ledger) -> None:
    """Consent to one purpose is no consent to another."""
    shop.say(ANN, State.GIVEN, Purpose.SEARCH)
    assert shop.cause() == "consent_missing"
    assert shop.cause(purpose=Purpose.SEARCH) is None


def test_fraud_prevention_is_not_switched_off_by_consent(shop: Ledger) -> None:
    """Fraud prevention rests on its own basis; an objection opens a review, it does not blind the check."""
    shop.say(ANN, State.REFUSED, Purpose.FRAUD_PREVENTION)
    for country in ("DE", "US", None):
        permit = shop.permit(country=country, purpose=Purpose.FRAUD_PREVENTION)
        assert (permit.granted, permit.basis) == (True, "legitimate_interest")


def test_ban_outweighs_consent(shop: Ledger) -> None:
    """What a place bans, nobody can agree to."""
    shop.say(ANN, State.GIVEN, Purpose.PRICE)
    assert shop.cause(country="CN", purpose=Purpose.PRICE) == "banned_in_place"


def test_subject_decides_and_either_refusal_counts(shop: Ledger) -> None:
    """In a session with both, consent is not transferred, and the stricter word holds."""
    shop.say(VISITOR, State.GIVEN)
    assert shop.cause(anonymous=VISITOR) == "consent_missing"
    assert shop.cause(None, anonymous=VISITOR) is None
    shop.say(ANN, State.GIVEN)
    assert shop.cause(anonymous=VISITOR) is None
    seq = shop.say(VISITOR, State.WITHDRAWN)
    assert shop.cause(anonymous=VISITOR) == "consent_withdrawn"
    assert shop.permit(anonymous=VISITOR).consent_seq == seq


def test_nobody_known_refuses_nothing(shop: Ledger) -> None:
    """Without a person there is nothing personal to read, and nobody to ask."""
    permit = shop.permit(None)
    assert (permit.granted, permit.subject, permit.basis, permit.consent_seq) == (True, None, None, 0)


def test_permit_is_of_its_position(shop: Ledger) -> None:
    """A past point sees the consent that stood then, not what came later."""
    given_at = shop.say(ANN, State.GIVEN)
    withdrawn_at = shop.say(ANN, State.WITHDRAWN)
    for seq, granted in ((given_at, False), (withdrawn_at, True)):
        assert shop.permit(point=Point.before(epoch=0, at=NOW, seq=seq)).granted is granted


def test_signal_is_noted_and_weighed(shop: Ledger) -> None:
    """Global Privacy Control stops sharing where the law says so, and nothing the shop does for itself."""
    gpc = frozenset({"gpc"})
    assert shop.cause(country="US-CA", purpose=Purpose.SHARE, signals=gpc) == "gpc"
    assert shop.cause(country="US-CA", purpose=Purpose.SHARE) is None
    assert shop.cause(country="US-VA", purpose=Purpose.SHARE, signals=gpc) is None
    for purpose in (Purpose.RECOMMEND, Purpose.MARKETING):
        assert shop.permit(country="US-CA", purpose=purpose, signals=gpc).signals == ("gpc",)
        assert shop.cause(country="US-CA", purpose=purpose, signals=gpc) is None


def test_explicit_choice_outweighs_a_signal_and_both_are_told(shop: Ledger) -> None:
    """Somebody said yes to sharing and their browser says no: the yes counts, the permit shows both."""
    shop.say(ANN, State.GIVEN, Purpose.SHARE)
    permit = shop.permit(country="US-CA", purpose=Purpose.SHARE, signals=frozenset({"gpc"}))
    assert (permit.granted, permit.basis, permit.signals) == (True, "consent", ("gpc",))
    shop.say(ANN, State.WITHDRAWN, Purpose.SHARE)
    assert shop.cause(country="US-CA", purpose=Purpose.SHARE, signals=frozenset({"gpc"})) == "consent_withdrawn"


def test_a_yes_runs_out(shop: Ledger) -> None:
    """A yes of two years ago counts no more where people must be asked; where telling is enough, nothing changes."""
    shop.say(ANN, State.GIVEN)
    days = 86_400_000
    for after, cause in ((729, None), (731, "consent_expired")):
        assert shop.cause(point=Point(0, NOW + after * days, 2**50)) == cause
        assert shop.cause(country="US", point=Point(0, NOW + after * days, 2**50)) is None
    shop.say(ANN, State.REFUSED)
    assert shop.cause(point=Point(0, NOW + 9_999 * days, 2**50)) == "consent_refused"


def test_an_invalid_yes_counts_no_more(shop: Ledger) -> None:
    """A yes that was found not to count is no yes, and no refusal either."""
    shop.say(ANN, State.GIVEN)
    shop.say(ANN, State.INVALIDATED)
    assert shop.cause() == "consent_invalidated"
    assert shop.permit(country="US").basis == "notice"
    shop.say(ANN, State.GIVEN)
    assert shop.cause() is None


def test_device_history_has_a_rule_of_its_own(shop: Ledger) -> None:
    """In Brazil a customer may opt out, but a visitor's device history is used only with a yes."""
    assert shop.cause(country="BR") is None
    assert shop.cause(None, country="BR", anonymous=VISITOR) == "consent_missing"
    shop.say(VISITOR, State.GIVEN)
    assert shop.cause(None, country="BR", anonymous=VISITOR) is None


def test_changed_rules_act_on_the_next_permit_and_old_permits_keep_theirs(shop: Ledger) -> None:
    """The permit names the revision it was judged by."""
    before = shop.permit(country="US")
    shop.gate.adopt(load_rules(preset="eu-strict"))
    after = shop.permit(country="US")
    assert (before.granted, after.granted) == (True, False)
    assert before.rules != after.rules == shop.gate.rules.revision
    assert after.place == "US"


@pytest.mark.parametrize(
    ("basis", "country", "granted"),
    [
        ("consent", "DE", True), ("notice", "DE", False), ("legitimate_interest", "DE", False), ("notice", "US", True),
        ("benchmark", "DE", True),
    ],
)  # fmt: skip
def test_declared_basis_is_weighed_against_the_place(shop: Ledger, basis: str, country: str, granted: bool) -> None:
    """An import's declared consent counts as consent; a declared notice is not enough where people must be asked."""
    shop.declare(country, basis, ANN)
    permit = shop.permit(country=None)
    assert permit.granted is granted
    assert permit.place == country
    assert permit.basis == (basis if granted else None)


def test_stricter_of_two_places_holds(shop: Ledger) -> None:
    """Somebody declared in one place asks from another: the stricter rule holds."""
    shop.declare("US", "notice", ANN)
    assert shop.cause(country="DE") == "consent_missing"
    shop.declare("DE", "notice", BEN)
    assert shop.cause(BEN, country="US") == "consent_missing"


def test_declaration_never_overrides_the_person(shop: Ledger) -> None:
    """Whoever has spoken here keeps their own word, whatever a later import declares."""
    shop.say(ANN, State.WITHDRAWN)
    shop.declare("DE", "consent", ANN, BEN)
    assert shop.cause() == "consent_withdrawn"
    assert shop.cause(BEN) is None
    with shop.store.snapshot() as snapshot:
        assert [row["state"] for row in ledger.history(snapshot, ANN)] == ["withdrawn"]
        assert ledger.declared_counts(snapshot) == [("recommend", "consent", "DE", 1)]


def test_declaring_again_writes_nothing_new(shop: Ledger) -> None:
    """An import that is run twice declares once; a changed basis is a new fact."""
    for basis in ("consent", "consent", "notice", "consent"):
        shop.declare("DE", basis, ANN)
    with shop.store.snapshot() as snapshot:
        assert [row["basis"] for row in ledger.history(snapshot, ANN)] == ["consent", "notice", "consent"]


def test_unknown_basis_is_refused() -> None:
    """A mapping cannot make up a basis."""
    with pytest.raises(InvalidInput, match="vibes"):
        DeclaredBasis("DE", {Purpose.RECOMMEND: PurposeBasis("vibes")})


def test_benchmark_basis_is_visible(shop: Ledger) -> None:
    """`serve` can see that data rest on the basis of a benchmark."""
    with shop.store.snapshot() as snapshot:
        assert not ledger.holds_benchmark(snapshot)
    shop.declare("DE", "benchmark", ANN)
    with shop.store.snapshot() as snapshot:
        assert ledger.holds_benchmark(snapshot)


def test_nothing_to_consent_to_in_operations(shop: Ledger) -> None:
    """Operations use no personal data."""
    with pytest.raises(InvalidInput):
        shop.say(ANN, State.GIVEN, Purpose.OPERATIONS)


def test_trainable_needs_the_purpose_and_train(shop: Ledger) -> None:
    """Data teach a model only of people who allow the purpose and the training, each by the rule of their place."""

    def enrol(transaction: Any) -> dict[str, Pseudonym]:
        people = {name: pseudonym_for(transaction, SECRETS, name) for name in ("de-both", "de-one", "us", "us-no", "?")}
        for name in ("us", "us-no"):
            set_traits(transaction, people[name], {"country": "US"})
        return people

    people = shop.store.commit(enrol).result()
    for name, purposes in (("de-both", (Purpose.RECOMMEND, Purpose.TRAIN)), ("de-one", (Purpose.RECOMMEND,))):
        for purpose in purposes:
            shop.say(people[name], State.GIVEN, purpose, place="DE")
    shop.say(people["us-no"], State.REFUSED, Purpose.TRAIN)
    with shop.store.snapshot() as snapshot:
        assert shop.gate.trainable(snapshot, Purpose.RECOMMEND) == {people["de-both"], people["us"]}
        assert shop.gate.training_permit(Purpose.RECOMMEND, Point(0, NOW, 1)).training


class Oracle:
    """The same rules, said plainly, over a plain list."""

    def __init__(self) -> None:
        self.facts: list[tuple[int, Pseudonym, Purpose, State]] = []

    def word(self, person: Pseudonym | None, purpose: Purpose, up_to: int) -> State | None:
        said = [s for seq, who, what, s in self.facts if who == person and what is purpose and seq <= up_to]
        return said[-1] if said else None

    def granted(
        self,
        subject: Pseudonym | None,
        visitor: Pseudonym | None,
        purpose: Purpose,
        country: str,
        up_to: int,
        gpc: bool,
    ) -> bool:
        if purpose is Purpose.FRAUD_PREVENTION or (subject is None and visitor is None):
            return True
        words = [self.word(person, purpose, up_to) for person in (subject, visitor)]
        if State.REFUSED in words or State.WITHDRAWN in words:
            return False
        if words[0 if subject is not None else 1] is State.GIVEN:
            return True
        return country == "US-CA" and not (gpc and purpose is Purpose.SHARE)


step = st.one_of(
    st.tuples(
        st.just("say"), st.sampled_from(PEOPLE),
        st.sampled_from((Purpose.RECOMMEND, Purpose.SHARE, Purpose.FRAUD_PREVENTION)),
        st.sampled_from((State.GIVEN, State.REFUSED, State.WITHDRAWN)),
    ),
    st.tuples(
        st.just("ask"), st.sampled_from((ANN, BEN, None)), st.sampled_from((VISITOR, None)),
        st.tuples(st.integers(0, 40), st.booleans()),
    ),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, max_size=30))
def test_gate_agrees_with_a_plain_oracle(shop: Ledger, steps: list[Any]) -> None:
    """Whatever is said in whatever order, asked at whatever position: the gate says what a plain list would."""
    shop.store.commit(lambda t: t.run("DELETE FROM consents")).result()
    oracle = Oracle()
    with shop.store.snapshot() as snapshot:
        start = read_head(snapshot).seq
    for kind, first, second, third in steps:
        if kind == "say":
            oracle.facts.append((shop.say(first, third, second), first, second, third))
            continue
        up_to, gpc = start + third[0], third[1]
        signals = frozenset({"gpc"}) if gpc else frozenset()
        for purpose in (Purpose.RECOMMEND, Purpose.SHARE, Purpose.FRAUD_PREVENTION):
            for country in ("DE", "US-CA"):
                permit = shop.permit(
                    first, country, anonymous=second, purpose=purpose, signals=signals,
                    point=Point(0, NOW, 2 * up_to + 1),
                )  # fmt: skip
                assert permit.granted is oracle.granted(first, second, purpose, country, up_to, gpc)
                newest = [seq for seq, who, _, _ in oracle.facts if who in (first, second) and seq <= up_to]
                assert permit.consent_seq == max(newest, default=0)
