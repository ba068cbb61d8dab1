"""A row served alone gets, bit for bit, what the definition over arrays gives it."""

from __future__ import annotations

import math
import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.features.expression import Call, Column, Constant, Expression, evaluate
from tillwise.features.feature import DAY, Agg, Aggregate, FeatureSet
from tillwise.features.one_row import compile_row
from tillwise.features.plan import Plan
from tillwise.vocabulary.purpose import Purpose

NAMES = ("a", "b", "c")
EDGES = [0.0, -0.0, 1.0, -1.0, 3.0, math.inf, -math.inf, math.nan, 5e-324, 1.7e308, -1.7e308, 3.5e38, 2.0**53 + 2]
VALUES = st.one_of(st.sampled_from(EDGES), st.floats(), st.integers(-5, 5).map(float))
FINITE = st.one_of(st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e308]), st.floats(allow_nan=False, allow_infinity=False))
ASCENDING = st.lists(FINITE, min_size=1, max_size=5).map(sorted).map(tuple)


def _longer(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    binary = st.sampled_from(["+", "-", "*", "<", "<=", ">", ">=", "==", "!=", "div"])
    return st.one_of(
        st.builds(lambda name, a, b: Call(name, (a, b)), binary, inner, inner),
        st.builds(lambda name, x: Call(name, (x,)), st.sampled_from(["negative", "log1p", "isnull"]), inner),
        st.builds(lambda t, a, b: Call("if_", (t, a, b)), inner, inner, inner),
        st.builds(lambda x, edges: Call("bucket", (x,), edges), inner, ASCENDING),
        st.builds(lambda x, edges: Call("clip", (x,), (edges[0], edges[-1])), inner, ASCENDING),
        st.builds(lambda x, value: Call("onehot", (x,), (value,)), inner, FINITE),
    )


EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(st.builds(Column, st.sampled_from(NAMES)), st.builds(Constant, FINITE)), _longer, max_leaves=12
)


def _bits(value: float) -> bytes:
    return b"null" if math.isnan(value) else struct.pack("d", value)


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS, st.tuples(VALUES, VALUES, VALUES))
def test_one_row_equals_arrays(expression: Expression, row: tuple[float, float, float]) -> None:
    """Every operation, nested anyhow, over any doubles: null, infinite, −0, subnormal and huge."""
    columns = {name: np.array([value]) for name, value in zip(NAMES, row, strict=True)}
    found = compile_row(expression, {name: place for place, name in enumerate(NAMES)})(row)
    assert _bits(found) == _bits(float(evaluate(expression, columns, 1)[0]))


def _aggregate(name: str, agg: Agg, of: str | None = None) -> Aggregate:
    purposes = frozenset({Purpose.FRAUD_PREVENTION})
    return Aggregate(name, "subject", ("Payment Attempted",), agg, 30 * DAY, "a number", of=of, purposes=purposes)


PLAN = Plan(
    FeatureSet(
        "mixed",
        (_aggregate("orders", Agg.COUNT), _aggregate("mean", Agg.MEAN, "amount"),
         _aggregate("since", Agg.TIME_SINCE), _aggregate("total", Agg.SUM, "amount")),
        request=("x", "y"),
        rows=(("share", "div(x, mean)"), ("more", "share * y + total"), ("old", "bucket(since, 0, 1000)")),
        output=("more", "orders", "mean", "x", "old", "since", "share"),
    )
)  # fmt: skip
SLOTS = len(PLAN.empty)
INTEGERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(INTEGERS, min_size=SLOTS, max_size=SLOTS),
    st.integers(0, 2**53),
    st.tuples(st.none() | VALUES, st.none() | VALUES),
)
def test_one_point_equals_a_table(slots: list[int | None], at: int, request: tuple[float | None, float | None]) -> None:
    """Means, ages, request values and rows become the same float32 columns alone and in a table."""
    column = np.array([math.nan if value is None else value for value in slots], dtype=np.float64)[:, None]
    given_ = np.array([math.nan if value is None else value for value in request], dtype=np.float64)[:, None]
    table = PLAN.assemble(column, np.array([at]), given_)
    expected = [_bits(value) for value in table[0].tolist()]
    found = PLAN.assemble_one(slots, at, request)
    assert [_bits(math.nan if value is None else value) for value in found] == expected
