"""Grids: at which ticks something is kept that later ticks will look back on.

A period has a step, and what is kept is kept at its multiples: few enough to keep, and the same
ones whatever ticks are made besides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pipeline.core.windows import DAY_MS, HOUR_MS, MINUTE_MS

# A hundredth of the period keeps what is looked back on to some hundred ticks.
STEPS_MS: Final = (MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS)
PARTS: Final = 100


def grid_step_ms(period_ms: int) -> int:
    """The step of a period.

    >>> grid_step_ms(7 * DAY_MS) // HOUR_MS
    1
    """
    fitting = [step for step in STEPS_MS if step * PARTS <= period_ms]
    return fitting[-1] if fitting else STEPS_MS[0]


def one_period_before(period_ms: int, tick_ms: int) -> int:
    """The greatest multiple of the period's step at or before a period ago."""
    step = grid_step_ms(period_ms)
    return (tick_ms - period_ms) // step * step


@dataclass(frozen=True, slots=True)
class LookBack:
    """Ticks to come look at multiples of a step, as far back as `reach_ms`.

    Without a reach they look at all there ever were: none may be passed over.
    """

    step_ms: int
    reach_ms: int | None

    def ticks(self, after_ms: int, until_ms: int, oldest_ms: int) -> range:
        """The multiples later than one moment, up to another, that are needed.

        `oldest_ms` is the first of the ticks that look back.
        """
        if self.reach_ms is not None:
            first = (oldest_ms - self.reach_ms) // self.step_ms * self.step_ms
            after_ms = max(after_ms, first - 1)
        return multiples(self.step_ms, after_ms, until_ms)


def multiples(step_ms: int, after_ms: int, until_ms: int) -> range:
    """Multiples of a step later than one moment, up to another."""
    return range(after_ms // step_ms * step_ms + step_ms, until_ms + 1, step_ms)


def grid(steps_ms: Iterable[int], after_ms: int, until_ms: int) -> list[int]:
    """The multiples of any of some steps, in order."""
    return sorted({at for step in steps_ms for at in multiples(step, after_ms, until_ms)})
