"""Expressions over columns, with SQL's idea of what is absent.

| kind | array | absent |
| --- | --- | --- |
| number | float64 | NaN |
| text | int64 codes of the batch's dictionary | -1 |
| truth | int8, 0 or 1 | -1 |

A condition comes out as uint8: 0 false, 1 unknown, 2 true. So `and` is the minimum, `or` the
maximum and `not` is 2 less the operand: Kleene's three values, without a table.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.core.expression import (
    AllOf,
    AnyOf,
    Arithmetic,
    At,
    Comparison,
    Expression,
    Kind,
    Literal,
    Named,
    Not,
    OneOf,
)

FALSE: Final = np.uint8(0)
UNKNOWN: Final = np.uint8(1)
TRUE: Final = np.uint8(2)

_ARITHMETIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Columns(Protocol):
    """Where an expression finds its leaves."""

    def column(self, leaf: At | Named) -> NDArray[Any]:
        """The array behind a leaf, of the type of its kind."""

    def code(self, text: str) -> int:
        """The code of a text in the batch's dictionary; of no row, where no row has it."""


def numbers(expression: Expression, columns: Columns) -> NDArray[np.float64]:
    """What arithmetic comes to, row by row; NaN where something is absent or divided by 0."""
    if isinstance(expression, Literal):
        return np.asarray(float(expression.value))
    if isinstance(expression, At | Named):
        return columns.column(expression)
    assert isinstance(expression, Arithmetic), f"{expression} is no arithmetic"
    left, right = numbers(expression.left, columns), numbers(expression.right, columns)
    with np.errstate(all="ignore"):
        if expression.operator == "/":
            return np.asarray(np.where(right == 0, np.nan, left / np.where(right == 0, 1, right)))
        return np.asarray(_ARITHMETIC[expression.operator](left, right))


def condition(expression: Expression, columns: Columns) -> NDArray[np.uint8]:
    """What a condition comes to, row by row: `FALSE`, `UNKNOWN` or `TRUE`."""
    if isinstance(expression, Not):
        return np.asarray(TRUE - condition(expression.operand, columns))
    if isinstance(expression, AllOf):
        return np.asarray(np.minimum.reduce(_broadcast(expression.operands, columns)))
    if isinstance(expression, AnyOf):
        return np.asarray(np.maximum.reduce(_broadcast(expression.operands, columns)))
    if isinstance(expression, OneOf):
        return _one_of(expression, columns)
    if isinstance(expression, Comparison):
        left, right = _side(expression.left, columns), _side(expression.right, columns)
        return _known(_COMPARE[expression.operator](left[0], right[0]), left[1] & right[1])
    truth, known = _side(expression, columns)
    return _known(truth == 1, known)


def _broadcast(operands: tuple[Expression, ...], columns: Columns) -> tuple[NDArray[np.uint8], ...]:
    return np.broadcast_arrays(*(condition(operand, columns) for operand in operands))


def _one_of(expression: OneOf, columns: Columns) -> NDArray[np.uint8]:
    item, known = _side(expression.item, columns)
    options = [_side(Literal(option), columns)[0] for option in expression.options]
    return _known(np.isin(item, np.array(options)), known)


def _side(expression: Expression, columns: Columns) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """One side of a comparison: its values, and where they are known."""
    if isinstance(expression, Literal):
        if isinstance(expression.value, bool):
            return np.asarray(int(expression.value)), np.asarray(True)
        if isinstance(expression.value, str):
            return np.asarray(columns.code(expression.value)), np.asarray(True)
    if isinstance(expression, At | Named) and expression.kind is not Kind.NUMBER:
        values = columns.column(expression)
        return values, values >= 0
    values = numbers(expression, columns)
    return values, ~np.isnan(values)


def _known(truth: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(known, np.where(truth, TRUE, FALSE), UNKNOWN)
