"""Item snapshots: what holds of every item at a full hour of the log clock, immutable and named by its bytes.

Ranking reads popularity, price and stock from here and from nowhere else: serving the newest boundary, training the
snapshot a receipt names, or, for a moment in history, the same boundary computed with the same rules. Counts come from
the subject-free stream; a count below SMALL_COUNT is 0, so that no single person's purchase can be read from it.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import ArtifactDamaged
from tillwise.events.catalog import texts_of
from tillwise.events.types import event_code, line_code
from tillwise.features.feature import DAY, HOUR
from tillwise.vocabulary.canonical import digest
from tillwise.vocabulary.codes import code_of
from tillwise.vocabulary.purpose import Purpose
from tillwise.vocabulary.store import Row, Snapshot

SMALL_COUNT: Final = 3
"""Counts below this are shown as 0."""
WINDOWS: Final = (1, 7, 30)
"""Days over which purchases and views are counted, each window [boundary − days, boundary)."""
UNKNOWN: Final = -1
"""Stands for an unknown price, cost, stock or date."""
NOTHING: Final = 0
"""Stands for an unknown category or brand."""
_NUMBERS: Final = ("codes", "bought", "viewed", "price", "cost", "stock", "active", "category", "brand", "created")
_TEXTS: Final = ("item_ids", "titles", "categories", "brands")

Ints = NDArray[np.int64]


def boundary(at: int) -> int:
    """Return the newest full hour at or before `at` (log clock, Unix ms)."""
    return at - at % HOUR


@dataclass(frozen=True, eq=False)
class ItemSnapshot:
    """n items in order of their codes, as they were at `boundary`.

    `bought` and `viewed` are n × len(WINDOWS) counts. Prices and costs are minor units. `stock` counts units (1 when
    only "in stock" is known, UNKNOWN when nothing is). `category` and `brand` are codes, NOTHING when there is none.
    """

    boundary: int
    epoch: int
    codes: Ints
    bought: Ints
    viewed: Ints
    price: Ints
    cost: Ints
    stock: Ints
    active: Ints
    category: Ints
    brand: Ints
    created: Ints
    item_ids: tuple[str, ...]
    titles: tuple[str, ...]
    categories: tuple[str, ...]
    brands: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def places(self) -> dict[int, int]:
        """Return code → index."""
        return {code: index for index, code in enumerate(self.codes.tolist())}

    @cached_property
    def category_places(self) -> Ints:
        """Return each item's category as a small number; 0 stands for no category."""
        return _small_numbers(self.category)

    @cached_property
    def brand_places(self) -> Ints:
        """Return each item's brand as a small number; 0 stands for no brand."""
        return _small_numbers(self.brand)

    @cached_property
    def data(self) -> bytes:
        """Return the bytes of the `.npz` file: numbers and UTF-8 text, no objects; equal snapshots, equal bytes."""
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in _NUMBERS}
        arrays["position"] = np.array([self.boundary, self.epoch], dtype=np.int64)
        for name in _TEXTS:
            encoded = [text.encode() for text in getattr(self, name)]
            arrays[name] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
            arrays[f"{name}_sizes"] = np.array([len(text) for text in encoded], dtype=np.int64)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    @cached_property
    def name(self) -> str:
        """Return the snapshot's content name, `sha256:…`; it stands in the receipt."""
        return digest(self.data)

    def take(self, index: Ints) -> ItemSnapshot:
        """Return some of the items, in ascending order of `index`."""
        numbers: dict[str, Any] = {name: getattr(self, name)[index] for name in _NUMBERS}
        texts: dict[str, Any] = {name: tuple(getattr(self, name)[n] for n in index.tolist()) for name in _TEXTS}
        return ItemSnapshot(boundary=self.boundary, epoch=self.epoch, **numbers, **texts)

    def popular(self, window: int, *, viewed: bool = False) -> NDArray[np.float32]:
        """Return log(1 + count) per item over one of WINDOWS (days)."""
        popular: NDArray[np.float32] = (self._viewed_often if viewed else self._bought_often)[WINDOWS.index(window)]
        return popular

    @cached_property
    def _bought_often(self) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.log1p(self.bought.T), dtype=np.float32)

    @cached_property
    def _viewed_often(self) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.log1p(self.viewed.T), dtype=np.float32)


def _small_numbers(codes: Ints) -> Ints:
    _, places = np.unique(np.concatenate([[NOTHING], codes]), return_inverse=True)
    nothing, size = int(places[0]), int(places.max()) + 1
    numbers: Ints = (places[1:] - nothing) % size
    return numbers


def read_item_snapshot(data: bytes) -> ItemSnapshot:
    """Return the snapshot in these bytes; raise ArtifactDamaged when they hold none."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            numbers = {name: arrays[name] for name in _NUMBERS}
            texts = {name: _texts(arrays[name].tobytes(), arrays[f"{name}_sizes"]) for name in _TEXTS}
            position = arrays["position"].tolist()
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise ArtifactDamaged(f"an item snapshot cannot be read: {error}") from error
    values: dict[str, Any] = {**numbers, **texts}
    return ItemSnapshot(boundary=position[0], epoch=position[1], **values)


def _texts(blob: bytes, sizes: Ints) -> tuple[str, ...]:
    ends = np.cumsum(sizes).tolist()
    return tuple(blob[end - size : end].decode() for end, size in zip(ends, sizes.tolist(), strict=True))


_BUYING: Final = line_code("Order Completed")
_COUNTS_SQL: Final = """SELECT item, type, {sums} FROM by_shop
 WHERE at >= ? AND at < ? AND type IN (?, ?, ?) AND epoch <= ? AND simulated = ? AND (purposes & ?) = ?
 AND item IS NOT NULL GROUP BY item, type"""
_CHANGES_SQL: Final = """SELECT item, type, amount, quantity FROM by_shop
 WHERE at < ? AND type IN (?, ?) AND epoch <= ? AND simulated = ? AND item IS NOT NULL ORDER BY at, seq, line"""
_ITEMS_SQL: Final = (
    "SELECT code, item_id, title, category, brand, price, cost, in_stock, active, created FROM items ORDER BY code"
)


def build(snapshot: Snapshot, at: int, epoch: int, *, simulated: bool = False, past: bool = False) -> ItemSnapshot:
    """Compute the item snapshot of the boundary at or before `at`, seeing rows of epochs up to `epoch`.

    A row counts when it lies strictly before the boundary, so that two builds with the same log agree however far the
    log has gone on. Prices and stock are the catalogue's as it is now; with `past` they are overruled by the newest
    change before the boundary, for a moment in history. What was sold without being in the catalogue is there by its id
    alone: orders come with a server's key, so it exists.
    """
    edge = boundary(at)
    counted = _counted(snapshot, edge, epoch, simulated=simulated)
    rows = _with_sold(snapshot, snapshot.all(_ITEMS_SQL), counted)
    codes = np.array([row[0] for row in rows], dtype=np.int64)
    places = {code: index for index, code in enumerate(codes.tolist())}
    bought, viewed = _counts(counted, places)
    prices = _column(rows, 5, UNKNOWN)
    stock = _column(rows, 7, UNKNOWN)
    if past:
        _apply_changes(snapshot, edge, epoch, places, prices, stock, simulated=simulated)
    return ItemSnapshot(
        boundary=edge, epoch=epoch, codes=codes, bought=bought, viewed=viewed, price=prices,
        cost=_column(rows, 6, UNKNOWN), stock=stock, active=_column(rows, 8, 1),
        category=_codes(rows, 3), brand=_codes(rows, 4), created=_column(rows, 9, UNKNOWN),
        item_ids=tuple(row[1] for row in rows), titles=tuple(row[2] or "" for row in rows),
        categories=tuple(row[3] or "" for row in rows), brands=tuple(row[4] or "" for row in rows),
    )  # fmt: skip


def _column(rows: list[Any], index: int, missing: int) -> Ints:
    return np.array([missing if row[index] is None else row[index] for row in rows], dtype=np.int64)


def _codes(rows: list[Any], index: int) -> Ints:
    known = {text: code_of(text) for text in {row[index] for row in rows} if text}
    return np.array([known.get(row[index], NOTHING) for row in rows], dtype=np.int64)


def _counted(snapshot: Snapshot, edge: int, epoch: int, *, simulated: bool) -> list[Row]:
    """Return (item, type, count per window)."""
    sums = ", ".join("SUM(CASE WHEN at >= ? THEN 1 ELSE 0 END)" for _ in WINDOWS)
    starts = [edge - days * DAY for days in WINDOWS]
    types = (_BUYING, event_code("Product Viewed"), event_code("Product Added"))
    mask = Purpose.OPERATIONS.bit
    params = (*starts, min(starts), edge, *types, epoch, int(simulated), mask, mask)
    return snapshot.all(_COUNTS_SQL.format(sums=sums), params)


def _with_sold(snapshot: Snapshot, rows: list[Row], counted: list[Row]) -> list[Row]:
    known = {row[0] for row in rows}
    sold = {item for item, kind, *_ in counted if kind == _BUYING} - known
    bare = (None,) * 6
    found = [(code, item_id, *bare, 1, None) for code, item_id in texts_of(snapshot, sold).items()]
    return sorted([*rows, *found], key=lambda row: row[0]) if found else rows


def _counts(counted: list[Row], places: dict[int, int]) -> tuple[Ints, Ints]:
    bought = np.zeros((len(places), len(WINDOWS)), dtype=np.int64)
    viewed = np.zeros_like(bought)
    for item, kind, *counts in counted:
        if item in places:
            target = bought if kind == _BUYING else viewed
            target[places[item]] += counts
    for counts_of in (bought, viewed):
        counts_of[counts_of < SMALL_COUNT] = 0
    return bought, viewed


def _apply_changes(
    snapshot: Snapshot, edge: int, epoch: int, places: dict[int, int], prices: Ints, stock: Ints, *, simulated: bool
) -> None:
    price_changed, stock_changed = event_code("Price Changed"), event_code("Inventory Changed")
    params = (edge, price_changed, stock_changed, epoch, int(simulated))
    for item, kind, amount, quantity in snapshot.all(_CHANGES_SQL, params):
        if item not in places:
            continue
        if kind == price_changed and amount is not None:
            prices[places[item]] = amount
        elif kind == stock_changed and quantity is not None:
            stock[places[item]] = max(quantity, 0)
