"""Row expressions for one row: each compiled once into a function of Python floats.

A request is served alone, and arrays of one value cost a hundred times their arithmetic. Both evaluators do the same
IEEE 754 double operations in the same order, so they agree to the last bit; features/expression.py is the definition.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tillwise.features.expression import Call, Column, Constant, Expression

Row = Sequence[float]
Scalar = Callable[[Row], float]
"""What an expression is for a row of float64 values, NaN for null."""
_NAN: Final = math.nan


def compile_row(expression: Expression, places: Mapping[str, int]) -> Scalar:
    """Return the expression as a function of a row whose columns stand at `places`.

    It gives `evaluate` of the same row: a result that is not finite is NaN.
    """
    compute = _compiled(expression, places)

    def finite(row: Row) -> float:
        value = compute(row)
        return value if math.isfinite(value) else _NAN

    return finite


def quotient(a: float, b: float) -> float:
    """Return a / b as IEEE 754 has it: by 0 it is infinite or NaN, where Python raises."""
    if b:
        return a / b
    return _NAN if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _compiled(expression: Expression, places: Mapping[str, int]) -> Scalar:
    if isinstance(expression, Constant):
        value = expression.value
        return lambda row: value
    if isinstance(expression, Column):
        place = places[expression.name]
        return lambda row: row[place]
    return _call(expression, places)


def _call(call: Call, places: Mapping[str, int]) -> Scalar:
    arguments = [_compiled(argument, places) for argument in call.arguments]
    if call.operation == "if_":
        return _choice(*arguments)
    if len(arguments) == 2:
        a, b = arguments
        binary = _BINARY[call.operation]
        return lambda row: binary(a(row), b(row))
    return _unary(call.operation, arguments[0], call.constants)


def _unary(operation: str, x: Scalar, constants: tuple[float, ...]) -> Scalar:
    if operation == "clip":
        low, high = constants
        return lambda row: _clip(x(row), low, high)
    if operation == "bucket":
        return lambda row: _bucket(x(row), constants)
    if operation == "onehot":
        (wanted,) = constants
        return lambda row: 1.0 if x(row) == wanted else 0.0
    unary = _UNARY[operation]
    return lambda row: unary(x(row))


def _choice(test: Scalar, a: Scalar, b: Scalar) -> Scalar:
    def choose(row: Row) -> float:
        value = test(row)
        if math.isnan(value):
            return _NAN
        return a(row) if value else b(row)

    return choose


def _clip(x: float, low: float, high: float) -> float:
    return low if x < low else high if x > high else x


def _bucket(x: float, edges: tuple[float, ...]) -> float:
    return _NAN if math.isnan(x) else float(bisect_right(edges, x))


def _comparing(compare: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    def apply(a: float, b: float) -> float:
        if math.isnan(a) or math.isnan(b):
            return _NAN
        return 1.0 if compare(a, b) else 0.0

    return apply


_BINARY: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "div": lambda a, b: a / b if b else _NAN,
    "<": _comparing(operator.lt), "<=": _comparing(operator.le), ">": _comparing(operator.gt),
    ">=": _comparing(operator.ge), "==": _comparing(operator.eq), "!=": _comparing(operator.ne),
}  # fmt: skip
_UNARY: Final[Mapping[str, Callable[[float], float]]] = {
    "negative": operator.neg, "log1p": lambda x: math.log1p(x) if x > -1 else _NAN,
    "isnull": lambda x: 1.0 if math.isnan(x) else 0.0,
}  # fmt: skip
