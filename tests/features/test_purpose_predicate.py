"""A row that may not be read is not read: the permission stands in the SQL of both paths, and poison proves it.

Unreadable rows carry values that would change every result. The oracle never looks at them; neither may SQL.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import expected, fill, permit_at, points_of, random_features, random_rows, random_spots

import tillwise
from tillwise.engines.duckdb import Segments
from tillwise.events.facts import HOT_KEYS, PERSON_KEYS, Fact
from tillwise.features.feature import FeatureSet
from tillwise.features.offline import joined_sql, newest_sql, own_sql, running_sql
from tillwise.features.online import OnlineFeatures
from tillwise.features.plan import Plan
from tillwise.features.tiles import ADDITIVE, TileWriter
from tillwise.privacy.permit import Permit
from tillwise.stores.sqlite import SqliteStore
from tillwise.use_cases import churn, fraud
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Snapshot

POISON = 10**16
"""Larger than any other amount, small enough that a tile can hold many."""
SHARED = (Purpose.RECOMMEND, Purpose.MARKETING, Purpose.PRICE)
SOURCE = Path(tillwise.__file__).parent


class Listening:
    """A snapshot that keeps every statement it is asked."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.asked: list[str] = []

    def one(self, sql: str, values: Sequence[Any] = ()) -> Any:
        self.asked.append(sql)
        return self._snapshot.one(sql, values)

    def all(self, sql: str, values: Sequence[Any] = ()) -> Any:
        self.asked.append(sql)
        return self._snapshot.all(sql, values)


def unguarded(sql: str) -> list[str]:
    """Return the tables of rows that a statement reads without the whole predicate."""
    found = re.findall(r"(?:FROM|JOIN) (facts|tiles|stream|rows|by_[a-z]+) ([a-z])\b", sql)
    return [
        f"{table} {row}"
        for table, row in found
        if not re.search(rf"\({row}\.purposes & (\?|\d+)\) = (\?|\d+)", sql)
        or not re.search(rf"{row}\.epoch <= (\?|\d+|p\.epoch)", sql)
        or not re.search(rf"{row}\.simulated (= (\?|p\.simulated)|AS w)", sql)
    ]


def sets(draw: random.Random) -> FeatureSet:
    """Return random features for one random purpose, over the keys that purpose may read."""
    purpose = draw.choice([Purpose.FRAUD_PREVENTION, *SHARED])
    keys = (*PERSON_KEYS, *HOT_KEYS) if purpose is Purpose.FRAUD_PREVENTION else ("subject", *HOT_KEYS)
    made = random_features(draw, 8, keys)
    if purpose is not Purpose.FRAUD_PREVENTION:
        # Columns that lead to a person are for fraud prevention alone.
        made = replace(made, aggregates=tuple(
            replace(each, of="kind" if each.of == "device" else each.of) for each in made.aggregates
        ))  # fmt: skip
    purposes = frozenset({purpose, *draw.sample(SHARED, draw.randint(0, 1))} if purpose in SHARED else {purpose})
    return replace(made, aggregates=tuple(replace(each, purposes=purposes) for each in made.aggregates))


def poisoned(draw: random.Random, rows: Sequence[Fact], permit: Permit) -> list[Fact]:
    """Give every row a random permission; those that may not be read get values that would show."""
    masks = (0, permit.mask, permit.mask, permit.purpose.bit, Purpose.TRAIN.bit, 511 & ~permit.purpose.bit, 1023)
    events: dict[int, int] = {}
    made = []
    for row in rows:
        purposes = events.setdefault(row.seq, draw.choice(masks))
        readable = (purposes & permit.mask) == permit.mask
        shown = row if readable else row._replace(amount=POISON, quantity=POISON, flag=1, kind=99, brand=99)
        made.append(shown._replace(purposes=purposes))
    return made


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), training=st.booleans())
def test_only_readable_rows_count(seed: int, training: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Random features, purposes on rows, and permits: served raw and from tiles, and trained, equal the oracle."""
    draw = random.Random(seed)
    features = sets(draw)
    purpose = draw.choice(sorted(features.aggregates[0].purposes))
    rows = random_rows(draw, 60)
    rows = poisoned(draw, rows, permit_at(random_spots(draw, rows, 1)[0].point, purpose=purpose, training=training))
    spots = random_spots(draw, rows, 6)
    want = expected(features, rows, spots, purpose.bit | (Purpose.TRAIN.bit if training else 0))
    folder = tmp_path_factory.mktemp("rows")
    store = SqliteStore(folder / "log.db")
    fill(store, rows, TileWriter([features]), batch=60)
    try:
        for tiled in (False, True):
            online = OnlineFeatures(features, tiled=tiled)
            with store.snapshot() as snapshot:
                heard = Listening(snapshot)
                got = [
                    list(online.read(
                        heard, permit_at(s.point, s.keys["subject"], purpose=purpose, training=training), s.keys, {},
                        exclude_order=s.order_ref, simulated=bool(s.simulated),
                    ))
                    for s in spots
                ]  # fmt: skip
            assert got == want
            assert not [left for sql in heard.asked for left in unguarded(sql)]
        segments = Segments(folder / "segments")
        segments.export(store)
        permit = permit_at(spots[0].point, purpose=purpose, training=training)
        table = segments.training_table(features, points_of(spots), permit).values
        assert [[None if value != value else value for value in row] for row in table.tolist()] == want
    finally:
        store.close()


@pytest.mark.parametrize("features", [churn.FEATURES, fraud.FEATURES], ids=lambda each: each.name)
def test_every_statement_of_a_use_case_carries_the_predicate(features: FeatureSet, tmp_path: Path) -> None:
    """Purposes, epoch and world are asked of each table each statement reads, while serving and while training."""
    purpose = next(iter(features.aggregates[0].purposes - {Purpose.TRAIN}))
    store = SqliteStore(tmp_path / "log.db")
    rows = random_rows(random.Random(1), 40)
    fill(store, rows, TileWriter([features]))
    spot = random_spots(random.Random(2), rows, 1)[0]
    keys = {**spot.keys, **dict.fromkeys(PERSON_KEYS, 11)}
    asked: list[str] = []
    for tiled in (False, True):
        with store.snapshot() as snapshot:
            heard = Listening(snapshot)
            permit = permit_at(spot.point, 11, purpose=purpose)
            OnlineFeatures(features, tiled=tiled).read(heard, permit, keys, {}, exclude_order=901)
            asked += [sql for sql in heard.asked if "accumulators" not in sql]
    store.close()
    for read in Plan(features).reads:
        asked += [joined_sql(read, 17, "facts", "duckdb"), own_sql(read, 17, "duckdb", rows="facts")]
        additive = replace(read, slots=tuple(slot for slot in read.slots if slot.agg in ADDITIVE))
        if additive.slots:
            asked.append(running_sql(additive, 17, 3, "duckdb", rows="facts"))
        asked += [newest_sql(slot, read.key, 17, 3, rows="facts") for slot in read.slots]
    assert len(asked) > 2 * len(Plan(features).reads)
    for sql in asked:
        assert re.search(r"(FROM|JOIN) (facts|by_|tiles|stream)", sql)
        assert unguarded(sql) == [], sql


def test_the_check_finds_a_statement_without_permission() -> None:
    """The check itself is no rubber stamp."""
    whole = "SELECT 1 FROM by_subject e WHERE e.epoch <= ? AND (e.purposes & ?) = ? AND e.simulated = ?"
    assert unguarded(whole) == []
    for gone in ("e.epoch <= ? AND ", "(e.purposes & ?) = ? AND ", " AND e.simulated = ?"):
        assert unguarded(whole.replace(gone, "")) == ["by_subject e"]


def test_no_reader_of_rows_goes_without_the_mask() -> None:
    """Every statement over rows of the log in use cases, outcomes and features names the purposes of the rows.

    The catalogue's own changes (stock, prices) are about nobody; tiles are written, not read, by their writer.
    """
    allowed = {("features", "tiles.py")}
    bare = []
    for room in ("use_cases", "outcomes", "features"):
        for file in sorted((SOURCE / room).rglob("*.py")):
            for text in _texts(file):
                if re.search(r"SELECT\b", text) and re.search(r"(FROM|JOIN) (facts|by_[a-z{]|tiles|events)\b", text):
                    guarded = "purposes" in text or "readable_sql" in text or "visible_sql" in text
                    if not guarded and (room, file.name) not in allowed and "amount, quantity FROM by_shop" not in text:
                        bare.append(f"{file.name}: {text[:90]}")
    assert bare == []


def _texts(file: Path) -> list[str]:
    """Return the text literals of a file, f-strings with the source of what they insert."""
    source = file.read_text("utf-8")
    tree = ast.parse(source)
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    found = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    found += [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside
    ]
    return found
