"""Row expressions: a small closed language over named numbers, with one NumPy evaluator for serving and training.

    div(orders_30d, orders_90d)      a + b · a − b · a * b · −a · a < b · a <= b · a == b · a != b · a >= b · a > b
    div(a, b)                        null when b is 0
    log1p(x)                         null when x <= −1
    clip(x, low, high)               low and high are constants
    bucket(x, 10, 100, 1000)         how many of the ascending edges are <= x
    onehot(x, 3)                     1 when x is 3, else 0; also 0 for null
    if_(test, a, b)                  a where test is not 0, else b
    isnull(x)                        1 where x is null, else 0

Every value is a float64 number or null (NaN). Null spreads: arithmetic and comparisons with null are null, and so is
`if_` with a null test; only `isnull` and `onehot` answer for null. A result that is not finite is null.
Comparisons give 1 or 0. The text is parsed as data and never executed.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tillwise.errors import InvalidDeclaration

Floats = NDArray[np.float64]
MAX_LENGTH: Final = 1000


@dataclass(frozen=True, slots=True)
class Constant:
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class Column:
    """A named number of the row."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operation of the language on further expressions; `constants` are its fixed numbers."""

    operation: str
    arguments: tuple[Expression, ...]
    constants: tuple[float, ...] = ()


Expression = Constant | Column | Call


def _null_where(unknown: NDArray[np.bool_], values: Floats) -> Floats:
    return np.where(unknown, np.nan, values)


def _compare(compare: Callable[[Floats, Floats], NDArray[np.bool_]]) -> Callable[[Floats, Floats], Floats]:
    def apply(a: Floats, b: Floats) -> Floats:
        return _null_where(np.isnan(a) | np.isnan(b), compare(a, b).astype(np.float64))

    return apply


def _div(a: Floats, b: Floats) -> Floats:
    return np.where(b == 0, np.nan, a / np.where(b == 0, 1.0, b))


def _log1p(x: Floats) -> Floats:
    # Value by value: vectorised logarithms may round differently with the length of the array; a row is served alone.
    return np.fromiter((math.log1p(v) if v > -1 else math.nan for v in x.tolist()), np.float64, len(x))


def _if(test: Floats, a: Floats, b: Floats) -> Floats:
    return _null_where(np.isnan(test), np.where(test != 0, a, b))


def _clip(x: Floats, low: float, high: float) -> Floats:
    # Spelled out: which zero np.clip returns for −0 at an edge of 0 is up to the processor.
    return np.where(x < low, low, np.where(x > high, high, x))


def _bucket(x: Floats, *edges: float) -> Floats:
    return _null_where(np.isnan(x), np.searchsorted(np.asarray(edges), x, side="right").astype(np.float64))


_OPERATIONS: Final[dict[str, tuple[Callable[..., Floats], int]]] = {
    "+": (np.add, 2), "-": (np.subtract, 2), "*": (np.multiply, 2), "negative": (np.negative, 1),
    "<": (_compare(np.less), 2), "<=": (_compare(np.less_equal), 2), ">": (_compare(np.greater), 2),
    ">=": (_compare(np.greater_equal), 2), "==": (_compare(np.equal), 2), "!=": (_compare(np.not_equal), 2),
    "div": (_div, 2), "log1p": (_log1p, 1), "if_": (_if, 3),
    "isnull": (lambda x: np.isnan(x).astype(np.float64), 1),
    "clip": (_clip, 1),
    "bucket": (_bucket, 1),
    "onehot": (lambda x, value: (x == value).astype(np.float64), 1),
}  # fmt: skip
"""Each operation and how many expressions it takes; further arguments are constants."""
_CONSTANTS: Final = {"clip": (2, 2), "bucket": (1, 64), "onehot": (1, 1)}
_FUNCTIONS: Final = tuple(name for name in _OPERATIONS if name.isidentifier() and name != "negative")
_BINARY: Final[dict[type[ast.operator], str]] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_COMPARE: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


def parse(text: str, columns: Iterable[str]) -> Expression:
    """Return the typed tree of an expression over `columns`; raise InvalidDeclaration saying what to write instead."""
    if len(text) > MAX_LENGTH:
        raise InvalidDeclaration(f"the expression '{text[:40]}…' is longer than {MAX_LENGTH} characters: split it")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InvalidDeclaration(f"'{text}' is no expression, such as div(orders_30d, orders_90d)") from None
    return _Parser(text, tuple(columns)).node(tree.body)


class _Parser:
    """Turns Python's syntax tree into ours, refusing everything outside the language."""

    def __init__(self, text: str, columns: tuple[str, ...]) -> None:
        self._text = text
        self._columns = columns

    def node(self, node: ast.expr) -> Expression:
        number = _number(node)
        if number is not None:
            return Constant(number)
        if isinstance(node, ast.Name):
            return self._column(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return Call("negative", (self.node(node.operand),))
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return Call(_BINARY[type(node.op)], (self.node(node.left), self.node(node.right)))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            raise self._refused("a / b is not in the language: write div(a, b), which is null when b is 0")
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARE:
            return Call(_COMPARE[type(node.ops[0])], (self.node(node.left), self.node(node.comparators[0])))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id, node.args)
        raise self._refused(f"'{ast.unparse(node)}' is not in the language")

    def _column(self, name: str) -> Column:
        if name not in self._columns:
            raise self._refused(f"there is no column '{name}'{_meant(name, self._columns)}")
        return Column(name)

    def _call(self, name: str, arguments: list[ast.expr]) -> Call:
        if name not in _FUNCTIONS:
            raise self._refused(f"there is no function '{name}'{_meant(name, _FUNCTIONS)}")
        takes = _OPERATIONS[name][1]
        least, most = _CONSTANTS.get(name, (0, 0))
        if not takes + least <= len(arguments) <= takes + most:
            raise self._refused(f"{name} takes {takes} values and {least} to {most} constants, got {len(arguments)}")
        numbers = [_number(argument) for argument in arguments[takes:]]
        constants = tuple(number for number in numbers if number is not None)
        if len(constants) != len(numbers):
            raise self._refused(f"{name} needs plain numbers after its first {takes} arguments")
        if name in ("clip", "bucket") and list(constants) != sorted(constants):
            raise self._refused(f"the numbers of {name} must ascend")
        return Call(name, tuple(self.node(argument) for argument in arguments[:takes]), constants)

    def _refused(self, why: str) -> InvalidDeclaration:
        return InvalidDeclaration(f"in the expression '{self._text}': {why}")


def _number(node: ast.expr) -> float | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _number(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        try:
            value = float(node.value)  # type: ignore[arg-type]
        except OverflowError:
            return None
        return value if math.isfinite(value) else None
    return None


def _meant(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def evaluate(expression: Expression, columns: Mapping[str, Floats], size: int) -> Floats:
    """Compute an expression over arrays of `size` float64 values, NaN for null; the same value by value or in bulk."""
    with np.errstate(all="ignore"):
        values = _evaluate(expression, columns, size)
        return np.where(np.isfinite(values), values, np.nan)


def _evaluate(expression: Expression, columns: Mapping[str, Floats], size: int) -> Floats:
    if isinstance(expression, Constant):
        return np.full(size, expression.value)
    if isinstance(expression, Column):
        return columns[expression.name]
    apply = _OPERATIONS[expression.operation][0]
    return apply(*(_evaluate(argument, columns, size) for argument in expression.arguments), *expression.constants)
