"""Expressions: conditions and arithmetic over one event's values.

Trees, as `spec/` makes them and `evaluate.py` works them out over columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

Path = tuple[str, ...]  # keys, from the record down


class Kind(StrEnum):
    """What a value is used as."""

    NUMBER = "number"
    TEXT = "text"
    TRUTH = "truth"


@dataclass(frozen=True, slots=True)
class At:
    """The value at a path of the record."""

    path: Path
    kind: Kind


@dataclass(frozen=True, slots=True)
class Named:
    """One of the event's own `values`, by name."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text or a truth value, as written."""

    value: float | str | bool


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left operator right`, with `operator` one of `+ - * /`; division by zero is absent."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`, with `operator` one of `== != < <= > >=`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class OneOf:
    """`item in (options)`; `not in` is `Not(OneOf(…))`."""

    item: Expression
    options: tuple[float | str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`not operand`."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class AllOf:
    """`a and b and …`."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """`a or b or …`."""

    operands: tuple[Expression, ...]


Expression = At | Named | Literal | Arithmetic | Comparison | OneOf | Not | AllOf | AnyOf


@lru_cache(maxsize=1024)
def named_in(expression: Expression | None) -> frozenset[str]:
    """The names that an expression looks at."""
    match expression:
        case Named(name=name):
            return frozenset([name])
        case Arithmetic(left=left, right=right) | Comparison(left=left, right=right):
            return named_in(left) | named_in(right)
        case AllOf(operands=operands) | AnyOf(operands=operands):
            return frozenset().union(*map(named_in, operands))
        case Not(operand=inner) | OneOf(item=inner):
            return named_in(inner)
    return frozenset()
