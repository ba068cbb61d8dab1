"""Who answered when: append-only, one step back, an answer for any time; and models in memory that never lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.errors import ArtifactDamaged, NotFound, NotReleased
from tillwise.events.tables import TABLES as EVENT_TABLES
from tillwise.models.artifact import Artifact
from tillwise.models.baseline import fit_rate
from tillwise.models.model import Design, Rows
from tillwise.releases import cache as cache_module
from tillwise.releases.cache import ModelCache
from tillwise.releases.gate import Choice, fairness
from tillwise.releases.releases import Release, Releases
from tillwise.stores.sqlite import SqliteStore
from tillwise.vocabulary.clock import LogClock


class Wall:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "shop.db")
    opened.create(EVENT_TABLES)
    yield opened
    opened.close()


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def releases(store: SqliteStore, wall: Wall) -> Releases:
    return Releases(store, clock=LogClock(offset=-500, wall=wall), wall=wall)


def choice(version: str | None, expires: int | None = None) -> Choice:
    kind = "rules" if version is None else "model"
    return Choice(kind, version or "rules", version, "it passed", (fairness(),), expires)


def now(store: SqliteStore, releases: Releases, use_case: str = "fraud") -> Release | None:
    with store.snapshot() as snapshot:
        return releases.current(snapshot, use_case)


def test_a_release_keeps_who_when_why_and_its_gates(store: SqliteStore, releases: Releases) -> None:
    """A transition says since when on both clocks, at which position, by whom and on which verdicts."""
    assert now(store, releases) is None
    made = releases.release("fraud", choice("sha256:a"), who="train")
    assert now(store, releases) == made
    assert (made.number, made.wall, made.at, made.seq, made.who) == (1, 1_000, 500, 0, "train")
    assert made.gates == (fairness(),)
    assert now(store, releases, "churn") is None


def test_who_answered_at_any_time(store: SqliteStore, releases: Releases, wall: Wall) -> None:
    """As-of answers for every moment, also after a rollback and a clock that jumped back."""
    for stamp, version in ((10, "a"), (20, "b"), (15, "c")):
        wall.now = stamp
        releases.release("fraud", choice(version), who="t")
    with store.snapshot() as snapshot:
        found = [releases.as_of(snapshot, "fraud", t) for t in (9, 10, 19, 20, 99)]
        history = releases.history(snapshot)
    assert [release and release.version for release in found] == [None, "a", "a", "c", "c"]
    assert [release.version for release in history] == ["c", "b", "a"]
    assert history == sorted(history, key=lambda release: -release.number)


def test_rollback_walks_back_step_by_step(store: SqliteStore, releases: Releases) -> None:
    """A, B, back to A, then C, back to A again, then to the rules before the first release, then no further."""
    releases.release("fraud", choice("a"), who="t")
    releases.release("fraud", choice("b"), who="t")
    assert releases.rollback("fraud", who="ops", why="too many reviews").version == "a"
    releases.release("fraud", choice("c"), who="t")
    back = releases.rollback("fraud", who="ops")
    assert (back.version, back.restores, back.who) == ("a", 1, "ops")
    assert releases.rollback("fraud", who="ops").kind == "rules"
    with pytest.raises(NotFound, match="no earlier release"):
        releases.rollback("fraud", who="ops")
    with pytest.raises(NotFound):
        releases.rollback("churn", who="ops")
    with store.snapshot() as snapshot:
        assert len(releases.history(snapshot, "fraud")) == 6


@settings(max_examples=12, deadline=None)
@given(steps=st.lists(st.sampled_from(["release", "back"]), min_size=1, max_size=12))
def test_rollback_is_a_stack(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """Releases push and rollbacks pop, for any order of both."""
    store = SqliteStore(tmp_path_factory.mktemp("stack") / "shop.db")
    try:
        store.create(EVENT_TABLES)
        releases, stack = Releases(store), []
        for number, step in enumerate(steps):
            if step == "release":
                stack.append(f"v{number}")
                releases.release("churn", choice(f"v{number}"), who="t")
            elif stack:
                stack.pop()
                releases.rollback("churn", who="t")
            current = now(store, releases, "churn")
            assert (current.version if current else None) == (stack[-1] if stack else None)
    finally:
        store.close()


def test_a_version_released_before_can_be_released_again(releases: Releases) -> None:
    """`release MODEL` takes only what passed a gate here."""
    releases.release("fraud", choice("a"), who="t")
    releases.release("fraud", choice("b"), who="t")
    made = releases.again("a", who="ops", why="steadier")
    assert (made.version, made.number, made.why, made.restores) == ("a", 3, "steadier", None)
    with pytest.raises(NotFound, match="never released"):
        releases.again("z", who="ops", why="")


def saved(folder: Path, rate: float) -> str:
    y = (np.arange(100) < 100 * rate).astype(float)
    artifact = fit_rate(Design("fraud", ("a",), "sha256:f"), Rows(np.zeros((100, 1), dtype=np.float32), y))
    artifact.save(folder)
    return artifact.version


def test_the_cache_follows_the_releases_in_the_decisions_own_snapshot(
    store: SqliteStore, releases: Releases, tmp_path: Path
) -> None:
    """A snapshot from before a release answers with the model of before; the next one with the new."""
    low, high = saved(tmp_path, 0.1), saved(tmp_path, 0.9)
    cache = ModelCache(releases, tmp_path)
    with store.snapshot() as empty:
        assert cache.current(empty, "fraud") is None
        with pytest.raises(NotReleased, match="tillwise train fraud"):
            cache.required(empty, "fraud")
    releases.release("fraud", choice(low), who="t")
    with store.snapshot() as before:
        assert cache.required(before, "fraud").version == low
        releases.release("fraud", choice(high), who="t")
        assert cache.required(before, "fraud").version == low
    with store.snapshot() as after:
        first, again = cache.required(after, "fraud"), cache.required(after, "fraud")
    assert first is again
    assert (first.version, first.features, first.released) == (high, "sha256:f", 1_000)
    assert first.model.predict(np.zeros((1, 1), dtype=np.float32))[0] > 0.8
    assert cache.load(low).predict(np.zeros((1, 1), dtype=np.float32))[0] < 0.2


def test_a_damaged_file_is_never_answered_from(
    store: SqliteStore, releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flipped bit or a missing file: ArtifactDamaged and a readyz problem; restored, it answers again."""
    version = saved(tmp_path, 0.5)
    file = tmp_path / version.removeprefix("sha256:") / "rate.npy"
    sound = file.read_bytes()
    releases.release("fraud", choice(version), who="t")
    monkeypatch.setattr(cache_module, "RETRY_SECONDS", 0.0)
    cache = ModelCache(releases, tmp_path)
    for spoil in (lambda: file.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1])), file.unlink):
        spoil()
        with store.snapshot() as snapshot:
            with pytest.raises(ArtifactDamaged, match=r"rate\.npy"):
                cache.current(snapshot, "fraud")
            assert "rate.npy" in cache.problems(snapshot)["fraud"]
    file.write_bytes(sound)
    with store.snapshot() as snapshot:
        assert cache.required(snapshot, "fraud").version == version
        assert cache.problems(snapshot) == {}
    file.unlink()
    with store.snapshot() as snapshot:
        assert cache.required(snapshot, "fraud").version == version
        assert "rate.npy" in cache.problems(snapshot)["fraud"]


def test_a_damaged_file_is_not_read_on_every_decision(
    store: SqliteStore, releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While broken, the disk is left alone for a few seconds: the fallback stays fast."""
    releases.release("fraud", choice("sha256:" + "0" * 64), who="t")
    cache, reads = ModelCache(releases, tmp_path), []
    real = Artifact.load

    def counting(folder: Path, version: str) -> Artifact:
        reads.append(version)
        return real(folder, version)

    monkeypatch.setattr(Artifact, "load", counting)
    with store.snapshot() as snapshot:
        for _ in range(5):
            with pytest.raises(ArtifactDamaged):
                cache.current(snapshot, "fraud")
    assert len(reads) == 1


def test_an_ended_override_stops_answering(store: SqliteStore, releases: Releases, tmp_path: Path) -> None:
    """A release that rests on an override ends with it, and readyz says so."""
    version = saved(tmp_path, 0.5)
    releases.release("fraud", choice(version, expires=2_000), who="t")
    cache = ModelCache(releases, tmp_path)
    with store.snapshot() as snapshot:
        assert cache.current(snapshot, "fraud") is None
        assert "override" in cache.problems(snapshot)["fraud"]
    releases.release("fraud", choice(version, expires=2**52), who="t")
    with store.snapshot() as snapshot:
        assert cache.required(snapshot, "fraud").version == version


def test_rules_in_force_are_no_model(store: SqliteStore, releases: Releases, tmp_path: Path) -> None:
    """When the rules were released, nothing is loaded and nothing is wrong."""
    releases.release("fraud", choice(None), who="t")
    cache = ModelCache(releases, tmp_path)
    with store.snapshot() as snapshot:
        assert cache.current(snapshot, "fraud") is None
        assert cache.problems(snapshot) == {}
