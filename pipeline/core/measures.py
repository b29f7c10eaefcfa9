"""Measures: what a quantity of a term comes to, and how sure a survey can be of its score.

What is not known is None, never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from pipeline.core.cardinality import estimate
from pipeline.core.formula import TermPart
from pipeline.core.plan import MICROS
from pipeline.core.quantile import quantile
from pipeline.core.summaries import Figures, Histogram, Range, Ranks

Number = int | float

_WHOLE_MAX: Final = (1 << 63) - 1

Z: Final = 1.96  # 95 % of a normal distribution lie within so many standard deviations


@dataclass(frozen=True, slots=True)
class Measure:
    """A value and how many events, entities or members it rests on; of a ratio also its sides."""

    value: Number | None
    samples: int
    numerator: Number | None = None
    denominator: Number | None = None


def measure(part: TermPart, at: float | None, figures: Figures) -> Measure:
    """What a quantity comes to; `at` is the q of a quantile, or the share of a top share."""
    count, micros, summary = figures
    match summary:
        case Range(smallest=smallest, largest=largest):
            return Measure((smallest if part is TermPart.MIN else largest) / MICROS, count)
        case Ranks():
            found = estimate(summary.ranks) if summary.ids is None else len(summary.ids)
            return Measure(found, found)
        case Histogram() if part is TermPart.QUANTILE:
            return Measure(quantile(summary, at or 0.0), count)
        case Histogram():
            return ratio(of_the_top(summary, at or 0.0), count)
    return _plain(part, count, micros)


def _plain(part: TermPart, count: int, micros: int) -> Measure:
    """A quantity that a count and a sum say all of."""
    match part:
        case TermPart.COUNT | TermPart.APPROX_DISTINCT:
            return Measure(count, count)
        case TermPart.SUM:
            return Measure(micros / MICROS, count)
        case TermPart.MEAN:
            return ratio(micros / MICROS, count)
        case TermPart.TOP_SHARE:
            return ratio(0, 0)
    return Measure(None, count)  # an extreme or a quantile of nothing


def ratio(numerator: Number, denominator: int) -> Measure:
    """A share or mean of so many; none of nothing."""
    value = divide(numerator, denominator)
    return Measure(value, denominator, numerator, denominator)


def of_the_top(entities: Histogram, share: float) -> int:
    """How many events the entities with most of them have; ceil(share x entities) are asked.

    `entities` says how many have how many events.

    >>> of_the_top(Histogram.of(np.array([5, 1, 1, 2])), 0.5)
    7
    """
    left = math.ceil(Fraction(repr(share)) * int(entities.counts.sum()))
    chosen = entities.counts[::-1]
    before = np.cumsum(chosen) - chosen
    taken = np.clip(left - before, 0, chosen)
    return int(np.dot(taken, entities.numbers[::-1]))


def wilson(favourable: int, scores: int) -> tuple[float, float]:
    """Between which shares the true one lies, at 95 %; after E. Wilson, 1927.

    >>> tuple(round(bound, 4) for bound in wilson(8, 10))
    (0.4902, 0.9433)
    """
    share, spread = favourable / scores, Z * Z / scores
    middle = share + spread / 2
    half = Z * math.sqrt(share * (1 - share) / scores + spread / (4 * scores))
    return max((middle - half) / (1 + spread), 0.0), min((middle + half) / (1 + spread), 1.0)


def score(promoters: int, detractors: int, scores: int) -> tuple[float, float, float]:
    """The net promoter score, -100 to 100, and between which bounds the true one lies, at 95 %.

    >>> [round(number, 2) for number in score(6, 2, 10)]
    [40.0, -9.58, 89.58]
    """
    more, less = promoters / scores, detractors / scores
    value = 100 * (promoters - detractors) / scores
    half = Z * 100 * math.sqrt((more + less - (more - less) ** 2) / scores)
    return value, value - half, value + half


def divide(numerator: Number, denominator: Number) -> Number | None:
    """A quotient; none by 0, or beyond a double."""
    return finite(numerator / denominator) if denominator else None


def finite(value: Number) -> Number | None:
    """What is beyond a double is not known, rather than infinite.

    Whole numbers beyond 64 bits, such as products of counts, are doubles: nobody could take them.

    >>> finite(10**18), finite(10**20), finite(10**400)
    (1000000000000000000, 1e+20, None)
    """
    if isinstance(value, int) and abs(value) <= _WHOLE_MAX:
        return value
    try:
        double = float(value)
    except OverflowError:
        return None
    return double if math.isfinite(double) else None
