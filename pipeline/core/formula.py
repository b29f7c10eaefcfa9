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
    MIN = "min"
    MAX = "max"
    QUANTILE = "quantile"
    APPROX_DISTINCT = "approx_distinct"
    TOP_SHARE = "top_share"


@dataclass(frozen=True, slots=True)
class OfTerm:
    """A term's quantity, as a leaf of a metric's value.

    `at` is the q of a quantile (0 to 1) or the share of a top share, else None.
    """

    term: int
    part: TermPart
    at: float | None = None


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


class SurveyKind(StrEnum):
    """How answers become a score."""

    NPS = "nps"
    CSAT = "csat"


@dataclass(frozen=True, slots=True)
class Survey:
    """What answers say, with an interval; the whole of a value. All three are counts.

    `favourable` scores are the promoters of an nps and the satisfied of a csat; `unfavourable` the
    detractors of an nps, None for a csat.
    """

    kind: SurveyKind
    scores: OfTerm
    favourable: OfTerm
    unfavourable: OfTerm | None


@dataclass(frozen=True, slots=True)
class Index:
    """The weighted mean of other metrics; the whole of a value.

    `weights` are above 0, one for each of `metrics`. Where a part has no value, it is left out if
    `skips_missing`, else the whole has none.
    """

    metrics: tuple[OfMetric, ...]
    weights: tuple[float, ...]
    skips_missing: bool


Formula = OfTerm | OfMetric | Constant | Calculation | Survey | Index


@dataclass(frozen=True, slots=True)
class Dimension:
    """What a metric is cut into segments by.

    The first `cap` texts of all terms in `names` have a segment of their own. `terms` are pairs: a
    term that the metric is made of, and the one that says the same for each text.
    """

    name: str
    cap: int
    names: tuple[int, ...]
    terms: tuple[tuple[int, int], ...]


def operands(formula: Formula) -> tuple[Formula, ...]:
    """What a formula is made of in turn; nothing for a leaf."""
    match formula:
        case Calculation(left=left, right=right):
            return left, right
        case Survey(scores=scores, favourable=favourable, unfavourable=unfavourable):
            counts = (scores, favourable, unfavourable)
            return tuple(each for each in counts if each is not None)
        case Index(metrics=metrics):
            return metrics
    return ()


def leaves(formula: Formula) -> Iterator[OfTerm | OfMetric | Constant]:
    """The quantities and numbers that a formula is made of, from left to right."""
    if isinstance(formula, OfTerm | OfMetric | Constant):
        yield formula
    for operand in operands(formula):
        yield from leaves(operand)
