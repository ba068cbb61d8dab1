"""One state machine for every request: no step leads out of it, and a deadline moves once at most, by the law's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tillwise.audit import log as audit_log
from tillwise.errors import Conflict, InvalidInput, NotFound, NotPermitted
from tillwise.events import tables
from tillwise.rights import request as request_room
from tillwise.rights.deadlines import due
from tillwise.rights.request import DAY, FINAL, HANDED, NEXT, Delay, Kind, Refusal, State
from tillwise.rights.requests import Asked, Requests
from tillwise.settings import Secrets
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.purpose import Purpose

SECRETS = Secrets(b"r" * 32)
NEW_YEARS_EVE = int(datetime(2026, 12, 31, 10, tzinfo=UTC).timestamp() * 1000)
ORDER = {State.RECEIVED: 0, State.VERIFYING: 1, State.WORKING: 2, State.DONE: 3, State.REFUSED: 3}


class Clock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now = NEW_YEARS_EVE

    def __call__(self) -> int:
        return self.now


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[Requests]:
    store = SqliteStore(tmp_path_factory.mktemp("requests") / "t.db")
    store.create((*tables.TABLES, *audit_log.TABLES, *request_room.TABLES))
    yield Requests(store, SECRETS, clock)
    store.close()


NUMBERS = count()
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("verify"), st.none()),
        st.tuples(st.just("begin"), st.none()),
        st.tuples(st.just("extend"), st.sampled_from([*Delay, "because"])),
        st.tuples(st.just("refuse"), st.sampled_from([*Refusal, "no time"])),
        st.tuples(st.just("done"), st.none()),
        st.tuples(st.just("wait"), st.integers(1, 40)),
        st.tuples(st.just("again"), st.booleans()),
    ),
    max_size=9,
)


@given(
    kind=st.sampled_from(list(Kind)), identity=st.booleans(), steps=STEPS,
    place=st.sampled_from(["DE", "GB", "US-CA", "US-IA", "BR", "IN", "CA-QC", "XX", ""]),
)  # fmt: skip
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_way_leads_to_an_illegal_state(
    requests: Requests, clock: Clock, kind: Kind, place: str, identity: bool, steps: list[tuple[str, Any]]
) -> None:
    """Whatever is tried in whatever order: states follow the machine, final ones stay, deadlines move once."""
    clock.now = NEW_YEARS_EVE
    asked = Asked(f"u-{next(NUMBERS)}", kind, place=place, identity=identity)
    first = last = requests.receive(asked, who="k-1")
    for step, argument in steps:
        with suppress(Conflict, InvalidInput):  # what follows proves that a refused step changed nothing it must not
            if step == "wait":
                clock.now += argument * DAY
            elif step == "again":
                same = requests.receive(Asked(asked.subject, kind, place="BR", identity=argument))
                assert same.id == first.id or last.state in FINAL
            else:
                _do(requests, first.id, step, argument)
        now = requests.find(first.id)
        assert now.state == last.state or now.state in NEXT[last.state]
        if last.state in FINAL:
            assert now == last
        assert now.identity or not last.identity, "a check is never undone"
        assert now.state not in (State.WORKING, State.DONE) or now.identity, "nothing is done for strangers"
        if now.deadline != last.deadline:
            assert (now.extended, last.extended) == (True, False)
            assert now.deadline == due(first.place, kind, first.received).extended
        last = now
    told = requests.steps(first.id)
    assert [each.state for each in told] == sorted((each.state for each in told), key=lambda state: ORDER[state])
    kept = requests.asked(first.id)
    assert (kept is None) == (last.state in FINAL and not (last.state is State.DONE and kind in HANDED))


def _do(requests: Requests, request_id: str, step: str, argument: Any) -> None:
    if step == "verify":
        requests.verified(request_id)
    elif step == "begin":
        requests.begin(request_id)
    elif step == "done":
        requests.done(request_id, {})
    else:
        getattr(requests, step)(request_id, str(argument))


@pytest.mark.parametrize(
    ("place", "kind", "deadline", "extended"),
    [
        ("DE", Kind.ACCESS, "2027-01-31", "2027-03-31"),
        ("GB", Kind.ERASURE, "2027-01-31", "2027-03-31"),
        ("US-CA", Kind.ACCESS, "2027-02-14", "2027-03-31"),
        ("US-CA", Kind.OBJECTION, "2027-01-21", None),
        ("US-IA", Kind.ACCESS, "2027-03-31", "2027-05-15"),
        ("BR", Kind.ACCESS, "2027-01-15", None),
        ("CA-QC", Kind.ACCESS, "2027-01-30", None),
        ("", Kind.ACCESS, "2027-01-15", None),
        ("XX", Kind.ACCESS, "2027-01-15", None),
    ],
)
def test_a_deadline_is_counted_in_the_calendar_of_its_law(
    place: str, kind: Kind, deadline: str, extended: str | None
) -> None:
    """A month ends on the same day, or on its last; the unknown place has the shortest deadline of any law."""
    found = due(place, kind, NEW_YEARS_EVE)
    assert _day(found.deadline) == deadline
    assert (None if found.extended is None else _day(found.extended)) == extended


@pytest.mark.parametrize(
    ("place", "kind", "deadline", "law"),
    [
        ("IN", Kind.ACCESS, "2027-03-31", "DPDP Rules, rule 14: grievances"),
        (
            "IN",
            Kind.PORTABILITY,
            "2027-03-31",
            "courtesy: no right to portability in DPDP Act 2023, DPDP Rules 2025"
            " (DPDP s. 11-14: no portability, no explanation)",
        ),
        (
            "US-UT",
            Kind.HUMAN_REVIEW,
            "2027-02-14",
            "courtesy: no right to human review in state privacy act (Utah Code 13-61-201: no opt-out of profiling)",
        ),
        ("US-UT", Kind.OBJECTION, "2027-02-14", "Utah Code 13-61-203"),
        ("CA", Kind.PORTABILITY, "2027-01-30", "P-39.1 s. 32 (the shortest of the laws that may hold)"),
        ("US", Kind.RESTRICTION, "2027-02-14", "courtesy: no right to restriction in any law that may hold"),
        ("", Kind.RESTRICTION, "2027-01-31", "GDPR 12(3) (the shortest of the laws that may hold)"),
        ("GB", Kind.LIFTING, "2027-01-31", "UK GDPR 12, 12A: the clock stops for identity and clarification"),
        (
            "US-NY",
            Kind.LIFTING,
            "2027-02-14",
            "courtesy: no right to restriction in GBL (no duty; as the state acts)",
        ),
    ],
)
def test_no_law_is_named_that_does_not_know_the_right(place: str, kind: Kind, deadline: str, law: str) -> None:
    """What no law of the place asks for is answered as the shop's courtesy, in the time of requests there."""
    found = due(place, kind, NEW_YEARS_EVE)
    assert (_day(found.deadline), found.law) == (deadline, law)


def test_a_month_from_the_last_of_january_ends_in_february() -> None:
    """31 January and one month is 28 February; with two more it is 30 April, not 28 April."""
    found = due("FR", Kind.ACCESS, int(datetime(2027, 1, 31, tzinfo=UTC).timestamp() * 1000))
    assert (_day(found.deadline), _day(found.extended or 0)) == ("2027-02-28", "2027-04-30")


def test_an_extension_names_its_reason_and_comes_before_the_deadline(requests: Requests, clock: Clock) -> None:
    """Once, for a coded reason, and not when it is too late."""
    clock.now = NEW_YEARS_EVE
    one = requests.receive(Asked("late", Kind.ACCESS, place="DE"))
    with pytest.raises(InvalidInput, match="complex"):
        requests.extend(one.id, "busy")
    assert requests.extend(one.id, "many_requests", who="p-1").extended
    assert [(each.what, each.who, each.reason) for each in requests.steps(one.id)][-1] == (
        "extended", "p-1", "many_requests",
    )  # fmt: skip
    with pytest.raises(Conflict):
        requests.extend(one.id, "complex")
    other = requests.receive(Asked("later", Kind.ACCESS, place="DE"))
    clock.now += 40 * DAY
    assert requests.find(other.id).overdue(clock.now)
    with pytest.raises(Conflict, match="over"):
        requests.extend(other.id, "complex")


def test_an_objection_to_marketing_is_absolute(requests: Requests) -> None:
    """Only doubt about who asks is a reason to refuse it; an objection to something else may be refused."""
    absolute = requests.receive(Asked("m-1", Kind.OBJECTION, place="DE"))
    with pytest.raises(Conflict, match="absolute"):
        requests.refuse(absolute.id, "legal_claims")
    assert requests.refuse(absolute.id, "identity_not_proven").state is State.REFUSED
    other = requests.receive(Asked("m-2", Kind.OBJECTION, place="DE", purposes=(Purpose.FRAUD_PREVENTION,)))
    assert requests.refuse(other.id, "legal_claims").refusal is Refusal.LEGAL_CLAIMS


def test_another_question_is_another_request(requests: Requests) -> None:
    """The same asked twice is one request; about another decision it is a second one."""
    first = requests.receive(Asked("q", Kind.EXPLANATION, decision_id="d-1"))
    assert requests.receive(Asked("q", Kind.EXPLANATION, decision_id="d-1")).id == first.id
    assert requests.receive(Asked("q", Kind.EXPLANATION, decision_id="d-2")).id != first.id


def test_a_request_is_shown_to_its_own_person_only(requests: Requests) -> None:
    """Somebody else's request is refused with a clear message; one nobody made is not found."""
    mine = requests.receive(Asked("me", Kind.ACCESS))
    assert requests.find_own(mine.id, "me").id == mine.id
    with pytest.raises(NotPermitted, match="somebody else"):
        requests.find_own(mine.id, "you")
    with pytest.raises(NotPermitted):
        requests.find_own(mine.id, "me", anonymous=True)
    with pytest.raises(NotFound):
        requests.find_own("nothing", "me")


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d")
