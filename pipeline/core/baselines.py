"""Baselines: what a guardrail is held against, and which earlier readings that is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.core.grid import LookBack, grid_step_ms, one_period_before
from pipeline.core.windows import DAY_MS

_WEEK_MS: Final = 7 * DAY_MS


@dataclass(frozen=True, slots=True)
class Fixed:
    """A baseline that never moves."""

    value: float


@dataclass(frozen=True, slots=True)
class Previous:
    """The metric's own published value one period ago."""

    period_ms: int


@dataclass(frozen=True, slots=True)
class SameWeekday:
    """The median of the metric's own values a week ago, two weeks ago, and so on."""

    weeks: int


@dataclass(frozen=True, slots=True)
class TrailingMedian:
    """The median of the metric's own values at the last midnights, UTC."""

    days: int


Past = Previous | SameWeekday | TrailingMedian
Baseline = Fixed | Past


def look_back_of(baseline: Past) -> LookBack:
    """At which ticks readings are kept for it, and for how long."""
    match baseline:
        case Previous(period_ms=period_ms):
            return LookBack(grid_step_ms(period_ms), period_ms)
        case SameWeekday(weeks=weeks):
            return LookBack(grid_step_ms(_WEEK_MS), weeks * _WEEK_MS)
    return LookBack(DAY_MS, baseline.days * DAY_MS)


def looked_at(baseline: Past, tick_ms: int) -> tuple[int, ...]:
    """The ticks whose readings make the baseline at a tick, newest first.

    >>> [at // DAY_MS for at in looked_at(TrailingMedian(3), 10 * DAY_MS)]
    [9, 8, 7]
    """
    match baseline:
        case Previous(period_ms=period_ms):
            return (one_period_before(period_ms, tick_ms),)
        case SameWeekday(weeks=weeks):
            latest = one_period_before(_WEEK_MS, tick_ms)
            return tuple(latest - week * _WEEK_MS for week in range(weeks))
    midnight = (tick_ms - 1) // DAY_MS * DAY_MS
    return tuple(midnight - day * DAY_MS for day in range(baseline.days))
