"""Item models equal their plain definitions, forget people, and have the same bytes for the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from tillwise.errors import ArtifactDamaged, InvalidInput
from tillwise.features.snapshots import WINDOWS, ItemSnapshot
from tillwise.models.artifact import Artifact
from tillwise.models.loading import KINDS, load_model
from tillwise.models.ranking.als import AlsSettings, FoldIn, fit_als
from tillwise.models.ranking.behaviour import DAY_MS, Behaviour
from tillwise.models.ranking.blend import Action, BlendModel, total_of
from tillwise.models.ranking.choosing import Slice, choose, lists_of
from tillwise.models.ranking.ease import EaseSettings, NextSettings, fit_ease, fit_next, turns
from tillwise.models.ranking.fit import BlendSettings, fit_components
from tillwise.models.ranking.history import Decay, Histories
from tillwise.models.ranking.knn import KnnSettings, fit_knn, together_in_order
from tillwise.models.ranking.rp3 import Rp3Settings, fit_rp3
from tillwise.models.ranking.sparse import strongest

ITEMS = 30
SETTINGS = BlendSettings(
    knn=KnnSettings(keep=15),
    rp3=Rp3Settings(keep=15),
    ease=EaseSettings(penalty=5.0, side=1.0, head=25, keep=15),
    follow=NextSettings(penalty=5.0, side=1.0, head=25, keep=15),
    als=AlsSettings(factors=6, iterations=3),
    decays=(Decay(), Decay(step=0.7)),
)


def sequences(people: int = 60, seed: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        rng.choice(ITEMS // 2, rng.integers(3, 9), replace=False) + rng.integers(0, 2) * (ITEMS // 2)
        for _ in range(people)
    ]


def shelf(items: int = ITEMS, *, offset: int = 0) -> ItemSnapshot:
    zeros = np.zeros(items, dtype=np.int64)
    counts = np.repeat((np.arange(items) % 7)[:, np.newaxis], len(WINDOWS), axis=1)
    return ItemSnapshot(
        boundary=0, epoch=0, codes=np.arange(items) + offset, bought=counts, viewed=counts, price=zeros, cost=zeros,
        stock=zeros + 1, active=zeros + 1, category=np.arange(items) % 4 + 1, brand=np.arange(items) % 3 + 1,
        created=zeros, item_ids=tuple(f"i-{n}" for n in range(items)), titles=("",) * items,
        categories=("",) * items, brands=("",) * items,
    )  # fmt: skip


@pytest.fixture(scope="module")
def blend() -> tuple[BlendModel, Artifact]:
    histories = Histories.of_sequences(sequences())
    side = sp.csr_matrix((np.ones(ITEMS, dtype=np.float32), (np.arange(ITEMS) % 4, np.arange(ITEMS))), shape=(4, ITEMS))
    components = fit_components(histories, np.arange(ITEMS), SETTINGS, 7, side)
    parts = tuple(replace(part, weight=0.1 + 0.01 * n) for n, part in enumerate(SETTINGS.parts()))
    model = BlendModel(components, parts)
    artifact = model.artifact({"params": SETTINGS.describe()})
    return BlendModel.load(artifact), artifact


def test_a_history_fades_per_moment_and_per_day() -> None:
    """A cell is the sum over actions of weight · step^moments · ½^(days/half-life), to the power."""
    history = Histories.one([(3, 1.0, 2, 20.0), (3, 0.5, 1, 10.0), (4, 1.0, 0, 0.0)])
    row = history.matrix(Decay(step=0.5, half_life=10.0, power=0.5), 6).toarray()[0]
    assert row[3] == pytest.approx((0.25 * 0.25 + 0.5 * 0.5 * 0.5) ** 0.5)
    assert row[4] == pytest.approx(1.0)
    assert np.count_nonzero(row) == 2


def test_ease_is_its_closed_form() -> None:
    """On the whole catalogue and without side information B = −P / diag P with an empty diagonal."""
    histories = Histories.of_sequences(sequences())
    x = histories.matrix(Decay(), ITEMS).toarray()
    weights = fit_ease(histories, ITEMS, EaseSettings(penalty=5.0, side=0.0, head=ITEMS, keep=0)).toarray()
    inverse = np.linalg.inv(x.T @ x + 5.0 * np.eye(ITEMS))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0.0)
    assert weights == pytest.approx(expected, abs=1e-4)


def test_what_comes_next_is_ridge_regression_from_before_to_after() -> None:
    """Rows are moments: what lay before, faded, predicts what came at that moment."""
    people = sequences(20)
    histories = Histories.of_sequences(people)
    rows_before, rows_after = [], []
    for items in people:
        for moment in range(len(items)):
            before, after = np.zeros(ITEMS), np.zeros(ITEMS)
            for past in range(moment):
                before[items[past]] += 0.6 ** (moment - past - 1)
            for later in range(moment, len(items)):
                after[items[later]] += 0.5 ** (later - moment)
            rows_before.append(before)
            rows_after.append(after)
    past, later = turns(histories, ITEMS, 0.6, 0.5)
    assert past.toarray() == pytest.approx(np.array(rows_before), abs=1e-5)
    assert later.toarray() == pytest.approx(np.array(rows_after), abs=1e-5)
    s, t = np.array(rows_before), np.array(rows_after)
    expected = np.linalg.inv(s.T @ s + 5.0 * np.eye(ITEMS)) @ (s.T @ t)
    np.fill_diagonal(expected, 0.0)
    settings = NextSettings(penalty=5.0, side=0.0, past=0.6, ahead=0.5, head=ITEMS, keep=0)
    assert fit_next(histories, ITEMS, settings).toarray() == pytest.approx(expected, abs=1e-4)


def test_meetings_fade_with_distance_and_stay_positive() -> None:
    """Two actions count fade^|distance|; the matrix has no negative eigenvalue, so that EASE may use it."""
    people = sequences(15)
    together = together_in_order(Histories.of_sequences(people), ITEMS, 0.8).toarray()
    expected = np.zeros((ITEMS, ITEMS))
    for items in people:
        for i, left in enumerate(items):
            for j, right in enumerate(items):
                expected[left, right] += 0.8 ** abs(i - j)
    assert together == pytest.approx(expected, abs=1e-3)
    assert np.linalg.eigvalsh(together).min() > -1e-3


def test_neighbours_are_cosines_and_walks_are_probabilities() -> None:
    """kNN is symmetric before it is cut; the walk of RP3 without β leaves an item with probability at most 1."""
    histories = Histories.of_sequences(sequences())
    knn = fit_knn(histories, ITEMS, KnnSettings(keep=ITEMS, shrink=0.0)).toarray()
    assert knn == pytest.approx(knn.T, abs=1e-6)
    assert 0 < knn.max() <= 1.0
    walk = fit_rp3(histories, ITEMS, Rp3Settings(beta=0.0, keep=ITEMS)).toarray()
    assert (walk.sum(axis=1) <= 1 + 1e-5).all()


def test_the_strongest_are_kept_and_ties_go_to_the_lower_column() -> None:
    """Cutting a row is a full sort by magnitude."""
    matrix = sp.csr_matrix(np.array([[0.5, -0.9, 0.5, 0.1], [0, 0, 0, 0]], dtype=np.float32))
    cut = strongest(matrix, 2).toarray()
    assert cut[0].tolist() == pytest.approx([0.5, -0.9, 0.0, 0.0])


def test_folding_in_is_the_closed_form_and_its_shares_add_up() -> None:
    """x solves (YᵀY + λI + Σ c·y·yᵀ)x = Σ (1 + c)y, and what each past item adds sums to the score."""
    factors = np.random.default_rng(0).normal(size=(ITEMS, 5)).astype(np.float32)
    fold = FoldIn.of(factors, 0.1, 4.0)
    items, weights = np.array([2, 5, 9]), np.array([1.0, 0.5, 2.0], dtype=np.float32)
    y, c = factors[items].astype(float), 4.0 * weights
    wide = factors.astype(float)
    x = np.linalg.solve(wide.T @ wide + 0.1 * np.eye(5) + y.T @ (c[:, None] * y), y.T @ (1 + c))
    assert fold.vector(items, weights) == pytest.approx(x, abs=1e-5)
    wanted = np.array([0, 7])
    assert fold.shares(items, weights, wanted).sum(axis=0) == pytest.approx(wide[wanted] @ x, abs=1e-5)
    assert (fold.vector(np.empty(0, dtype=int), np.empty(0, dtype=np.float32)) == 0).all()


def test_same_data_and_seed_same_bytes(blend: tuple[BlendModel, Artifact]) -> None:
    """Learning twice gives the same artifact, another seed another one; no file has a row per person."""
    histories = Histories.of_sequences(sequences())
    first = fit_als(histories, ITEMS, AlsSettings(factors=6, iterations=3), 7)
    assert first.tobytes() == fit_als(histories, ITEMS, AlsSettings(factors=6, iterations=3), 7).tobytes()
    assert first.tobytes() != fit_als(histories, ITEMS, AlsSettings(factors=6, iterations=3), 8).tobytes()
    assert first.shape == (ITEMS, 6)
    _, artifact = blend
    assert BlendModel.load(artifact).artifact({"params": SETTINGS.describe()}).version == artifact.version


def test_one_request_scores_like_the_batch(blend: tuple[BlendModel, Artifact]) -> None:
    """Serving one person and scoring many give the same lists."""
    model, _ = blend
    people = sequences(8, seed=5)
    histories = Histories.of_sequences(people)
    lists = lists_of(model.components, model.parts, Slice(histories, [frozenset()] * 8, shelf()), 5)
    for row, items in enumerate(people):
        actions = [Action(int(item), 1.0, len(items) - 1 - n, 0.0) for n, item in enumerate(items)]
        total = model.score(actions, shelf()).total
        assert lists[row].tolist() == np.argsort(-total, kind="stable")[:5].tolist()


def test_a_score_is_the_exact_sum_of_its_parts(blend: tuple[BlendModel, Artifact]) -> None:
    """With or without sources, parts add up to the score; a source is an item of the history."""
    model, _ = blend
    actions = [Action(3, 1.0, 1, 3.0), Action(8, 0.5, 0, 1.0)]
    blended = model.score(actions, shelf())
    chosen = np.array([0, 3, 8, 12, 29])
    for whole, split, total in zip(
        blended.parts(chosen, sources=False), blended.parts(chosen, sources=True), blended.total[chosen], strict=True
    ):
        assert total_of(whole) == pytest.approx(float(total), abs=1e-5)
        assert total_of(split) == pytest.approx(total_of(whole), abs=1e-9)
        assert {part.source for part in split} <= {None, 3, 8}


def test_items_the_model_never_saw_are_scored_by_content_and_popularity(blend: tuple[BlendModel, Artifact]) -> None:
    """A new item in a person's category stands above a new one in another."""
    model, _ = blend
    items = replace(shelf(40), codes=np.arange(40))
    blended = model.score([Action(4, 1.0, 0, 0.0)], items)
    unknown = np.arange(ITEMS, 40)
    assert (model.places(items)[unknown] == ITEMS).all()
    parts = blended.parts(unknown, sources=True)
    names = {part.name for row in parts for part in row}
    assert names <= {"content", "popular_7d", "popular_30d"}
    content = [sum(part.amount for part in row if part.name == "content") for row in parts]
    assert content[36 - ITEMS] > content[33 - ITEMS]


def test_nobody_known_still_has_scores(blend: tuple[BlendModel, Artifact]) -> None:
    """Without a history only popularity speaks, and an empty catalogue gives an empty answer."""
    model, _ = blend
    total = model.score([], shelf()).total
    assert total.argmax() % 7 == 6
    assert len(model.score([], shelf(0)).total) == 0


def test_a_damaged_artifact_is_refused(blend: tuple[BlendModel, Artifact]) -> None:
    """Missing, mismatched or senseless arrays never become a model."""
    _, artifact = blend
    files = dict(artifact.files)
    for name in ("codes.npy", "knn.indptr.npy", "factors.npy"):
        with pytest.raises(ArtifactDamaged):
            BlendModel.load(Artifact(artifact.manifest, {key: data for key, data in files.items() if key != name}))
    with pytest.raises(ArtifactDamaged):
        BlendModel.load(Artifact(artifact.manifest, {**files, "again.npy": files["factors.npy"]}))
    with pytest.raises(ArtifactDamaged):
        BlendModel.load(Artifact({**artifact.manifest, "parts": [{"name": "x"}]}, files))


@pytest.mark.skipif(BlendModel not in KINDS, reason="the list of kinds does not know the blend yet")
def test_a_blend_is_loaded_by_its_kind(blend: tuple[BlendModel, Artifact]) -> None:
    """The manifest's kind is enough."""
    assert isinstance(load_model(blend[1]), BlendModel)


def test_choosing_is_repeatable_and_not_worse_than_any_part() -> None:
    """Weights come from the slice and the seed alone; the blend is at least as good there as its best part."""
    people = sequences(60)
    histories = Histories.of_sequences([items[:-1] for items in people])
    wanted = [frozenset((int(items[-1]),)) for items in people]
    components = fit_components(histories, np.arange(ITEMS), SETTINGS, 7)
    validation = Slice(histories, wanted, shelf(), repeats=False)
    parts, found = choose(components, SETTINGS.parts(), validation, SETTINGS, 7, k=5)
    again, _ = choose(components, SETTINGS.parts(), validation, SETTINGS, 7, k=5)
    assert parts == again
    assert found["blend"] >= max(value for name, value in found.items() if name != "blend") - 0.01
    assert sum(part.weight for part in parts) == pytest.approx(1.0, abs=1e-3)


def test_too_small_a_penalty_is_named() -> None:
    """A matrix that cannot be inverted is an error that says what to change."""
    empty = Histories.of_sequences([np.array([1, 1])])
    with pytest.raises(InvalidInput, match="penalty"):
        fit_ease(empty, 3, EaseSettings(penalty=0.0, side=0.0, head=3))


def test_behaviour_is_cut_at_a_moment() -> None:
    """Histories see what came before, purchases what came after; moments of one time share a step."""
    at = np.array([1, 1, 2, 5, 3], dtype=np.int64) * DAY_MS
    log = Behaviour(
        person=np.array([1, 1, 1, 1, 2]), item=np.array([0, 1, 2, 0, -1]), worth=np.ones(5, dtype=np.float32),
        bought=np.array([True, True, False, True, True]), at=at,
    )  # fmt: skip
    people, histories = log.before(4 * DAY_MS, days=30, limit=10)
    assert people.tolist() == [1]
    assert histories.steps.tolist() == [1.0, 1.0, 0.0]
    assert histories.days.tolist() == [3.0, 3.0, 2.0]
    assert log.bought_in(4 * DAY_MS, 9 * DAY_MS, people) == [frozenset({0})]
    assert log.buyers(0, 9 * DAY_MS).tolist() == [1]
    _, nobody = log.before(4 * DAY_MS, days=30, limit=1, people=np.array([1, 2]))
    assert np.diff(nobody.offsets).tolist() == [1, 0]
    assert nobody.items.tolist() == [2]


def test_folding_in_is_the_same_for_long_and_short_histories() -> None:
    """Whether the small or the large system is solved makes no difference."""
    factors = np.random.default_rng(0).normal(size=(ITEMS, 5)).astype(np.float32)
    fold = FoldIn.of(factors, 0.1, 4.0)
    items, weights = np.arange(12), np.linspace(0.1, 2, 12, dtype=np.float32)
    y, c = factors[items].astype(float), 4.0 * weights
    x = np.linalg.solve(fold.gram + y.T @ (c[:, None] * y), y.T @ (1 + c))
    assert fold.vector(items, weights) == pytest.approx(x, abs=1e-5)
