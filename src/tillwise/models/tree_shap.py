"""Exact TreeSHAP for one decision at a time, several times faster than walking the trees.

The Shapley value of a column in a leaf depends on nothing but which of the columns on the leaf's path the row agrees
with. With at most 8 columns on a path that is at most 256 cases: all are computed when the model is loaded, and an
explanation is one look-up per leaf. Values equal LightGBM's own (Lundberg et al. 2020, path-dependent) to the last
digits. The idea of precomputing per leaf and case is that of Fast TreeSHAP v2 (Yang, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import ArtifactDamaged
from tillwise.models.model import Matrix, Vector

MOST_COLUMNS: Final = 8
"""On one path; deeper trees are explained by LightGBM itself."""
MOST_BYTES: Final = 96 * 2**20
_CATEGORICAL, _DEFAULT_LEFT, _MISSING, _MISSING_NONE, _MISSING_NAN = 1, 2, 12, 0, 8
"""Bits of LightGBM's `decision_type`."""

Integers = NDArray[np.int64]


class _TooComplex(Exception):
    """These trees cannot be tabled; not an error."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tree:
    """One tree: its splits, its leaves, and how many training rows went where."""

    feature: Integers
    threshold: Vector
    nan_left: NDArray[np.bool_]
    left: Integers
    right: Integers
    value: Vector
    leaf_rows: Vector
    rows: Vector

    def expected(self) -> float:
        return float(self.value[0] if not len(self.rows) else (self.value * self.leaf_rows).sum() / self.rows[0])


@dataclass(frozen=True, slots=True, eq=False)
class _Leaves:
    """What decides each leaf, [tree, leaf(, place on the path)]: columns, cover shares, how many, and the value.

    `broken[went_left, node, tree, leaf]` has the bits of the places that a row breaks by going there.
    """

    columns: Integers
    cover: Vector
    depth: Integers
    value: Vector
    broken: NDArray[np.uint8]


class TreeShap:
    """Tables of all cases of all leaves."""

    def __init__(self, trees: list[_Tree], width: int) -> None:
        splits = max(1, *(len(tree.feature) for tree in trees))
        leaves = _leaves_of(trees, splits)
        deepest = max(1, int(leaves.depth.max()))
        if leaves.depth.size * 2**deepest * deepest * 8 > MOST_BYTES:
            raise _TooComplex
        self._width = width
        self._expected = sum(tree.expected() for tree in trees)
        self._feature = _per_node([tree.feature for tree in trees], splits, 0).astype(np.int64)
        self._threshold = _per_node([tree.threshold for tree in trees], splits, np.inf)
        self._nan_left = _per_node([tree.nan_left for tree in trees], splits, 0) > 0
        self._nodes = splits * len(trees)
        self._node = np.arange(self._nodes)
        self._leaves = leaves.value.shape[1]
        self._words = leaves.broken.shape[-1] // 8
        self._splits = splits
        self._broken = leaves.broken.reshape(2 * self._nodes, -1).view(np.uint64)
        self._first = np.arange(leaves.depth.size) * 2**deepest
        self._table = _table(leaves, deepest).reshape(-1, deepest)
        self._column = leaves.columns[:, :, :deepest].reshape(-1).copy()

    @classmethod
    def of(cls, text: bytes, width: int) -> TreeShap | None:
        """Return the tables of trees in LightGBM's text, None when they are too complex for tables."""
        try:
            trees = [_parse(block) for block in text.decode().split("\nTree=")[1:]]
            return cls(trees, width) if trees else None
        except _TooComplex:
            return None
        except (KeyError, IndexError, ValueError) as error:
            raise ArtifactDamaged(f"the trees cannot be explained: {error}") from error

    def contributions(self, x: Matrix) -> Vector:
        """Return n × (width + 1) Shapley values in log-odds; the last column is the expected margin."""
        result = np.empty((len(x), self._width + 1))
        for place, row in enumerate(np.asarray(x, dtype=np.float64)):
            result[place, :-1] = self._one(row)
        result[:, -1] = self._expected
        return result

    def _one(self, row: Vector) -> Vector:
        values = row[self._feature]
        left = (values <= self._threshold) | (self._nan_left & np.isnan(values))
        broken = self._broken.take(self._node + left * self._nodes, axis=0).reshape(self._splits, -1)
        cases = np.bitwise_or.reduce(broken, axis=0).view(np.uint8).reshape(-1, 8 * self._words)[:, : self._leaves]
        parts = self._table.take(self._first + cases.reshape(-1), axis=0)
        return np.asarray(np.bincount(self._column, weights=parts.reshape(-1), minlength=self._width), dtype=np.float64)


def _per_node(arrays: list[NDArray[Any]], splits: int, filler: float) -> Vector:
    """Return one value per [node, tree], flat; trees with fewer nodes are filled up."""
    grid = np.full((splits, len(arrays)), filler)
    for number, array in enumerate(arrays):
        grid[: len(array), number] = array
    return grid.reshape(-1)


def _parse(block: str) -> _Tree:
    """Read one tree of LightGBM's text; raise _TooComplex for what tables cannot hold."""
    lines = block.split("\n\n", 1)[0].splitlines()[1:]
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    if found["num_cat"] != "0" or found.get("is_linear", "0") != "0":
        raise _TooComplex

    def numbers(name: str) -> Vector:
        return np.array(found.get(name, "").split(), dtype=np.float64)

    def places(name: str) -> Integers:
        return np.array(found.get(name, "").split(), dtype=np.int64)

    decision = places("decision_type")
    missing = decision & _MISSING
    if np.any(decision & _CATEGORICAL) or not np.isin(missing, (_MISSING_NONE, _MISSING_NAN)).all():
        raise _TooComplex
    threshold = numbers("threshold")
    return _Tree(
        feature=places("split_feature"),
        threshold=threshold,
        nan_left=np.where(missing == _MISSING_NAN, (decision & _DEFAULT_LEFT) > 0, threshold >= 0.0),
        left=places("left_child"),
        right=places("right_child"),
        value=numbers("leaf_value"),
        leaf_rows=numbers("leaf_count"),
        rows=numbers("internal_count"),
    )


def _leaves_of(trees: list[_Tree], splits: int) -> _Leaves:
    """Walk every tree once and note, for each leaf, its columns, their cover, and who breaks them."""
    shape = (len(trees), splits + 1)
    padded = -(-shape[1] // 8) * 8
    leaves = _Leaves(
        columns=np.zeros((*shape, MOST_COLUMNS), dtype=np.int64),
        cover=np.ones((*shape, MOST_COLUMNS)),
        depth=np.zeros(shape, dtype=np.int64),
        value=np.zeros(shape),
        broken=np.zeros((2, splits, len(trees), padded), dtype=np.uint8),
    )
    for number, tree in enumerate(trees):
        leaves.value[number, : len(tree.value)] = tree.value
        if len(tree.feature):
            _walk(tree, number, leaves)
    return leaves


def _walk(tree: _Tree, number: int, leaves: _Leaves) -> None:
    """Follow all paths of one tree; a path is (node, went left, share of rows that went so)."""
    waiting: list[tuple[int, tuple[tuple[int, int, float], ...]]] = [(0, ())]
    seen = 0
    while waiting:
        node, path = waiting.pop()
        seen += 1
        if seen > len(tree.feature):
            raise ValueError("a tree that is no tree")
        for child, went_left in ((int(tree.left[node]), 1), (int(tree.right[node]), 0)):
            rows = tree.rows[child] if child >= 0 else tree.leaf_rows[~child]
            longer = (*path, (node, went_left, float(rows / tree.rows[node])))
            if child >= 0:
                waiting.append((child, longer))
            else:
                _note(tree, number, ~child, longer, leaves)


def _note(tree: _Tree, number: int, leaf: int, path: tuple[tuple[int, int, float], ...], leaves: _Leaves) -> None:
    columns = list(dict.fromkeys(int(tree.feature[node]) for node, _, _ in path))
    if len(columns) > MOST_COLUMNS:
        raise _TooComplex
    leaves.columns[number, leaf, : len(columns)] = columns
    leaves.depth[number, leaf] = len(columns)
    for node, went_left, share in path:
        place = columns.index(int(tree.feature[node]))
        leaves.cover[number, leaf, place] *= share
        leaves.broken[1 - went_left, node, number, leaf] |= 1 << place


def _table(leaves: _Leaves, deepest: int) -> Vector:
    """Return the Shapley value of each place of each leaf in each case: (leaves, 2^deepest, deepest).

    Bit p of a case is set when the row breaks place p. With o = 1 where it does not, and z the cover share, a column's
    value is leaf · (o − z) · Σ_S |S|!(d − |S| − 1)!/d! · Π_{S} o · Π_{not S} z over subsets S of the other columns.
    """
    depth, cover, value = leaves.depth.reshape(-1), leaves.cover.reshape(-1, MOST_COLUMNS), leaves.value.reshape(-1)
    table = np.zeros((len(depth), 2**deepest, deepest))
    for d in range(1, deepest + 1):
        these, cases = np.flatnonzero(depth == d), np.arange(2**d)
        kept = 1.0 - ((cases[:, None] >> np.arange(d)) & 1)
        weights = np.array([factorial(s) * factorial(d - s - 1) / factorial(d) for s in range(d)])
        for place in range(d):
            by_size = np.zeros((len(these), len(cases), d))
            by_size[..., 0] = 1.0
            for other in (o for o in range(d) if o != place):
                grown = by_size * cover[these, other][:, None, None]
                grown[..., 1:] += by_size[..., :-1] * kept[:, other][None, :, None]
                by_size = grown
            gain = kept[:, place][None, :] - cover[these, place][:, None]
            table[these[:, None], cases[None, :], place] = (by_size @ weights) * gain * value[these][:, None]
    return table
