"""The row language says what it says: one evaluator, null spreads, nothing outside the language is accepted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillwise.errors import InvalidDeclaration
from tillwise.features.expression import evaluate, parse

NAN = math.nan
COLUMNS = ("orders_30d", "orders_90d", "amount")


def value(text: str, **columns: float) -> float:
    """Evaluate an expression over one row."""
    return float(evaluate(parse(text, columns), {k: np.array([v]) for k, v in columns.items()}, 1)[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7), ("-(a - 5)", 3), ("a * b", NAN), ("div(a, 4)", 0.5), ("div(a, 0)", NAN), ("div(0, 0)", NAN),
        ("log1p(0)", 0), ("log1p(-1)", NAN), ("log1p(-2)", NAN), ("log1p(a)", math.log1p(2)),
        ("clip(a, -1, 1)", 1), ("clip(b, 0, 1)", NAN), ("bucket(a, 1, 2, 3)", 2), ("bucket(-9, 1, 2)", 0),
        ("bucket(b, 1)", NAN), ("onehot(a, 2)", 1), ("onehot(a, 3)", 0), ("onehot(b, 3)", 0),
        ("a < 3", 1), ("a <= 1", 0), ("a == 2", 1), ("a != 2", 0), ("a >= 2", 1), ("a > 2", 0), ("b > 2", NAN),
        ("b == b", NAN), ("if_(a > 1, 10, 20)", 10), ("if_(a > 3, 10, 20)", 20), ("if_(b > 1, 10, 20)", NAN),
        ("if_(isnull(b), 0, b)", 0), ("isnull(a)", 0), ("isnull(b)", 1), ("1e308 * 10", NAN), ("a + b", NAN),
    ],
)  # fmt: skip
def test_values(text: str, expected: float) -> None:
    """Each operation has one stated value for numbers and for null; what is not finite is null."""
    found = value(text, a=2.0, b=NAN)
    assert found == expected or (math.isnan(found) and math.isnan(expected))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("orders_30", "did you mean 'orders_30d'"),
        ("orders_30d / orders_90d", "write div(a, b)"),
        ("lgo1p(amount)", "did you mean 'log1p'"),
        ("__import__('os')", "no function"),
        ("amount.real", "not in the language"),
        ("amount[0]", "not in the language"),
        ("lambda: 1", "not in the language"),
        ("'text'", "not in the language"),
        ("True", "not in the language"),
        ("amount ** 2", "not in the language"),
        ("1 < amount < 3", "not in the language"),
        ("clip(amount, orders_30d, 3)", "plain numbers"),
        ("clip(amount, 3, 1)", "ascend"),
        ("div(amount)", "takes 2 values"),
        ("log1p(x=1)", "not in the language"),
        ("amount +", "no expression"),
        ("amount; amount", "no expression"),
        ("1e999", "not in the language"),
        ("(" * 300 + "1" + ")" * 300, "no expression"),
        ("1" + "+1" * 600, "longer than"),
    ],
)
def test_refusals(text: str, says: str) -> None:
    """What is outside the language is refused when it is declared, with what to write instead."""
    with pytest.raises(InvalidDeclaration, match=says.replace("(", r"\(").replace(")", r"\)")):
        parse(text, COLUMNS)


FLOATS = st.floats(width=64, allow_nan=True, allow_infinity=False)
TEXTS = st.sampled_from(
    ["log1p(a)", "div(a, b)", "a * b - log1p(b)", "bucket(a, -1, 0, 5)", "if_(a > b, log1p(a), clip(b, -1, 1))",
     "onehot(a, 0) + isnull(b)", "-a"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(text=TEXTS, rows=st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=40))
def test_one_by_one_equals_in_bulk(text: str, rows: list[tuple[float, float]]) -> None:
    """A row served alone has the very bits of the same row in a training table of any length."""
    expression = parse(text, ("a", "b"))
    a, b = (np.array(column) for column in zip(*rows, strict=True))
    bulk = evaluate(expression, {"a": a, "b": b}, len(rows))
    alone = [evaluate(expression, {"a": a[i : i + 1], "b": b[i : i + 1]}, 1)[0] for i in range(len(rows))]
    assert bulk.tobytes() == np.array(alone).tobytes()
