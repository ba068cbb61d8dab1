"""A decision that is on the road while its person is erased leaves no receipt under the erased key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tillwise.app.build import App, build_app
from tillwise.cli.init import create_shop
from tillwise.decisions.decision import Place, Request
from tillwise.decisions.walk import Walker
from tillwise.errors import NotFound
from tillwise.events.ingest import read_message
from tillwise.events.people import find_pseudonym
from tillwise.privacy.recheck import still_stands
from tillwise.rights.asked import Asked
from tillwise.rights.request import Kind


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    create_shop(tmp_path / "shop")
    app = build_app(tmp_path / "shop")
    yield app
    app.close()


def arrive(app: App, user: str) -> int:
    view = {"type": "track", "event": "Product Viewed", "userId": user, "properties": {"product_id": "p"}}
    app.log.append([read_message(view, received=app.clock.now())]).result()
    with app.store.snapshot() as snapshot:
        key = find_pseudonym(snapshot, app.secrets, user)
    assert key is not None
    return int(key)


def erase(app: App, user: str) -> None:
    app.rights.erase(Asked(user, Kind.ERASURE, place="DE", identity=True))


def ask(user: str) -> Request:
    body = {"order": {"id": f"o-{user}", "amount": 900, "currency": "EUR", "items": []}}
    return Request(None, body, subject=user, place=Place("DE"), deadline_ms=20_000)


def under(app: App, key: int) -> int:
    with app.store.snapshot() as snapshot:
        row = snapshot.one("SELECT count(*) FROM receipts WHERE subject = ? OR anonymous = ?", (key, key))
        left = snapshot.one("SELECT count(*) FROM subjects WHERE pseudonym = ?", (key,))
    assert row is not None
    assert left is not None
    return int(row[0] + left[0])


def test_an_erasure_between_reading_and_recording_makes_it_decide_again(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person said nothing ever, so no consent moved: the erasure alone is noticed."""
    key = arrive(app, "u-1")
    walk, walks = Walker.walk, 0

    def slow(self: Walker, question: Any) -> Any:
        nonlocal walks
        walks += 1
        draft = walk(self, question)
        if walks == 1:
            erase(app, "u-1")
        return draft

    monkeypatch.setattr(Walker, "walk", slow)
    answer = app.road.decide(app.use_case("fraud"), ask("u-1"), "key")
    assert answer.recorded
    assert walks == 2
    assert under(app, key) == 0
    with app.store.snapshot() as snapshot:
        again = find_pseudonym(snapshot, app.secrets, "u-1")
    assert again != key, "whoever is decided about afterwards is a new person"


def test_decisions_and_erasures_at_once_leave_nothing_under_an_erased_key(app: App) -> None:
    """Two threads decide about a person without pause while they are erased, twice over."""
    ended = threading.Event()
    failures: list[Exception] = []

    def decide() -> None:
        while not ended.is_set():
            try:
                app.road.decide(app.use_case("fraud"), ask("u-2"), "key")
            except Exception as error:  # shown by the main thread
                failures.append(error)
                return

    threads = [threading.Thread(target=decide) for _ in range(2)]
    for thread in threads:
        thread.start()
    keys = []
    for _ in range(2):
        keys.append(arrive(app, "u-2"))
        erase(app, "u-2")
    ended.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [under(app, key) for key in keys] == [0] * 2
    erase(app, "u-2")
    with pytest.raises(NotFound):
        app.rights.find(Asked("u-2", Kind.ACCESS))


def test_still_standing_means_known_and_silent_since(app: App) -> None:
    """Nobody at all stands; somebody unknown does not."""
    key = arrive(app, "u-3")
    with app.store.snapshot() as snapshot:
        assert still_stands(snapshot, 0, None, None)
        assert still_stands(snapshot, 0, key, None)  # type: ignore[arg-type]
        assert not still_stands(snapshot, 0, key + 1, None)  # type: ignore[arg-type]
        assert not still_stands(snapshot, 7, key, None)  # type: ignore[arg-type]
