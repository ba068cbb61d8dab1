"""Rows older than their retention are read by nobody, although no job ever deleted them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tillwise.app.build import App, build_app
from tillwise.cli.init import create_shop
from tillwise.events.ingest import read_message
from tillwise.events.log import EventLog, read_head
from tillwise.events.people import find_pseudonym
from tillwise.features.online import OnlineFeatures
from tillwise.features.points import Points
from tillwise.jobs.learning import Material
from tillwise.privacy.gate import Gate
from tillwise.use_cases.churn.audience import customers
from tillwise.use_cases.churn.features import ORDER
from tillwise.use_cases.churn.tenure import memory_of, tenure_now
from tillwise.vocabulary.clock import LogClock, wall_now
from tillwise.vocabulary.position import Point
from tillwise.vocabulary.purpose import Purpose

DAY = 86_400_000
AGES = (200, 100, 65, 55, 10, 0)
"""Days ago at which somebody ordered; the shop keeps orders for 60 days."""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    folder = tmp_path / "shop"
    create_shop(folder)
    with (folder / "tillwise.toml").open("a", encoding="utf-8") as file:
        file.write("\n[retention.purchases]\ndays = 60\n")
    app = build_app(folder)
    now = wall_now()
    for days in AGES:
        log = EventLog(app.store, app.secrets, LogClock(wall=lambda days=days: now - days * DAY), (app.tiles,))
        order = {"type": "track", "event": ORDER, "userId": "ann",
                 "properties": {"order_id": f"o-{days}", "total": 10 + days, "currency": "EUR"}}  # fmt: skip
        log.append([read_message(order, received=now - days * DAY)]).result()
    app.segments.export(app.store)
    yield app
    app.close()


def test_serving_and_training_read_the_same_and_nothing_older(app: App) -> None:
    """Bit for bit, at the end of the log: three orders within 60 days, of six that lie there."""
    features, gate = app.use_case("churn").features, Gate(default_place="US")
    with app.store.snapshot() as snapshot:
        head = read_head(snapshot)
        person = find_pseudonym(snapshot, app.secrets, "ann")
        point = Point.after(head, head.at + 1)
        permit = gate.permit(snapshot, purpose=Purpose.MARKETING, subject=person, country="US", point=point)
        tenure = tenure_now(snapshot, permit, memory_of(features))
        served = OnlineFeatures(features).read(snapshot, permit, {"subject": person}, {"tenure": tenure})
    assert tenure is not None
    assert tenure < 60 * DAY
    points = Points.build(
        epoch=[point.epoch], at=[point.at], mark=[point.mark], keys={"subject": [person]}, request={"tenure": [tenure]}
    )
    trained = app.segments.training_table(features, points, gate.training_permit(Purpose.MARKETING, point))
    row = np.array([np.nan if value is None else value for value in served], dtype=np.float32)
    assert trained.values[0].tobytes() == row.tobytes()
    assert dict(zip(features.columns, served, strict=True))["orders_1095d"] == 3.0


def test_a_point_of_the_past_does_not_reach_behind_the_retention(app: App) -> None:
    """Training at a moment 50 days ago may read what is 60 days old now, not what was 60 days old then."""
    features, gate = app.use_case("churn").features, Gate(default_place="US")
    with app.store.snapshot() as snapshot:
        head = read_head(snapshot)
        person = find_pseudonym(snapshot, app.secrets, "ann")
    now = Point.after(head, head.at + 1)
    points = Points.build(
        epoch=[0], at=[head.at - 50 * DAY], mark=[2**62], keys={"subject": [person]}, request={"tenure": [None]}
    )
    table = app.segments.training_table(features, points, gate.training_permit(Purpose.MARKETING, now))
    assert table.column("orders_1095d").tolist() == [1.0], "the order of 55 days ago; those of 65 and 100 are too old"


def test_who_is_asked_about_and_learnt_from_follows(app: App) -> None:
    """Nobody is in a batch, and nothing in a training set, for an order that is too old."""
    material = Material(
        app.store, app.segments, app.gate, app.clock, app.folder.path, retention=app.retention
    )  # fmt: skip
    now = app.clock.now()
    assert material.since((ORDER,), Purpose.MARKETING, now) == now - 60 * DAY
    reach = app.retention.reach((ORDER,), Purpose.MARKETING)
    assert customers(app.store, app.secrets, now, reach) == ["ann"]
    assert customers(app.store, app.secrets, now + 61 * DAY, reach) == []
    assert customers(app.store, app.secrets, now + 61 * DAY) == ["ann"]
