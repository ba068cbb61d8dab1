"""A past decision can be taken again from its receipt, byte for byte, and explained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy import Shop, ToyInForce, ToyModels, ToyPolicy, ToySteps, ask, create_tables, fraud_like, open_shop, toy

from tillwise.audit.log import ERASURE, RETENTION, enter_act
from tillwise.decisions import receipts
from tillwise.decisions.counterfactual import Known, Step, Way, with_values
from tillwise.decisions.decision import Decision, Degraded, Explain, Reason, Request
from tillwise.decisions.explanation import explanation
from tillwise.decisions.receipt import decision_bytes, decode, encode
from tillwise.decisions.replay import Replayer, Verdict
from tillwise.decisions.use_case import UseCase
from tillwise.errors import ArtifactDamaged, NotFound
from tillwise.events.facts import FACT_COLUMNS
from tillwise.events.types import event_code
from tillwise.features.feature import DAY, Agg, Aggregate, FeatureSet
from tillwise.features.online import OnlineFeatures
from tillwise.features.row import FeatureRow
from tillwise.privacy.gate import Gate
from tillwise.privacy.ledger import State
from tillwise.privacy.permit import Permit
from tillwise.privacy.revisions import keep_revision
from tillwise.privacy.rule_file import load_rules
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path / "shop.db", use_cases=(toy(), fraud_like())) as shop:
        yield shop


def decide(shop: Shop, amount: float = 10.0, *, use_case: UseCase | None = None, explain: Explain = Explain.TOP) -> str:
    answer = shop.road.decide(use_case or toy(), ask(amount, subject=None, explain=explain), "key")
    assert answer.decision_id is not None
    return answer.decision_id


def test_replay_gives_the_same_bytes(shop: Shop) -> None:
    """The stored inputs, the named model and policy give the decision once more, byte for byte."""
    decision_id = decide(shop)
    replayed = shop.replayer.replay(decision_id)
    assert replayed.verdict is Verdict.SAME
    assert replayed.recorded == replayed.replayed == decision_bytes(shop.receipt(decision_id).receipt.decision)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amount=st.floats(width=32, allow_nan=False, allow_infinity=False), explain=st.sampled_from(Explain))
def test_replay_is_exact_for_any_number(shop: Shop, amount: float, explain: Explain) -> None:
    """Numbers survive the receipt exactly, however odd."""
    assert shop.replayer.replay(decide(shop, amount, explain=explain)).verdict is Verdict.SAME


def test_fallbacks_replay_too(shop: Shop) -> None:
    """A refused permit and a missing model are replayed like any other decision."""
    refused = shop.road.decide(toy(), ask(), "key").decision_id
    shop.models.in_force = None
    without = shop.road.decide(toy(), ask(), "key").decision_id
    for decision_id in (refused, without):
        assert decision_id is not None
        assert shop.replayer.replay(decision_id).verdict is Verdict.SAME


def other(shop: Shop, use_case: UseCase) -> Replayer:
    return Replayer(shop.store, shop.gate, shop.models, {use_case.name: use_case})


def test_replay_uses_the_policy_of_its_time(shop: Shop) -> None:
    """After the policy changed, an old decision is replayed under the old one."""
    decision_id = decide(shop, 40.0)
    strict = ToyPolicy(threshold=0.1)
    today = replace(toy(), steps=ToySteps(strict), policy=strict)
    assert other(shop, today).replay(decision_id).verdict is Verdict.SAME
    shop.store.commit(lambda t: t.run("DELETE FROM policies")).result()
    gone = other(shop, today).replay(decision_id)
    assert (gone.verdict, gone.replayed) == (Verdict.EXPIRED, None)
    assert "policy" in gone.notes[0]


def test_replay_shows_a_step_that_changed(shop: Shop) -> None:
    """A step that no longer does what it did is found out."""

    class Other(ToySteps):
        def _hook(self, step: str) -> None:
            raise RuntimeError("never called")

        def act(self, score, seed, explain):  # type: ignore[no-untyped-def]
            return replace(ToySteps(self.policy).act(score, seed, explain), action="other")

        def think(self, row, model, explain):  # type: ignore[no-untyped-def]
            return ToySteps(self.policy).think(row, model, explain)

    decision_id = decide(shop)
    replayed = other(shop, replace(toy(), steps=Other())).replay(decision_id)
    assert replayed.verdict is Verdict.DIFFERS


def test_replay_without_its_model_is_expired(shop: Shop) -> None:
    """When the named model is gone, a replay says so and claims nothing."""
    decision_id = decide(shop)
    shop.models.error = ArtifactDamaged("gone")
    assert shop.replayer.replay(decision_id).verdict is Verdict.EXPIRED
    told = explanation(shop.replayer, decision_id)
    assert (told["complete"], told["action"]) == (False, "yes")


def test_replay_in_a_new_process_is_the_same(tmp_path: Path) -> None:
    """Nothing but the store, the model and the declarations is needed."""
    path = tmp_path / "shop.db"
    with open_shop(path, use_cases=(toy(),)) as shop:
        decision_id = decide(shop)
    store = SqliteStore(path)
    create_tables(store)
    replayer = Replayer(store, Gate(), ToyModels(), {"toy": toy()})
    assert replayer.replay(decision_id).verdict is Verdict.SAME
    store.close()


def test_unknown_decision_cannot_be_replayed(shop: Shop) -> None:
    """An id nobody knows is an error, not a verdict."""
    with pytest.raises(NotFound):
        shop.replayer.replay("nobody")


def add_visit(shop: Shop, user_id: str, at: int) -> None:
    def work(transaction: object) -> None:
        head = transaction.one("SELECT seq, at FROM head")  # type: ignore[attr-defined]
        transaction.run("UPDATE head SET seq = ?, at = ?", (head[0] + 1, max(head[1], at)))  # type: ignore[attr-defined]
        row = dict.fromkeys(FACT_COLUMNS) | {
            "epoch": 0, "at": at, "seq": head[0] + 1, "line": 0, "type": event_code("Product Viewed"),
            "purposes": 511, "simulated": 0, "subject": shop.pseudonym(user_id), "shop": 0,
        }  # fmt: skip
        marks = ", ".join("?" for _ in row)
        transaction.run(  # type: ignore[attr-defined]
            f"INSERT INTO by_subject ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
        )

    shop.store.commit(work).result()


class RecallingSteps(ToySteps):
    """Reads the log again in its own way."""

    def recall(self, permit, row, snapshot):  # type: ignore[no-untyped-def]
        point, subject = permit.point, permit.subject
        visits = snapshot.all(
            "SELECT count(*) FROM by_subject WHERE subject = ? AND (at < ? OR (at = ? AND 2 * seq < ?))",
            (subject, point.at, point.at, point.mark),
        )[0][0]
        return replace(row, values=(row.values[0], float(visits) if permit.granted else None))


def test_replay_from_the_log_reads_the_past_position(shop: Shop) -> None:
    """Read again at the decision's own position, the log gives the same values, whatever came later."""
    use_case = replace(toy(), steps=RecallingSteps())
    replayer = other(shop, use_case)
    shop.consent("u-1")
    add_visit(shop, "u-1", shop.wall())
    decision_id = shop.road.decide(use_case, ask(), "key").decision_id or ""
    shop.wall.now += 1000
    add_visit(shop, "u-1", shop.wall())
    shop.consent("u-1", State.WITHDRAWN)
    assert replayer.replay(decision_id, from_log=True).verdict is Verdict.SAME
    pseudonym = shop.pseudonym("u-1")
    shop.store.commit(lambda t: t.run("DELETE FROM by_subject WHERE subject = ?", (pseudonym,))).result()
    changed = replayer.replay(decision_id, from_log=True)
    assert (changed.verdict, changed.notes) == (Verdict.DIFFERS, ("visits",))
    shop.store.commit(lambda t: t.run("DELETE FROM subjects WHERE pseudonym = ?", (pseudonym,))).result()
    assert replayer.replay(decision_id, from_log=True).verdict is Verdict.ERASED
    assert replayer.replay(decision_id).verdict is Verdict.SAME


VIEWS = FeatureSet(
    "counted",
    (
        Aggregate(
            "views_1d", "subject", ("Product Viewed",), Agg.COUNT, DAY, "products looked at in a day",
            purposes=frozenset({Purpose.RECOMMEND}),
        ),
    ),
    request=("amount",),
)  # fmt: skip


class CountingSteps(ToySteps):
    """Knows declared features, so that the road itself can read them again."""

    def know(self, permit: Permit, request: Request, snapshot: Snapshot) -> FeatureRow:
        keys, numbers = {"subject": permit.subject}, {"amount": request.body["amount"]}
        values = OnlineFeatures(VIEWS).read(snapshot, permit, keys, numbers)
        return FeatureRow(permit, VIEWS.hash, VIEWS.columns, values, {"keys": keys, "numbers": numbers})


def test_declared_features_are_read_again_by_the_road_itself(shop: Shop) -> None:
    """Steps that keep keys and numbers need no code of their own to be checked against the log."""
    use_case = replace(toy(), features=VIEWS, steps=CountingSteps())
    shop.models.in_force = ToyInForce(features=VIEWS.hash)
    replayer = other(shop, use_case)
    shop.consent("u-1")
    add_visit(shop, "u-1", shop.wall())
    known = shop.road.decide(use_case, ask(), "key").decision_id or ""
    stranger = shop.road.decide(use_case, ask(subject="u-2", country="US"), "key").decision_id or ""
    add_visit(shop, "u-1", shop.wall())
    add_visit(shop, "u-2", shop.wall())
    assert shop.receipt(known).receipt.features.values == (1.0, 10.0)  # type: ignore[union-attr]
    for decision_id in (known, stranger):
        assert replayer.replay(decision_id, from_log=True).verdict is Verdict.SAME
    older = replace(use_case, features=replace(VIEWS, name="counted", request=("amount", "more")))
    assert other(shop, older).replay(known, from_log=True).verdict is Verdict.EXPIRED
    shop.store.commit(lambda t: t.run("DELETE FROM by_subject")).result()
    assert replayer.replay(known, from_log=True).notes == ("views_1d",)


def test_explanation_of_a_silent_answer_is_computed_from_the_receipt(shop: Shop) -> None:
    """With `explain: none` the contributions come when they are asked for, and are exact."""
    told = explanation(shop.replayer, decide(shop, 30.0, explain=Explain.NONE))
    assert [reason["code"] for reason in told["reasons"]] == ["threshold", "amount"]
    assert told["reasons"][1]["weight"] == pytest.approx(0.3)
    assert (told["complete"], told["would_change"]) == (True, None)


@dataclass(frozen=True)
class SmallerSteps(ToySteps):
    """A person can ask for less."""

    def ways(self, row: FeatureRow) -> tuple[Way, ...]:
        amount = row.values[0] or 0.0
        return (Way("less", (Step("half of it", {"amount": amount / 2}), Step("nothing", {"amount": 0.0}))),)

    def changed(self, row: FeatureRow, values: Known) -> FeatureRow:
        return with_values(row, values)


def test_adverse_action_is_explained_with_what_would_have_changed_it(shop: Shop) -> None:
    """The counterfactual has been decided by the same model and policy, not estimated."""
    use_case = replace(toy(), steps=SmallerSteps(), adverse=frozenset({"no"}))
    decision_id = shop.road.decide(use_case, ask(80.0, subject=None), "key").decision_id or ""
    change = explanation(other(shop, use_case), decision_id)["would_change"]
    assert change["action"] == "yes"
    assert [each["column"] for each in change["changes"]] == ["amount"]
    assert change["changes"][0]["was"] == 80.0
    assert change["score"] <= 0.5
    assert change["says"] == ["half of it"]


@pytest.mark.parametrize(("kind", "body", "verdict"), [
    (ERASURE, {"request": "r"}, Verdict.ERASED), (RETENTION, {"rows": 3}, Verdict.EXPIRED),
    (ERASURE, {"why": RETENTION}, Verdict.DIFFERS), ("release", {}, Verdict.DIFFERS),
])  # fmt: skip
def test_a_difference_is_explained_by_what_the_log_says_was_taken_away(
    shop: Shop, kind: str, body: dict[str, object], verdict: Verdict
) -> None:
    """Values that an erasure or a retention run changed are called so, by the entry; anything else differs."""
    use_case = replace(toy(), steps=RecallingSteps())
    shop.consent("u-1")
    add_visit(shop, "u-1", shop.wall())
    decision_id = shop.road.decide(use_case, ask(), "key").decision_id or ""
    shop.store.commit(lambda t: t.run("DELETE FROM by_subject")).result()
    assert other(shop, use_case).replay(decision_id, from_log=True).verdict is Verdict.DIFFERS
    ref = shop.store.commit(lambda t: enter_act(t, kind, body)).result()
    again = other(shop, use_case).replay(decision_id, from_log=True)
    assert again.verdict is verdict
    assert (ref in " ".join(again.notes)) is (verdict is not Verdict.DIFFERS)


def test_the_permission_is_judged_by_the_rules_of_its_time(shop: Shop) -> None:
    """Stricter rules change later decisions; from the log, an earlier one is judged by those in its receipt."""
    use_case = replace(toy(), steps=RecallingSteps())
    before = shop.gate.rules
    shop.store.commit(lambda t: keep_revision(t, before, shop.wall())).result()
    decision_id = shop.road.decide(use_case, ask(country="US"), "key").decision_id or ""
    assert shop.receipt(decision_id).receipt.permit.granted
    strict = load_rules(preset="eu-strict")
    assert strict.revision != before.revision
    replayer = Replayer(shop.store, Gate(rules=strict), shop.models, {use_case.name: use_case})
    assert replayer.replay(decision_id, from_log=True).verdict is Verdict.SAME
    shop.store.commit(lambda t: t.run("DELETE FROM rule_revisions")).result()
    fresh = Replayer(shop.store, Gate(rules=strict), shop.models, {use_case.name: use_case})
    assert fresh.replay(decision_id, from_log=True).verdict is Verdict.EXPIRED


def test_a_receipt_of_an_earlier_or_later_release_is_read(shop: Shop) -> None:
    """Fields a receipt does not have yet take their defaults; fields we do not know are passed over."""
    body = msgspec.json.decode(encode(shop.receipt(decide(shop)).receipt))
    older = {key: value for key, value in body.items() if key not in ("latency", "fallback", "supersedes", "facts")}
    assert decode(msgspec.json.encode(older)).decision_id == body["decision_id"]
    later = {**body, "something_new": {"a": 1}, "permit": {**body["permit"], "more": [1]}}
    assert encode(decode(msgspec.json.encode(later))) == encode(decode(msgspec.json.encode(body)))


def test_a_receipts_table_of_an_earlier_release_is_carried_over(tmp_path: Path) -> None:
    """Receipts without leaves stay readable, keep their positions, and no position is given twice after an erasure."""
    path = tmp_path / "shop.db"
    with open_shop(path, use_cases=(toy(),)) as shop:
        decision_id = decide(shop)
        before = next(each for each in receipts.TABLES if "EXISTS receipts (" in each)
        old = before.replace(" AUTOINCREMENT", "").replace("receipts (", "old (")
        old = old.replace(", salt BLOB, leaf BLOB, key_id TEXT NOT NULL DEFAULT ''", "")
        names = "seq, decision_id, use_case, subject, anonymous, order_ref, epoch, at, mark, wall, action, model,"
        names += " latency, degraded, simulated, delivered, body"
        shop.store.create((old, f"INSERT INTO old SELECT {names} FROM receipts", "DROP TABLE receipts"))
        shop.store.create(("ALTER TABLE old RENAME TO receipts",))
        for _ in range(2):
            shop.store.commit(receipts.upgrade).result()
        assert shop.replayer.replay(decision_id).verdict is Verdict.SAME
        second = decide(shop)
        shop.store.commit(lambda t: t.run("DELETE FROM receipts WHERE decision_id = ?", (second,))).result()
        decide(shop)
        with shop.store.snapshot() as snapshot:
            assert snapshot.all("SELECT seq, leaf IS NULL FROM receipts ORDER BY seq") == [(1, 1), (3, 0)]


class GroundedSteps(ToySteps):
    """Falls back on the newest list there is, which changes every hour."""

    newest = "list-1"

    def know(self, permit: Permit, request: Request, snapshot: Snapshot) -> FeatureRow:
        raise RuntimeError("nothing can be read")

    def ground(self, body: dict[str, object], *, simulated: bool) -> dict[str, object]:
        return {**body, "list": GroundedSteps.newest}

    def fallback(self, row: FeatureRow | None, request: Request, why: Degraded) -> Decision:
        return Decision(str(request.body["list"]), (Reason("list", "The newest list", 1.0),), degraded=why)


def test_a_fallback_without_a_row_names_what_it_rested_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing could be read, the receipt still names the list that was shown, and replays to it later."""
    use_case = replace(toy(), steps=GroundedSteps())
    decision_id = shop.road.decide(use_case, ask(subject=None), "key").decision_id or ""
    monkeypatch.setattr(GroundedSteps, "newest", "list-2")
    replayed = other(shop, use_case).replay(decision_id)
    assert replayed.verdict is Verdict.SAME
    assert b'"list-1"' in replayed.recorded
