"""Formulas: what a metric's value is made of. Its leaves are quantities of terms, metrics, numbers.

Terms and metrics are named by their place in the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class TermPart(StrEnum):
    """Which quantity of a term."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"


@dataclass(frozen=True, slots=True)
class OfTerm:
    """A term's quantity, as a leaf of a metric's value."""

    term: int
    part: TermPart


@dataclass(frozen=True, slots=True)
class OfMetric:
    """Another metric's value."""

    metric: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A number as written."""

    value: float


@dataclass(frozen=True, slots=True)
class Calculation:
    """`left operator right`, with `operator` one of `+ - * /`; unary minus is `0 - x`."""

    operator: str
    left: Formula
    right: Formula


Formula = OfTerm | OfMetric | Constant | Calculation


def operands(formula: Formula) -> tuple[Formula, ...]:
    """What a formula is made of in turn; nothing for a leaf."""
    if isinstance(formula, Calculation):
        return formula.left, formula.right
    return ()


def leaves(formula: Formula) -> Iterator[OfTerm | OfMetric | Constant]:
    """The quantities and numbers that a formula is made of, from left to right."""
    if isinstance(formula, OfTerm | OfMetric | Constant):
        yield formula
    for operand in operands(formula):
        yield from leaves(operand)
