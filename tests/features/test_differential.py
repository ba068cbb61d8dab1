"""One declaration, one value: SQLite while serving, DuckDB while training, PostgreSQL, and plain Python all agree."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from oracle import READABLE, Spot, expected, fill, permit_at, points_of, random_features, random_rows, random_spots

from tillwise.engines.duckdb import Segments
from tillwise.features.feature import FeatureSet
from tillwise.features.online import OnlineFeatures
from tillwise.features.tiles import TileWriter
from tillwise.stores.sqlite import SqliteStore

SEEDS = range(12)


def served(store: SqliteStore, features: FeatureSet, spots: Sequence[Spot], *, tiled: bool) -> list[list[float | None]]:
    """Read a set at every spot as a decision would."""
    online = OnlineFeatures(features, tiled=tiled)
    with store.snapshot() as snapshot:
        return [
            list(
                online.read(
                    snapshot, permit_at(spot.point, spot.keys["subject"]), spot.keys, {},
                    exclude_order=spot.order_ref, simulated=bool(spot.simulated),
                )
            )
            for spot in spots
        ]  # fmt: skip


def trained(store: SqliteStore, folder: Path, features: FeatureSet, spots: Sequence[Spot]) -> list[list[float | None]]:
    """Read a set at every spot as training would."""
    segments = Segments(folder)
    segments.export(store)
    table = segments.training_table(features, points_of(spots), permit_at(spots[0].point))
    assert table.values.dtype == np.float32
    return [[None if value != value else value for value in row] for row in table.values.tolist()]


@pytest.mark.parametrize("seed", SEEDS)
def test_served_equals_trained_equals_oracle(seed: int, tmp_path: Path) -> None:
    """Served features equal training features, bit for bit on the same log: 12 × 12 × 25 values a path."""
    draw = random.Random(seed)
    features, rows = random_features(draw, 12), random_rows(draw, 160)
    spots = random_spots(draw, rows, 25)
    store = SqliteStore(tmp_path / "log.db")
    fill(store, rows, TileWriter([features]))
    want = expected(features, rows, spots, READABLE)
    assert served(store, features, spots, tiled=False) == want
    assert served(store, features, spots, tiled=True) == want
    assert trained(store, tmp_path / "segments", features, spots) == want
    store.close()
