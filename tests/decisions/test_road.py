"""Every answer travels one road, leaves once its receipt is durable, and is always valid."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns

import msgspec
import pytest
from toy import FEATURES, Shop, ToyInForce, ask, fraud_like, open_shop, toy

from tillwise.decisions.decision import Degraded, Explain
from tillwise.decisions.use_case import UseCase
from tillwise.errors import ArtifactDamaged, Conflict, InvalidInput, NotFound
from tillwise.privacy.ledger import State


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path / "shop.db") as shop:
        yield shop


def explode() -> None:
    raise RuntimeError("a step broke")


def test_answer_has_every_field_of_the_envelope_in_order(shop: Shop) -> None:
    """Every answer has the same envelope, with nulls where there is nothing."""
    shop.consent("u-1")
    answer = shop.road.decide(toy(), ask(), "key")
    body = msgspec.json.decode(answer.body)
    assert list(body) == [
        "decision_id", "recorded", "use_case", "action", "score", "items", "result", "reasons", "model", "policy",
        "experiment", "permit", "disclosures", "degraded", "supersedes", "latency_ms",
    ]  # fmt: skip
    assert body == answer.envelope()
    assert (body["recorded"], body["use_case"], body["action"], body["degraded"]) == (True, "toy", "yes", None)
    assert body["permit"] == {"place": "DE", "purpose": "recommend", "basis": "consent", "withheld": []}
    assert body["model"]["features"] == FEATURES.hash
    assert body["model"]["released"] == "2026-05-28T20:26:40Z"
    assert (body["experiment"], body["disclosures"], body["supersedes"], body["items"]) == (None, [], None, None)
    assert body["latency_ms"] >= 0


def test_receipt_holds_what_the_decision_rested_on_and_no_personal_text(shop: Shop) -> None:
    """The receipt names position, purpose, basis, consent, features, model, policy and time split."""
    seq = shop.consent("u-1")
    answer = shop.road.decide(toy(), ask(), "key")
    kept = shop.receipt(answer.decision_id or "")
    receipt = kept.receipt
    assert receipt == answer.receipt
    assert (receipt.mark, receipt.permit.consent_seq, receipt.permit.granted) == (2 * seq + 1, seq, True)
    assert receipt.features is not None
    assert receipt.features.values == (10.0, 0.0)
    assert receipt.policy == toy().revision
    assert receipt.latency.total >= receipt.latency.know
    assert kept.subject == shop.pseudonym("u-1")
    with shop.store.snapshot() as snapshot:
        body = snapshot.all("SELECT body FROM receipts")[0][0]
    assert b"192.0.2.9" not in body
    assert b"u-1" not in body


def test_refused_permit_gives_the_fallback_and_names_the_cause(shop: Shop) -> None:
    """Without consent where it is asked for: the non-profiled answer, `no_consent`, and the cause."""
    answer = shop.road.decide(toy(), ask(), "key")
    assert (answer.decision.action, answer.decision.degraded) == ("perhaps", Degraded.NO_CONSENT)
    assert answer.envelope()["permit"]["withheld"] == [{"feature_group": "personal", "cause": "consent_missing"}]
    assert answer.recorded
    assert answer.receipt.features is not None
    assert answer.receipt.features.values == (10.0, None)
    assert not answer.decision.degraded.alarms


def test_withdrawal_acts_on_the_next_decision(shop: Shop) -> None:
    """Consent given, then withdrawn: the decision after the withdrawal does not use the purpose."""
    shop.consent("u-1")
    assert shop.road.decide(toy(), ask(), "key").decision.degraded is None
    shop.consent("u-1", State.WITHDRAWN)
    assert shop.road.decide(toy(), ask(), "key").decision.degraded is Degraded.NO_CONSENT


def test_consent_withdrawn_between_snapshot_and_commit_decides_again(shop: Shop) -> None:
    """The transaction that writes the receipt rechecks consent: what moved in between counts."""
    shop.consent("u-1")
    calls: list[int] = []

    def withdraw() -> None:
        calls.append(1)
        shop.consent("u-1", State.WITHDRAWN)

    answer = shop.road.decide(toy(think=withdraw), ask(), "key")
    assert (len(calls), answer.decision.degraded, answer.recorded) == (1, Degraded.NO_CONSENT, True)
    assert shop.count("receipts") == 1


def test_consent_of_somebody_else_does_not_make_it_decide_again(shop: Shop) -> None:
    """Only the subject's own consent is rechecked."""
    shop.consent("u-1")
    calls: list[int] = []

    def other() -> None:
        calls.append(1)
        shop.consent("u-2", State.WITHDRAWN)

    answer = shop.road.decide(toy(think=other), ask(), "key")
    assert (len(calls), answer.decision.degraded) == (1, None)


def append_event(shop: Shop, *, back: int, epoch: int = 0) -> None:
    def work(transaction: object) -> None:
        row = transaction.one("SELECT seq, at FROM head")  # type: ignore[attr-defined]
        transaction.run("UPDATE head SET seq = ?", (row[0] + 1,))  # type: ignore[attr-defined]
        transaction.run(  # type: ignore[attr-defined]
            "INSERT INTO events (seq, at, epoch, ts, type, purposes, simulated, body)"
            " VALUES (?, ?, ?, 0, 'x', 0, 0, '')",
            (row[0] + 1, shop.wall() - back, epoch),
        )

    shop.store.commit(work).result()


@pytest.mark.parametrize(("back", "epoch", "again"), [(5, 0, True), (0, 0, False), (5, 1, True)])
def test_event_that_lands_before_the_point_makes_it_decide_again(
    shop: Shop, back: int, epoch: int, again: bool
) -> None:
    """An event between snapshot and commit, dated before the decision's point, would be seen by training only."""
    shop.consent("u-1")
    calls: list[int] = []

    def late() -> None:
        calls.append(1)
        if len(calls) == 1:
            append_event(shop, back=back, epoch=epoch)

    answer = shop.road.decide(toy(think=late), ask(), "key")
    assert (len(calls) == 2) is again
    assert answer.recorded


def test_decision_raises_the_log_clock(shop: Shop) -> None:
    """After a decision at T no later event is dated before T, even when the clock jumps back."""
    shop.road.decide(toy(), ask(subject=None), "key")
    at = shop.wall.now
    shop.wall.now -= 3_600_000
    answer = shop.road.decide(toy(), ask(subject=None), "key")
    assert answer.receipt.at == at
    with shop.store.snapshot() as snapshot:
        assert snapshot.one("SELECT at FROM head") == (at,)


@pytest.mark.parametrize("step", ["know", "think", "act"])
def test_failing_step_gives_the_fallback_and_says_internal(shop: Shop, step: str) -> None:
    """Any failure inside the deadline gives the declared fallback, on record."""
    shop.consent("u-1")
    answer = shop.road.decide(toy(**{step: explode}), ask(), "key")
    assert (answer.decision.action, answer.decision.degraded, answer.recorded) == ("perhaps", Degraded.INTERNAL, True)
    assert answer.envelope()["model"] is None


def test_failing_fallback_still_gives_the_declared_action(shop: Shop) -> None:
    """When even the fallback fails, the action declared for unrecorded answers is given."""
    answer = shop.road.decide(toy(know=explode, fallback=explode), ask(), "key")
    assert (answer.decision.action, answer.decision.degraded) == ("careful", Degraded.INTERNAL)


@pytest.mark.parametrize("how", ["none", "damaged", "other definitions"])
def test_missing_model_says_no_model(shop: Shop, how: str) -> None:
    """No release, a damaged artifact and a model of other feature definitions all answer by rule."""
    shop.models.in_force = None if how == "none" else ToyInForce(features="sha256:old" if how[0] == "o" else "")
    shop.models.error = ArtifactDamaged("a bit flipped") if how == "damaged" else None
    answer = shop.road.decide(toy(), ask(subject=None), "key")
    assert (answer.decision.degraded, answer.recorded) == (Degraded.NO_MODEL, True)


def test_failure_comes_before_a_state(shop: Shop) -> None:
    """`degraded` is the first that holds: no_model stands before no_consent."""
    shop.models.in_force = None
    assert shop.road.decide(toy(), ask(), "key").decision.degraded is Degraded.NO_MODEL


def test_deadline_of_a_millisecond_still_answers(shop: Shop) -> None:
    """When time is over before the model is asked, the fallback answers with `deadline`."""
    start = perf_counter_ns()

    def burn() -> None:
        while perf_counter_ns() < start + 5_000_000:
            pass

    answer = shop.road.decide(fraud_like(know=burn), ask(deadline_ms=1), "key")
    assert answer.decision.degraded is Degraded.DEADLINE
    assert (answer.recorded, answer.decision_id, answer.decision.action) == (False, None, "review")


def test_locked_store_gives_an_honest_unrecorded_answer(shop: Shop) -> None:
    """Another process holds the write lock: the answer comes in time, unrecorded; unrecorded fraud is review."""
    shop.store.commit(lambda t: t.one("SELECT 1")).result()
    with sqlite3.connect(shop.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = shop.road.decide(fraud_like(), ask(deadline_ms=120), "key")
        other.execute("ROLLBACK")
    other.close()
    assert answer.decision.degraded is Degraded.STORE_UNAVAILABLE
    envelope = answer.envelope()
    assert (envelope["recorded"], envelope["decision_id"], envelope["action"]) == (False, None, "review")
    shop.store.commit(lambda t: t.one("SELECT 1")).result()
    assert shop.count("receipts") == 0


def test_closed_store_gives_an_unrecorded_answer(shop: Shop) -> None:
    """A store that refuses the receipt is reported as such at once."""
    road, store = shop.road, shop.store
    store.close()
    answer = road.decide(fraud_like(), ask(), "key")
    assert (answer.recorded, answer.decision.degraded) == (False, Degraded.STORE_UNAVAILABLE)


def test_receipt_that_becomes_durable_too_late_is_marked(shop: Shop) -> None:
    """A receipt whose answer had already left without it says that it was not delivered, and frees the request id."""
    pending = shop.road.begin(toy(), ask(subject=None, request_id="r-1"), "key")
    late = pending.future.done()
    pending.expire()
    answer = pending.future.result()
    shop.store.commit(lambda t: t.one("SELECT 1")).result()
    shop.store.commit(lambda t: t.one("SELECT 1")).result()
    if not (late or answer.recorded):
        with shop.store.snapshot() as snapshot:
            assert snapshot.all("SELECT 1 FROM receipts WHERE delivered = 1") == []
        assert shop.count("requests") == 0


def test_dry_run_leaves_nothing(shop: Shop) -> None:
    """A dry run is answered and not recorded, and does not take the request id."""
    answer = shop.road.decide(toy(), ask(subject=None, dry_run=True, request_id="r-1"), "key")
    assert (answer.recorded, answer.decision_id, answer.decision.degraded) == (False, None, None)
    assert (shop.count("receipts"), shop.count("requests")) == (0, 0)


def lines(shop: Shop) -> list[tuple[str, str, str, int]]:
    """Return the lines of the access ledger: who, what, why, and how many people."""
    shop.store.commit(lambda t: t.one("SELECT 1")).result()
    with shop.store.snapshot() as snapshot:
        return snapshot.all("SELECT who, what, reason, people FROM access_reads ORDER BY id")


def seen(shop: Shop) -> list[int]:
    with shop.store.snapshot() as snapshot:
        return [row[0] for row in snapshot.all("SELECT subject FROM access_read_people ORDER BY subject")]


def test_dry_run_about_somebody_is_a_read(shop: Shop) -> None:
    """Which key was told about whom stands in the access ledger before the answer leaves, permitted or not."""
    shop.consent("u-1")
    answer = shop.road.decide(toy(), ask(dry_run=True), "key")
    assert (answer.recorded, answer.decision.action) == (False, "yes")
    shop.consent("u-1", State.WITHDRAWN)
    assert shop.road.decide(toy(), ask(dry_run=True), "other").decision.degraded is Degraded.NO_CONSENT
    assert lines(shop) == [
        ("key", "decide:toy", "dry run of toy", 1), ("other", "decide:toy", "dry run of toy", 1),
    ]  # fmt: skip
    assert seen(shop) == [shop.pseudonym("u-1")] * 2
    assert shop.count("receipts") == 0


def test_dry_run_about_a_stranger_or_nobody_reads_nothing(shop: Shop) -> None:
    """Of somebody the log never saw there is nothing to be told, and a dry run makes nobody known."""
    shop.road.decide(toy(), ask(subject="u-new", dry_run=True), "key")
    shop.road.decide(toy(), ask(subject=None, dry_run=True), "key")
    assert (lines(shop), shop.count("subjects")) == ([], 0)


def test_dry_run_that_cannot_be_written_down_is_answered_without_a_look(shop: Shop) -> None:
    """The answer comes in time, is the declared one, and knows nothing of the person."""
    shop.consent("u-1")
    shop.store.commit(lambda t: t.one("SELECT 1")).result()
    with sqlite3.connect(shop.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = shop.road.decide(toy(), ask(dry_run=True, deadline_ms=120), "key")
        other.execute("ROLLBACK")
    other.close()
    assert (answer.recorded, answer.decision.degraded) == (False, Degraded.STORE_UNAVAILABLE)
    assert (answer.decision.action, answer.decision.score) == ("careful", None)
    assert (answer.receipt.features, answer.receipt.facts, answer.receipt.permit.basis) == (None, {}, None)
    assert lines(shop) == [("key", "decide:toy", "dry run of toy", 1)], "the line was on its way"


def test_dry_run_of_a_closed_store_is_answered_without_a_look(shop: Shop) -> None:
    """A step looked, the store closed meanwhile: an answer all the same, and nothing of the person in it."""
    shop.consent("u-1")
    answer = shop.road.decide(toy(act=shop.store.close), ask(dry_run=True), "key")
    assert (answer.decision.degraded, answer.decision.action) == (Degraded.STORE_UNAVAILABLE, "careful")
    assert answer.receipt.features is None


def test_an_answer_that_left_without_its_receipt_is_entered_as_a_read(shop: Shop) -> None:
    """A deadline too short for a receipt is no way to ask about people without a trace."""
    shop.consent("u-1")
    start = perf_counter_ns()

    def burn() -> None:
        while perf_counter_ns() < start + 5_000_000:
            pass

    answer = shop.road.decide(fraud_like(know=burn), ask(deadline_ms=1), "key")
    assert not answer.recorded
    told = lines(shop)
    with shop.store.snapshot() as snapshot:
        written = snapshot.all("SELECT key_id, subject FROM receipts")
    assert written == [("key", shop.pseudonym("u-1"))] or seen(shop) == [shop.pseudonym("u-1")]
    assert told in ([], [("key", "decide:checked", "unrecorded answer of checked", 1)])


def test_unknown_person_gets_a_pseudonym_with_the_receipt(shop: Shop) -> None:
    """Somebody the log has never seen can still find, contest and erase the decision about them."""
    answer = shop.road.decide(fraud_like(), ask(subject="u-new"), "key")
    assert shop.receipt(answer.decision_id or "").subject == shop.pseudonym("u-new")
    again = shop.road.decide(fraud_like(), ask(subject="u-new"), "key")
    assert shop.receipt(again.decision_id or "").subject == shop.pseudonym("u-new")


def test_nobody_is_a_valid_case(shop: Shop) -> None:
    """Without a subject nothing personal is read, and nothing is refused."""
    answer = shop.road.decide(toy(), ask(subject=None, country=None), "key")
    assert (answer.decision.degraded, answer.envelope()["permit"]["basis"]) == (None, None)


@pytest.mark.parametrize("deadline", [0, -1, 60_001])
def test_impossible_deadline_is_refused(shop: Shop, deadline: int) -> None:
    """A deadline outside 1 ms to 60 s is the caller's mistake."""
    with pytest.raises(InvalidInput, match="deadline_ms"):
        shop.road.decide(toy(), ask(deadline_ms=deadline), "key")


def given(values: object, version: str = FEATURES.hash) -> dict[str, object]:
    return {"version": version, "values": values}


def test_given_features_are_used_and_marked(shop: Shop) -> None:
    """Features the caller gives take the place of read ones, and the receipt says so."""
    answer = shop.road.decide(toy(), ask(subject=None, features=given({"visits": 0.1})), "key")
    features = answer.receipt.features
    assert features is not None
    assert features.given
    assert features.values == (10.0, 0.10000000149011612)


def test_given_features_need_a_permit(shop: Shop) -> None:
    """Without a permit the caller's features are not used either."""
    answer = shop.road.decide(toy(), ask(features=given({"visits": 3})), "key")
    features = answer.receipt.features
    assert features is not None
    assert not features.given
    assert features.values == (10.0, None)
    assert answer.decision.degraded is Degraded.NO_CONSENT


@pytest.mark.parametrize(
    ("features", "field"),
    [
        (given({"visits": 1}, version="sha256:old"), "features.version"),
        ({}, "features.version"),
        (given({"colour": 1}), "features.values"),
        (given({"visits": "many"}), "features.values"),
        (given({"visits": True}), "features.values"),
        (given([1]), "features.values"),
    ],
)
def test_given_features_of_other_definitions_are_refused(shop: Shop, features: dict[str, object], field: str) -> None:
    """Given features must match the released definitions: else 422, naming the field."""
    with pytest.raises(InvalidInput) as caught:
        shop.road.decide(toy(), ask(subject=None, features=features), "key")
    assert caught.value.field == field


def test_explain_none_carries_rule_reasons_only(shop: Shop) -> None:
    """`explain: none` leaves the contributions out."""
    answer = shop.road.decide(toy(), ask(subject=None, explain=Explain.NONE), "key")
    assert [reason.code for reason in answer.decision.reasons] == ["threshold"]


def test_hook_that_raises_undoes_the_receipt(tmp_path: Path) -> None:
    """A hook runs in the receipt's transaction: what it raises undoes the receipt, and the answer says so."""

    def refuse(transaction: object, kept: object) -> None:
        raise RuntimeError("no")

    with open_shop(tmp_path / "hook.db", on_receipt=(refuse,)) as shop:
        answer = shop.road.decide(toy(), ask(subject=None), "key")
        assert (answer.recorded, answer.decision.degraded) == (False, Degraded.INTERNAL)
        assert shop.count("receipts") == 0


def test_policy_is_kept_under_its_revision(shop: Shop) -> None:
    """Every policy that decided something can be read back."""
    use_case: UseCase = toy()
    shop.road.decide(use_case, ask(subject=None), "key")
    shop.road.decide(replace(use_case), ask(subject=None), "key")
    with shop.store.snapshot() as snapshot:
        assert snapshot.all("SELECT revision, body FROM policies") == [(use_case.revision, b'{"threshold":0.5}')]


def test_unknown_decision_is_not_found(shop: Shop) -> None:
    """An id nobody knows is said to be unknown."""
    with pytest.raises(NotFound):
        shop.receipt("0199b6d2-nope")


def test_same_request_id_other_key_is_another_request(shop: Shop) -> None:
    """Request ids are unique per key and use case."""
    first = shop.road.decide(toy(), ask(subject=None, request_id="r"), "key-a")
    second = shop.road.decide(toy(), ask(99.0, subject=None, request_id="r"), "key-b")
    third = shop.road.decide(fraud_like(), ask(98.0, subject=None, request_id="r"), "key-a")
    assert len({first.decision_id, second.decision_id, third.decision_id}) == 3
    with pytest.raises(Conflict):
        shop.road.decide(toy(), ask(99.0, subject=None, request_id="r"), "key-a")
