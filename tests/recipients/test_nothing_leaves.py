"""Take one thing away from a record that is in order, and nothing leaves: as a file or as a message."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bordering_shop import BOUGHT, PEOPLE, RECORD, TODAY, changed, decide, identify, key_of, say, write_vendors

from tillwise.app import App
from tillwise.decisions.decision import Request
from tillwise.errors import NotPermitted
from tillwise.jobs import score
from tillwise.jobs.leaving import Outlet
from tillwise.privacy.ledger import State
from tillwise.recipients import outbox, sent, transfers
from tillwise.recipients.gate import About, Sendable
from tillwise.recipients.transfers import TransferConsent
from tillwise.vocabulary.purpose import Purpose

YESTERDAY = TODAY - timedelta(days=1)


def score_for(app: App, out: Path, vendor: str = "mail-tool") -> score.ScoreResult:
    requests = [Request(None, {}, subject=person) for person in PEOPLE]
    outlet = Outlet(app.store, app.secrets, app.clock, app.outbound.gate, vendor)
    return score.score(app.use_case("churn"), app.road, requests, out, outlet=outlet)


def handed(app: App) -> list[dict[str, Any]]:
    with app.store.snapshot() as snapshot:
        return sent.newest(snapshot)


def test_with_everything_in_order_it_leaves(border: Any, tmp_path: Path) -> None:
    """The counterpart of all that follows: the same shop, untouched, sends file and message, and counts both."""
    out = tmp_path / "out.csv"
    result = score_for(border.app, out)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["user_id"] for row in rows] == list(PEOPLE)
    assert (result.rows, result.withheld, result.columns) == (3, {}, tuple(score.COLUMNS))
    assert out.stat().st_mode & 0o077 == 0
    assert border.app.outbound.sinks.deliver()["mail"].arrived == 3
    assert {body["data"]["subject"] for body in border.server.bodies} == set(PEOPLE)
    by_sink, by_file = handed(border.app)
    assert (by_file["what"], by_file["records"], by_file["people"]) == ("out.csv", 3, 3)
    assert (by_sink["what"], by_sink["records"], by_sink["people"]) == ("sink mail", 3, 3)
    assert (by_file["country"], by_file["region"], by_file["mechanism"]) == ("US", "us", "scc")


@dataclass(frozen=True)
class Lack:
    """What is taken away, and the cause that is named. `whole`: the file is refused, else each person's row."""

    cause: str
    records: tuple[dict[str, Any], ...]
    whole: bool = True


def lacking(cause: str, *, whole: bool = True, **parts: Any) -> Lack:
    return Lack(cause, (changed(RECORD, **parts),), whole)


LACKS = {
    "record": Lack("record_missing", ()),
    "agreement": lacking("agreement_missing", agreement=None),
    "agreement in force": lacking("agreement_expired", agreement={"kind": "DPA", "expires": YESTERDAY}),
    "agreement begun": lacking(
        "agreement_expired",
        agreement={"kind": "DPA", "signed": TODAY + timedelta(days=2), "expires": TODAY + timedelta(days=9)},
    ),
    "evidence in force": lacking("evidence_expired", evidence=[{"kind": "ISO 27001", "expires": YESTERDAY}]),
    "purpose": lacking("purpose_not_allowed", purposes=["service"]),
    "categories": lacking("category_not_allowed", categories=["user.contact"]),
    "identity": lacking("category_not_allowed", categories=["user.behavior"]),
    "mechanism": lacking("transfer_missing", whole=False, transfer=None),
    "needed mechanism": lacking("transfer_missing", whole=False, transfer={"mechanism": "none_needed"}),
    "mechanism in force": lacking("transfer_expired", transfer={"mechanism": "scc", "expires": YESTERDAY}),
    "mechanism the law takes": lacking("transfer_not_accepted", whole=False, transfer={"mechanism": "idta"}),
    "certificate": lacking("certificate_missing", whole=False, transfer={"mechanism": "adequacy"}),
    "adequate country": lacking(
        "not_adequate", whole=False, country="IN", region="in", transfer={"mechanism": "adequacy"}
    ),
    "word on the transfer": lacking(
        "transfer_consent_missing", whole=False, transfer={"mechanism": "scc", "separate_consent": True}
    ),
    "word for the derogation": lacking("transfer_consent_missing", whole=False, transfer={"mechanism": "consent"}),
    "permission to share": lacking("consent_missing", whole=False, role="controller"),
}


@pytest.mark.parametrize("lack", LACKS.values(), ids=LACKS.keys())
def test_without_it_nothing_leaves(border: Any, tmp_path: Path, lack: Lack) -> None:
    """No row and no message; the cause is named with the step that mends it; the shop's own answers go on."""
    write_vendors(border.folder, *lack.records)
    out = tmp_path / "out.csv"
    if lack.whole:
        with pytest.raises(NotPermitted, match=lack.cause) as refused:
            score_for(border.app, out)
        assert "To mend it" in str(refused.value)
        assert not out.exists()
    else:
        result = score_for(border.app, out)
        assert (result.rows, result.withheld) == (0, {lack.cause: 3})
    answer = decide(border.app, "u-1")
    assert answer.recorded
    done = border.app.outbound.sinks.deliver()["mail"]
    assert done.arrived == 0 or lack.cause == "category_not_allowed"
    told = [body["data"] for body in border.server.bodies]
    assert [each for each in told if "subject" in each and ("action" in each or "reasons" in each)] == []
    assert sum(row["people"] for row in handed(border.app)) == 0 or told


def test_a_file_nobody_can_read_lets_nothing_out_and_stops_nobody(border: Any, tmp_path: Path) -> None:
    """A typing error in vendors.toml is named with file, vendor and key; decisions are answered all the same."""
    (border.folder / "vendors.toml").write_text('[[vendor]]\nname = "mail-tool"\nrole = "friend"\n')
    with pytest.raises(NotPermitted, match=r"vendor 'mail-tool', key 'role'"):
        score_for(border.app, tmp_path / "out.csv")
    assert decide(border.app, "u-1").recorded
    assert border.app.outbound.sinks.deliver()["mail"].put_off == 1
    with border.app.store.snapshot() as snapshot:
        assert "records_unreadable" in outbox.queues(snapshot)[0].cause


def test_a_yes_to_the_country_lets_one_person_go(border: Any, tmp_path: Path) -> None:
    """Each person's own word on the transfer counts, no more than until they take it back."""
    write_vendors(border.folder, changed(RECORD, transfer={"mechanism": "consent"}))
    app, who = border.app, key_of(border.app, "u-2")

    def speak(state: State) -> None:
        def work(transaction: Any) -> None:
            transaction.run(
                "INSERT INTO notices_served (subject, id, sha256, place, at) VALUES (?, 'n', 'x', 'DE', 0)"
                " ON CONFLICT DO NOTHING", (who,),
            )  # fmt: skip
            transfers.record(transaction, TransferConsent(who, "US", state, place="DE", notice="n"), app.clock.now())

        app.store.commit(work).result()

    speak(State.GIVEN)
    assert score_for(app, tmp_path / "a.csv").rows == 1
    speak(State.WITHDRAWN)
    assert score_for(app, tmp_path / "b.csv").rows == 0


def test_a_record_mended_lets_go_what_waited(border: Any) -> None:
    """Messages wait while a record is out of force, and leave once it is in force again."""
    write_vendors(border.folder)
    decide(border.app, "u-1")
    assert border.app.outbound.sinks.deliver()["mail"].put_off == 1
    write_vendors(border.folder, RECORD)
    border.app.store.commit(lambda t: outbox.retry(t, "mail", border.app.clock.wall())).result()
    assert border.app.outbound.sinks.deliver()["mail"].arrived == 1


def withdraw(app: App, person: str) -> None:
    say(app, person, Purpose.MARKETING, State.WITHDRAWN)


def move_away(app: App, person: str) -> None:
    identify(app, person, country="CN")


@pytest.mark.parametrize(("changes", "cause"), [(withdraw, "consent_withdrawn"), (move_away, "localised")])
def test_what_changes_between_decision_and_sending_counts(
    border: Any, changes: Callable[[App, str], None], cause: str
) -> None:
    """A message is judged when it leaves, not when it was queued."""
    decide(border.app, "u-1")
    if cause == "localised":  # such a trait can only come from before the law was known here
        write = "INSERT INTO traits (subject, created, country, body) VALUES (?, NULL, 'CN', '{}')"
        border.app.store.commit(lambda t: t.run(write, (key_of(border.app, "u-1"),))).result()
    else:
        changes(border.app, "u-1")
    assert border.app.outbound.sinks.deliver()["mail"].withheld == 1
    assert border.server.got == []
    assert handed(border.app)[0]["withheld"] == {cause: 1}


def test_columns_are_limited_to_what_the_record_allows(border: Any, tmp_path: Path) -> None:
    """What is derived from purchases carries their category: without it the file says who, and nothing about them."""
    write_vendors(border.folder, changed(RECORD, categories=["user.unique_id"]))
    result = score_for(border.app, tmp_path / "out.parquet")
    assert set(result.columns) == {"user_id", "decision_id", "decided_at", "model", "degraded"}
    with border.app.store.snapshot() as snapshot:
        found = border.app.outbound.gate.may_send(
            snapshot, "mail-tool", Purpose.MARKETING, {"user.unique_id", BOUGHT, "system.competitor_private"}, ()
        )
    assert [cause.code for cause in found.causes] == ["category_banned"]


@pytest.mark.parametrize(
    ("traits", "signals", "said", "cause"),
    [
        ({"age_range": "under 16"}, frozenset(), None, "minor"),
        ({"age_range": "13-17"}, frozenset(), State.GIVEN, ""),
        ({"age_range": "25-34"}, frozenset({"gpc"}), None, "gpc"),
        ({"age_range": "25-34"}, frozenset(), None, ""),
        ({"age_range": "25-34"}, frozenset(), State.REFUSED, "consent_refused"),
    ],
)
def test_handing_over_to_a_controller_is_sharing(
    border: Any, traits: dict[str, Any], signals: frozenset[str], said: State | None, cause: str
) -> None:
    """In California: an opt-out by signal or word counts, and below 16 only a yes lets data go (1798.120)."""
    write_vendors(border.folder, changed(RECORD, role="controller"))
    app = border.app
    identify(app, "v-1", **traits)
    say(app, "v-1", Purpose.MARKETING, State.GIVEN, place="US-CA")
    if said is not None:
        say(app, "v-1", Purpose.SHARE, said, place="US-CA")
    person = About(key_of(app, "v-1"), place="US-CA", signals=signals)
    with app.store.snapshot() as snapshot:
        found = app.outbound.gate.may_send(snapshot, "mail-tool", Purpose.MARKETING, {BOUGHT}, [person])
    assert dict(found.withheld) == ({cause: 1} if cause else {})
    assert len(found.people) == (0 if cause else 1)


def test_a_signal_is_remembered_for_what_leaves_later(border: Any) -> None:
    """Who once sent Sec-GPC is not shared in a batch that has no browser; their own yes outweighs it."""
    write_vendors(border.folder, changed(RECORD, role="controller"))
    app = border.app
    identify(app, "v-1", age_range="25-34")
    say(app, "v-1", Purpose.MARKETING, State.GIVEN, place="US-CA")
    who = About(key_of(app, "v-1"), place="US-CA")

    def withheld() -> dict[str, int]:
        with app.store.snapshot() as snapshot:
            return dict(app.outbound.gate.may_send(snapshot, "mail-tool", Purpose.MARKETING, {BOUGHT}, [who]).withheld)

    assert withheld() == {}
    decide(app, "v-1", signals=frozenset({"gpc"}))
    assert withheld() == {"gpc": 1}
    say(app, "v-1", Purpose.SHARE, State.GIVEN, place="US-CA")
    assert withheld() == {}


def test_nobody_else_makes_a_sendable() -> None:
    """There is one gate: what it did not make cannot be made."""
    with pytest.raises(NotPermitted):
        Sendable(object(), None, Purpose.MARKETING)
