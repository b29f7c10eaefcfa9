"""Expressions: conditions and arithmetic over one event's values.

Trees, as `spec/` makes them and `evaluate.py` works them out over columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
