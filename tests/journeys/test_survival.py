"""Whatever breaks, the caller gets a valid answer with the honest reason, and readiness says what is wrong."""

from __future__ import annotations

import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from small_shop import material

from tillwise.app import App
from tillwise.decisions import receipts
from tillwise.decisions.answer import Answer
from tillwise.decisions.decision import Place, Request
from tillwise.decisions.replay import Verdict
from tillwise.errors import Conflict
from tillwise.jobs.train import train

KEY = "k-test"
BODIES: dict[str, dict[str, Any]] = {
    "churn": {},
    "recommendations": {"placement": "home", "k": 5},
    "fraud": {
        "order": {"id": "o-new", "amount": 4200, "currency": "USD", "items": []},
        "payment": {"method": "card", "card_hash": "card-1"},
        "billing": {"country": "US"},
        "shipping": {"country": "US", "address_hash": "address-1"},
        "device_id": "device-1",
        "ip": "192.0.2.9",
    },
}
ACTIONS = {
    "churn": {"none", "win_back"},
    "recommendations": {"items"},
    "fraud": {"approve", "challenge", "review", "decline"},
}


def ask(app: App, name: str, *, subject: str | None = "c-2", **changes: Any) -> Answer:
    fields: dict[str, Any] = {"request_id": None, "body": BODIES[name], "place": Place("US"), "deadline_ms": 20_000}
    return app.road.decide(app.use_case(name), Request(subject=subject, **{**fields, **changes}), KEY)


def check(answer: Answer) -> dict[str, Any]:
    """Return the envelope of an answer that is valid: action, reason, and an id exactly when it is on record."""
    told = answer.envelope()
    assert told["action"] in ACTIONS[told["use_case"]]
    assert told["reasons"] or told["items"]
    assert told["recorded"] == (told["decision_id"] is not None)
    return told


def released(app: App, name: str) -> Path:
    with app.store.snapshot() as snapshot:
        release = app.releases.current(snapshot, name)
    assert release is not None
    assert release.version is not None
    return app.folder.models / release.version.removeprefix("sha256:")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock, as another process would."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: what a full disk looks like from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_trained_shop_is_ready_and_answers(app: App) -> None:
    """Everything released answers on record; what has no model says so; every answer replays to the same bytes."""
    assert app.problems() == ()
    for name, degraded in (("churn", None), ("recommendations", None), ("fraud", "no_model")):
        told = check(ask(app, name))
        assert (told["recorded"], told["degraded"]) == (True, degraded), name
        assert app.replayer.replay(told["decision_id"]).verdict is Verdict.SAME
        assert app.replayer.replay(told["decision_id"], from_log=True).verdict is Verdict.SAME


def test_one_millisecond_still_gives_an_answer(app: App) -> None:
    """With no time to spare the answer is a fallback that says `deadline`, or it was on record in time."""
    for name in BODIES:
        for _ in range(5):
            told = check(ask(app, name, deadline_ms=1))
            if told["recorded"]:
                assert told["degraded"] in (None, "deadline", "no_model")
            else:
                assert told["degraded"] in ("deadline", "no_model")
                assert name != "fraud" or told["action"] == "review"


def test_a_locked_store_is_named(app: App, folder: Path) -> None:
    """Nothing can be put on record: every use case answers, fraud by `review`; afterwards all is well."""
    with locked(folder / "tillwise.db"):
        for name in BODIES:
            told = check(ask(app, name, deadline_ms=300))
            assert (told["recorded"], told["degraded"]) == (False, "store_unavailable"), name
            assert name != "fraud" or told["action"] == "review"
        assert any("store" in problem for problem in app.problems())
    assert check(ask(app, "churn"))["degraded"] is None
    assert app.problems() == ()


def test_a_full_disk_is_named(app: App) -> None:
    """What cannot be written is not acknowledged as recorded; once there is room the same process goes on."""
    check(ask(app, "recommendations"))
    with file_size_limit(100_000):
        for name in BODIES:
            answers = [check(ask(app, name, deadline_ms=2_000)) for _ in range(25)]
            lost = [told for told in answers if not told["recorded"]]
            assert lost, "the disk was full"
            assert {told["degraded"] for told in lost} == {"store_unavailable"}
        with file_size_limit(1):
            assert any("store" in problem for problem in app.problems())
    told = check(ask(app, "churn"))
    assert (told["recorded"], told["degraded"]) == (True, None)
    assert app.problems() == ()


@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_a_damaged_model_does_not_answer(opened: Callable[[], App], damage: str) -> None:
    """A model that is not what its name says answers nothing: the rules do, with `no_model`, and readiness names it."""
    app = opened()
    before = check(ask(app, "churn"))
    app.close()
    place = released(opened(), "churn")
    for file in place.iterdir():
        if file.name != "index.json":
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.unlink() if damage == "missing" else file.write_bytes(bytes(data))
    app = opened()
    told = check(ask(app, "churn"))
    assert (told["recorded"], told["degraded"], told["model"]) == (True, "no_model", None)
    assert any("churn" in problem for problem in app.problems())
    assert app.replayer.replay(told["decision_id"]).verdict is Verdict.SAME
    assert app.replayer.replay(before["decision_id"]).verdict is Verdict.EXPIRED
    assert check(ask(app, "recommendations"))["degraded"] is None
    train(app.use_case("churn"), app.learners["churn"], material(app), app.releases)
    app.close()
    app = opened()
    assert check(ask(app, "churn"))["degraded"] is None, "what the message says to do, train again, mends it"
    assert app.problems() == ()


def test_the_log_clock_never_runs_back(app: App, folder: Path, opened: Callable[[], App]) -> None:
    """The machine's clock jumps back a day: decisions keep their order in the log, and readiness names the clock."""
    first = ask(app, "churn")
    app.close()
    settings = folder / "tillwise.toml"
    offset = app.clock.offset
    settings.write_text(settings.read_text().replace(str(offset), str(offset - 86_400_000)))
    back = opened()
    second = ask(back, "churn")
    assert check(second)["degraded"] is None
    assert second.receipt.at >= first.receipt.at
    assert second.receipt.features is not None
    assert first.receipt.features is not None
    assert any("clock" in problem for problem in back.problems())
    assert back.replayer.replay(second.receipt.decision_id, from_log=True).verdict is Verdict.SAME


def test_a_request_id_is_answered_once(app: App, opened: Callable[[], App]) -> None:
    """The same question under the same id gets the same bytes, also after a restart; another question is refused."""
    first = ask(app, "churn", request_id="r-1")
    assert ask(app, "churn", request_id="r-1").decision_id == first.decision_id
    app.close()
    again = opened()
    repeated = ask(again, "churn", request_id="r-1")
    assert repeated.body == first.body
    with pytest.raises(Conflict):
        ask(again, "churn", request_id="r-1", subject="c-4")
    with again.store.snapshot() as snapshot:
        assert snapshot.one("SELECT count(*) FROM receipts") == (1,)


def test_a_batch_is_the_same_road(app: App) -> None:
    """Every row of a batch has its receipt before its answer, and each of them replays."""
    requests = [Request(None, {}, subject=f"c-{n}", place=Place("US")) for n in range(20)]
    answers = list(app.road.batch(app.use_case("churn"), requests, KEY))
    assert len({answer.decision_id for answer in answers}) == 20
    with app.store.snapshot() as snapshot:
        for answer in answers:
            assert answer.decision_id is not None
            assert receipts.find(snapshot, answer.decision_id).receipt == answer.receipt
    for answer in answers[:5]:
        assert app.replayer.replay(str(answer.decision_id), from_log=True).verdict is Verdict.SAME


def test_a_list_is_given_while_no_snapshot_can_be_kept(app: App, folder: Path) -> None:
    """Item snapshots have nowhere to go: the list falls back and says so, and is personal again once they have."""
    place = folder / "snapshots"
    shutil.rmtree(place, ignore_errors=True)
    place.write_bytes(b"in the way")
    assert check(ask(app, "recommendations"))["degraded"] == "store_unavailable"
    place.unlink()
    told = check(ask(app, "recommendations"))
    assert (told["degraded"], len(told["items"])) == (None, 5)


def test_an_item_snapshot_cut_short_is_written_again(opened: Callable[[], App], folder: Path) -> None:
    """A file that lost its bytes in a power cut does not stand in the way of the decisions that name it."""
    app = opened()
    told = check(ask(app, "recommendations"))
    app.close()
    files = list((folder / "snapshots").iterdir())
    assert files
    for file in files:
        file.write_bytes(b"")
    app = opened()
    check(ask(app, "recommendations"))
    app.close()
    assert opened().replayer.replay(told["decision_id"]).verdict is Verdict.SAME


def test_the_same_log_and_seed_give_the_same_model(app: App) -> None:
    """Training again releases an artifact of the same name, so of the same bytes."""
    before = released(app, "recommendations")
    train(app.use_case("recommendations"), app.learners["recommendations"], material(app), app.releases)
    assert released(app, "recommendations") == before
