"""Recommendations travel the road: learnt from the log, answered, explained, replayed, and never empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from recommendations_shop import END, LEARNER, SECRETS, Shop, open_shop

from tillwise.decisions.decision import Degraded, Explain
from tillwise.decisions.receipt import decision_bytes
from tillwise.errors import InvalidInput
from tillwise.events.catalog import remember_texts, set_price, set_stock
from tillwise.events.event import Event
from tillwise.events.ingest import read_message
from tillwise.events.log import read_head
from tillwise.events.record import record
from tillwise.features.feature import DAY
from tillwise.features.row import FeatureRow
from tillwise.jobs.learning import Learned
from tillwise.models.ranking.blend import BlendModel
from tillwise.privacy import ledger
from tillwise.privacy.ledger import Consent, State
from tillwise.use_cases.recommendations import LEARNER as DECLARED
from tillwise.use_cases.recommendations import USE_CASE, RecommendationPolicy, recommendations
from tillwise.vocabulary.codes import code_of
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Transaction


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory.mktemp("shop")) as opened:
        yield opened


@pytest.fixture(scope="module")
def learned(shop: Shop) -> Learned:
    return LEARNER.learn(shop.material())


@pytest.fixture
def served(shop: Shop, learned: Learned) -> Iterator[Shop]:
    shop.models.artifact = learned.model
    yield shop
    shop.models.artifact = None


def ids(answer) -> list[str]:  # type: ignore[no-untyped-def]
    return [item.item_id for item in answer.decision.items]


def test_the_blend_beats_its_baselines_on_the_untouched_period(learned: Learned) -> None:
    """In a shop where people like kinds and buy staples again, neither popularity nor own history is the best."""
    evaluation = learned.evaluation
    ours = next(m.value for m in evaluation.model.metrics if m.name == evaluation.primary)
    for baseline in evaluation.baselines:
        assert ours > next(m.value for m in baseline.metrics if m.name == evaluation.primary)
    assert {m.name for m in evaluation.model.metrics} >= {"recall@20", "recall@20, new items", "recall@20, tail items"}
    assert len(learned.baselines) == len(evaluation.baselines) == 4
    assert learned.window.train[1] == learned.window.validation[0] < learned.window.test[0]


def test_same_log_and_seed_same_bytes(shop: Shop, learned: Learned) -> None:
    """Learning again names the same artifact, baselines included; the files hold no person."""
    again = LEARNER.learn(shop.material())
    assert again.model.version == learned.model.version
    assert [a.version for a in again.baselines] == [a.version for a in learned.baselines]
    people = {shop.pseudonym(f"u-{n}") for n in range(5)}
    for data in learned.model.files.values():
        assert not any(person.to_bytes(8, "little") in data for person in people)


def test_a_stored_model_is_judged_like_the_fresh_one(shop: Shop, learned: Learned) -> None:
    """`evaluate` on the test period gives the metrics of learning, baselines and the plot by kind of item included."""
    evaluation = learned.evaluation
    saved = dict(zip([each.name for each in evaluation.baselines], learned.baselines, strict=True))
    known = shop.material(baselines=saved)
    again = LEARNER.evaluate(known, learned.model, evaluation.start, evaluation.end)
    assert again.model.metrics == evaluation.model.metrics
    assert [each.metrics for each in again.baselines] == [each.metrics for each in evaluation.baselines]
    assert again.bars == evaluation.bars
    kinds = ["all items", "had before", "new to them", "best sellers", "the rest"]
    assert list(dict.fromkeys(bar.group for bar in evaluation.bars[0].bars)) == kinds
    with pytest.raises(InvalidInput, match="nobody"):
        LEARNER.evaluate(shop.material(), learned.model, END + DAY, END + 2 * DAY)


def test_what_sells_without_being_in_the_catalogue_is_no_obstacle(tmp_path: Path) -> None:
    """An item nobody listed is there while it sells: the moments of learning know different ones."""
    order = {"order_id": "o-x", "currency": "EUR", "products": [{"product_id": "unlisted", "quantity": 1, "price": 10}]}
    sold = read_message(
        {"type": "track", "event": "Order Completed", "userId": "u-1", "properties": order}, received=END
    )
    assert isinstance(sold, Event), sold

    def work(transaction: Transaction) -> None:
        seq = read_head(transaction).seq + 1
        record(transaction, SECRETS, [sold], first_seq=seq, at=END - 3 * DAY, epoch=0)
        remember_texts(transaction, ["unlisted"])
        transaction.run("UPDATE head SET seq = ?", (seq,))

    with open_shop(tmp_path) as shop:
        shop.store.commit(work).result()
        learned = LEARNER.learn(shop.material())
        saved = dict(zip([each.name for each in learned.evaluation.baselines], learned.baselines, strict=True))
        start, end = learned.window.test
        again = LEARNER.evaluate(shop.material(baselines=saved), learned.model, start, end)
    assert code_of("unlisted") in BlendModel.load(learned.model).components.codes
    assert again.model.metrics == learned.evaluation.model.metrics


def test_every_baseline_can_answer(shop: Shop, learned: Learned) -> None:
    """A baseline released in place of the model makes lists as well."""
    for artifact in learned.baselines:
        shop.models.artifact = artifact
        assert len(ids(shop.ask(k=5))) == 5
    shop.models.artifact = None


def test_a_list_is_personal_ruled_and_explained(served: Shop) -> None:
    """Somebody known gets k items with reasons; what is sold out or inactive never shows; the receipt names all."""
    answer = served.ask(k=10)
    decision = answer.decision
    assert answer.recorded
    assert decision.degraded is None
    assert len(decision.items) == 10
    assert not {"i-10", "i-20"} & set(ids(answer))
    assert [item.position for item in decision.items] == list(range(1, 11))
    assert all(item.reasons and 0 < item.propensity <= 1 for item in decision.items)
    assert answer.receipt.features.snapshot.startswith("sha256:")
    assert answer.receipt.facts["history"]


def test_what_sells_out_after_the_snapshot_is_hidden_at_once(served: Shop) -> None:
    """The ranking is of the full hour, stock and price are of now; the receipt holds them, so that replay agrees."""
    policy = RecommendationPolicy(diversity=0.0, explore_rate=0.0)
    first = ids(served.ask(policy, k=5))[0]
    served.store.commit(lambda t: set_stock(t, first, 0, 10**6)).result()
    sold_out = served.ask(policy, k=5)
    assert first not in ids(sold_out)
    assert "out_of_stock" in sold_out.decision.rules
    assert [row[:2] for row in sold_out.receipt.facts["turned"]] == [[code_of(first), 0]]
    assert ids(served.ask(policy, k=5, filters={"in_stock": False}))[0] == first
    served.store.commit(lambda t: set_stock(t, first, 3, 10**6 + 1)).result()
    assert ids(served.ask(policy, k=5))[0] == first
    served.store.commit(lambda t: set_price(t, first, 10**7, 10**6 + 2)).result()
    assert first not in ids(served.ask(policy, k=5, filters={"max_price": 10**6}))
    served.store.commit(lambda t: set_price(t, first, 1_000, 10**6 + 2)).result()


def test_counting_down_is_no_turn(served: Shop) -> None:
    """Five pieces or four: nothing that may be shown changes, and no receipt carries it."""
    before = served.ask(k=5)
    quiet = next(item for item in ids(before) if code_of(item) not in {r[0] for r in before.receipt.facts["turned"]})
    served.store.commit(lambda t: set_stock(t, quiet, 4, 10**6 + 3)).result()
    assert served.ask(k=5).receipt.facts["turned"] == before.receipt.facts["turned"]


@pytest.mark.parametrize("placement", ["home", "product", "cart", "email"])
def test_every_placement_answers_for_everybody(served: Shop, placement: str) -> None:
    """Known, unknown or nobody: a list of k, with the state of the person said."""
    body = {"placement": placement, "k": 6}
    if placement == "product":
        body["item_id"] = "i-3"
    if placement == "cart":
        body["cart"] = [{"item_id": "i-4", "quantity": 1}, {"item_id": "i-9", "quantity": 1}]
    for subject, state in (("u-1", None), ("stranger", Degraded.NO_HISTORY), (None, Degraded.NO_HISTORY)):
        answer = served.ask(subject=subject, **body)
        assert len(ids(answer)) == 6
        assert answer.decision.degraded is state
        in_front = {body.get("item_id"), *(line["item_id"] for line in body.get("cart", ()))}  # type: ignore[attr-defined]
        assert not in_front & set(ids(answer))


def test_the_page_in_front_counts_more_than_the_past(served: Shop) -> None:
    """On a product page the first items are of that product's kind."""
    first = served.ask(RecommendationPolicy(diversity=0.0), placement="product", item_id="i-2", subject=None, k=4)
    assert sum(int(item.removeprefix("i-")) % 6 == 2 for item in ids(first)) >= 3


def test_an_email_is_never_explored(served: Shop) -> None:
    """Exploration is for pages: a mail has only certain positions."""
    policy = RecommendationPolicy(explore_rate=0.9, explore_positions=(1, 2, 3))
    for _ in range(5):
        mail = served.ask(policy, placement="email", k=5)
        assert all(item.propensity == 1.0 for item in mail.decision.items)
    pages = [served.ask(policy, k=5) for _ in range(5)]
    explored = [item for page in pages for item in page.decision.items if item.reasons[0].code == "explored"]
    assert explored
    assert all(item.propensity < 0.1 for item in explored)


def test_rules_of_policy_and_caller_hold_and_are_named(served: Shop) -> None:
    """Pins come first, exclusions, filters and candidates hold, margin floor and rest days hide."""
    policy = RecommendationPolicy(pinned=("i-33",), excluded=("i-1",), margin_floor=0.2, rest_days=365)
    answer = served.ask(policy, k=8, exclude=["i-2"], filters={"max_price": 1050})
    assert ids(answer)[0] == "i-33"
    assert answer.decision.items[0].reasons[0].code == "pinned"
    assert "pinned" in answer.decision.rules
    bought = {row[0] for row in answer.receipt.facts["history"] if row[1] == "bought"}
    for item in ids(answer):
        number = int(item.removeprefix("i-"))
        assert number not in (1, 2)
        assert number <= 50
        assert number % 7 != 0
        assert code_of(item) not in bought
    chosen = served.ask(k=8, candidates=["i-0", "i-5", "i-20", "nowhere"])
    assert set(ids(chosen)) == {"i-0", "i-5"}
    assert chosen.receipt.candidates is not None
    nothing = served.ask(k=8, candidates=["nowhere"])
    assert ids(nothing) == []
    assert nothing.decision.reasons[-1].code == "nothing_to_show"


def test_new_items_get_a_chance(served: Shop) -> None:
    """An item nobody ever bought is shown now and then, with its propensity."""
    policy = RecommendationPolicy(explore_rate=0.8, explore_positions=(2, 4, 6, 8))
    shown = [item for _ in range(100) for item in served.ask(policy, k=8).decision.items if item.item_id == "i-59"]
    assert shown
    assert all(0 < item.propensity <= 1 for item in shown)


def test_refusal_gives_a_list_without_a_person(served: Shop) -> None:
    """After a withdrawal the next list holds nothing personal and says so; reading was not even tried."""
    person = served.pseudonym("u-7")
    served.store.commit(lambda t: ledger.record(t, Consent(person, Purpose.RECOMMEND, State.WITHDRAWN), END)).result()
    answer = served.ask(subject="u-7", k=6, placement="product", item_id="i-3")
    assert answer.decision.degraded is Degraded.NO_CONSENT
    assert answer.receipt.facts["history"] == []
    assert len(ids(answer)) == 6
    assert sum(int(item.removeprefix("i-")) % 6 == 3 for item in ids(answer)) >= 3
    strict = served.ask(subject="u-8", k=6, country="DE")
    assert strict.decision.degraded is Degraded.NO_CONSENT
    assert ids(strict) == ids(served.ask(subject="u-9", k=6, country="DE"))


def test_without_a_model_popular_items_answer(shop: Shop) -> None:
    """Nothing released yet: popular, in stock, allowed items."""
    answer = shop.ask(k=10)
    assert answer.decision.degraded is Degraded.NO_MODEL
    assert len(ids(answer)) == 10
    assert not {"i-10", "i-20"} & set(ids(answer))


def test_thinking_and_acting_again_gives_the_same_bytes(served: Shop) -> None:
    """Replay: from the receipt's facts and the named snapshot and model, by another process's eyes."""
    for explain in (Explain.NONE, Explain.FULL):
        answer = served.ask(k=9, explain=explain)
        receipt = answer.receipt
        use_case = recommendations(type(served.shelf)(served.folder / "snapshots"))
        row = FeatureRow(None, receipt.features.definition, (), (), receipt.facts, receipt.features.snapshot)  # type: ignore[arg-type]
        model = BlendModel.load(served.models.artifact)  # type: ignore[arg-type]
        score = use_case.steps.think(row, model, explain)
        assert decision_bytes(use_case.steps.act(score, receipt.seed, explain)) == decision_bytes(answer.decision)
        for item in score.items:
            assert item.score == pytest.approx(sum(part.amount for part in item.parts), abs=1e-5)


def test_reading_the_log_again_gives_the_same_row(served: Shop) -> None:
    """`recall` at the receipt's point finds the very same history."""
    answer = served.ask(k=3)
    receipt = answer.receipt
    with served.store.snapshot() as snapshot:
        permit = served.gate.permit(
            snapshot, purpose=Purpose.RECOMMEND, subject=served.pseudonym("u-1"), country="US",
            point=Point(receipt.epoch, receipt.at, receipt.mark),
        )  # fmt: skip
        steps = recommendations(served.shelf).steps
        row = FeatureRow(
            permit, receipt.features.definition, (), (), {**receipt.facts, "history": []}, receipt.features.snapshot
        )
        assert steps.recall(permit, row, snapshot).facts == receipt.facts


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"k": 0}, "k"), ({"k": 101}, "k"), ({"placement": "moon"}, "placement"), ({"cart": [3]}, "cart"),
        ({"candidates": "i-1"}, "candidates"), ({"filters": {"colour": "red"}}, "filters"),
        ({"filters": {"max_price": "3"}}, "filters.max_price"), ({"item_id": 7}, "item_id"),
    ],
)  # fmt: skip
def test_a_wrong_question_names_its_field(served: Shop, body: dict, field: str) -> None:  # type: ignore[type-arg]
    """Only the caller can mend these."""
    with pytest.raises(InvalidInput) as wrong:
        served.ask(**body)
    assert wrong.value.field == field


def test_an_empty_shop_answers_with_an_empty_list(tmp_path: Path) -> None:
    """No catalogue, no events: a valid answer that says there is nothing; learning says what is missing."""
    with open_shop(tmp_path, filled=False) as empty:
        answer = empty.ask(subject="u-1")
        assert ids(answer) == []
        assert answer.decision.reasons
        with pytest.raises(InvalidInput, match="no purchases"):
            LEARNER.learn(empty.material())


def test_the_declarations_stand_at_module_level() -> None:
    """What app and jobs import."""
    assert USE_CASE.name == "recommendations"
    assert USE_CASE.purpose is Purpose.RECOMMEND
    assert USE_CASE.revision.startswith("sha256:")
    assert callable(DECLARED.learn)
    assert callable(DECLARED.evaluate)
