"""The clock: which ticks are due.

Event time is what the slowest source partition has shown. A tick is due when every slot's watermark
has reached it; a slot that is idle or at its end holds nobody back. The clock alone says which
ticks are evaluated, so that all shards evaluate the same ones.

Values do not depend on which ticks were evaluated before, so while catching up on history, when
many ticks come due at once, only the last is evaluated, and those that a baseline will look back
on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pipeline.core.decode import LONG_AGO
from pipeline.core.judge import baseline_step_ms, looks_back_to
from pipeline.core.plan import Plan, Previous

# More than this many ticks at once (a minute of the default tick) are history, not the present.
CATCH_UP_TICKS: Final = 12

HOLDS_NOBODY_BACK: Final = 1 << 62  # the watermark of a slot that is idle or has ended


class Clock:
    """Turns the watermarks of slots into ticks.

    >>> clock = Clock(slots=2, tick_ms=10, steps_ms=())
    >>> clock.advance(0, 25, 12), clock.advance(1, 21, 14), clock.advance(1, 40, 14)
    ([], [20], [])
    """

    def __init__(
        self,
        slots: int,
        tick_ms: int,
        steps_ms: Iterable[int],
        catch_up_ticks: int = CATCH_UP_TICKS,
    ) -> None:
        self._tick_ms = tick_ms
        self._steps_ms = tuple(steps_ms)
        self._catch_up_ticks = catch_up_ticks
        self._watermarks = [LONG_AGO] * slots
        self._first_ms = HOLDS_NOBODY_BACK  # before this there was nothing to see
        self._last_ms: int | None = None

    def advance(self, slot: int, watermark_ms: int, first_ms: int | None) -> list[int]:
        """Take in a slot's watermark; the ticks that are due now, in order.

        `first_ms` is when the slot showed its first event, None before that. A slot that holds
        nobody back says `HOLDS_NOBODY_BACK`, and may come back with less.
        """
        self._watermarks[slot] = watermark_ms
        if first_ms is not None:
            self._first_ms = min(self._first_ms, first_ms)
        reached = min(self._watermarks)
        if reached in (LONG_AGO, HOLDS_NOBODY_BACK):
            return []
        newest = reached // self._tick_ms * self._tick_ms
        if self._last_ms is None:
            self._last_ms = min(self._first_ms // self._tick_ms, newest // self._tick_ms - 1)
            self._last_ms *= self._tick_ms
        due = self._between(self._last_ms, newest)
        self._last_ms = max(self._last_ms, newest)
        return due

    def _between(self, after_ms: int, newest_ms: int) -> list[int]:
        """Ticks later than `after_ms`, up to `newest_ms`."""
        if newest_ms <= after_ms:
            return []
        present = newest_ms - after_ms <= self._catch_up_ticks * self._tick_ms
        steps = (*self._steps_ms, self._tick_ms) if present else self._steps_ms
        due = {
            tick
            for step in steps
            for tick in range(after_ms // step * step + step, newest_ms + 1, step)
        }
        return sorted(due | {newest_ms})

    def dump(self) -> dict[str, list[int]]:
        """Everything remembered, as plain facts."""
        return {
            "watermarks": [*self._watermarks],
            "first": [self._first_ms],
            "last": [] if self._last_ms is None else [self._last_ms],
        }

    def load(self, facts: dict[str, list[int]]) -> None:
        """Take the place of a fresh clock with what `dump` gave."""
        self._watermarks, (self._first_ms,) = [*facts["watermarks"]], facts["first"]
        self._last_ms = facts["last"][0] if facts["last"] else None


def looked_back_on(plan: Plan) -> tuple[int, ...]:
    """The steps, in milliseconds, of ticks that some baseline looks back on."""
    return tuple(sorted({baseline_step_ms(baseline.period_ms) for baseline in _previous(plan)}))


def with_baselines(plan: Plan, ticks: Iterable[int]) -> list[int]:
    """The ticks asked for and those that their baselines look back on, in order."""
    asked = set(ticks)
    return sorted(
        asked | {looks_back_to(baseline, tick) for tick in asked for baseline in _previous(plan)}
    )


def _previous(plan: Plan) -> list[Previous]:
    baselines = [metric.guard.baseline for metric in plan.metrics if metric.guard is not None]
    return [baseline for baseline in baselines if isinstance(baseline, Previous)]
