"""Lags: how two series move with a result that comes later.

At lag k the value at a step is held against the result k steps on. Candidate and present metric are
correlated over the same steps, so that neither is judged by a stretch that the other has not seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.core.proxy import CLOSES_MIN, correlation

Series = Sequence[float | None]  # a value a step, None where it is not known

POINTS_MIN: Final = CLOSES_MIN  # fewer follow a line by chance, whatever they are
_Z: Final = 1.96  # 95 %


@dataclass(frozen=True, slots=True)
class Pearson:
    """A correlation, -1 to 1, and where the true one lies with 95 % if its points are independent.

    None where there are too few points, or a side is the same at all of them.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


NOTHING: Final = Pearson(None)


@dataclass(frozen=True, slots=True)
class Lag:
    """How both metrics go with the result `steps` steps later, over `points` steps."""

    steps: int
    points: int
    candidate: Pearson
    present: Pearson


def lagged(candidate: Series, present: Series, result: Series, steps: int) -> Lag:
    """Both correlations at one lag; the three series have a value at each of the same steps.

    >>> rising = [float(step * step) for step in range(12)]
    >>> late = [None, *rising[:-1]]
    >>> lag = lagged(rising, rising[::-1], late, steps=1)
    >>> lag.points, lag.candidate.value, round(lag.present.value, 2)
    (11, 1.0, -0.88)
    """
    later = result[steps:]
    rows = [
        (one, other, then)
        for one, other, then in zip(candidate, present, later, strict=False)
        if one is not None and other is not None and then is not None
    ]
    return Lag(
        steps,
        len(rows),
        pearson([(one, then) for one, _, then in rows]),
        pearson([(other, then) for _, other, then in rows]),
    )


def pearson(pairs: Sequence[tuple[float, float]]) -> Pearson:
    """Pearson's correlation with its interval by Fisher's z: tanh(artanh r ∓ 1.96 ÷ √(n - 3)).

    >>> pearson([(0, 0), (1, 2), (2, 1), (3, 3), (4, 5), (5, 4), (6, 6), (7, 7)]).high < 1
    True
    >>> pearson([(0, 0), (1, 1)])
    Pearson(value=None, low=None, high=None)
    """
    value = correlation(pairs)
    if value is None:
        return NOTHING
    if abs(value) == 1.0:  # on a line: nothing is left that an interval could be made of
        return Pearson(value, value, value)
    wide = _Z / math.sqrt(len(pairs) - 3)
    return Pearson(value, math.tanh(math.atanh(value) - wide), math.tanh(math.atanh(value) + wide))


def best(lags: Sequence[Lag], *, of_present: bool = False) -> Lag | None:
    """The lag at which a metric is furthest from 0, the shortest of equals; None without any."""
    known = [(abs(r), lag) for lag in lags if (r := _of(lag, of_present=of_present)) is not None]
    return max(known, key=lambda each: (each[0], -each[1].steps), default=(0.0, None))[1]


def _of(lag: Lag, *, of_present: bool) -> float | None:
    return (lag.present if of_present else lag.candidate).value
