"""The clock: which ticks are due.

Event time is what the slowest source partition has shown. A tick is due when every slot's watermark
has reached it; a slot that is idle or at its end holds nobody back. The clock alone says which
ticks are evaluated, so that all shards evaluate the same ones.

Values do not depend on which ticks were evaluated before, so while catching up on history, when
many ticks come due at once, only the last is evaluated, and those that later ones will look back
on: where a baseline does, those of its period, and where growth does, all of its grid. So are
those of which somebody was told before a crash.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pipeline.core.baselines import Past, look_back_of, looked_at
from pipeline.core.closes import close_look_backs, needed_closes
from pipeline.core.decode import LONG_AGO
from pipeline.core.grid import LookBack, grid_step_ms, multiples
from pipeline.core.plan import MemoryKind, Plan
from pipeline.core.windows import Trailing

# More than this many ticks at once (a minute of the default tick) are history, not the present.
CATCH_UP_TICKS: Final = 12

HOLDS_NOBODY_BACK: Final = 1 << 62  # the watermark of a slot that is idle or has ended


class Clock:
    """Turns the watermarks of slots into ticks.

    >>> clock = Clock(slots=2, tick_ms=10, look_backs=())
    >>> clock.advance(0, 25, 12), clock.advance(1, 21, 14), clock.advance(1, 40, 14)
    ([], [20], [])
    """

    def __init__(
        self,
        slots: int,
        tick_ms: int,
        look_backs: Iterable[LookBack],
        catch_up_ticks: int = CATCH_UP_TICKS,
        told: Iterable[int] = (),
    ) -> None:
        self._told = frozenset(told)
        self._tick_ms = tick_ms
        self._look_backs = tuple(look_backs)
        self._catch_up_ticks = catch_up_ticks
        self._watermarks = [LONG_AGO] * slots
        self._newest_ms = LONG_AGO
        self._first_ms = HOLDS_NOBODY_BACK  # before this there was nothing to see
        self._last_ms: int | None = None

    def advance(self, slot: int, watermark_ms: int, first_ms: int | None) -> list[int]:
        """Take in a slot's watermark; the ticks that are due now, in order."""
        self.hear(slot, watermark_ms, first_ms)
        return self.due()

    def hear(
        self, slot: int, watermark_ms: int, first_ms: int | None, newest_ms: int = LONG_AGO
    ) -> None:
        """Take in a slot's watermark.

        `first_ms` is when the slot showed its first event, None before that. A slot that holds
        nobody back says `HOLDS_NOBODY_BACK`, and may come back with less; `newest_ms` then says
        how far its furthest partition is.
        """
        self._watermarks[slot] = watermark_ms
        self._newest_ms = max(self._newest_ms, newest_ms)
        if first_ms is not None:
            self._first_ms = min(self._first_ms, first_ms)

    def due(self) -> list[int]:
        """The ticks that have come due since this was asked last, in order."""
        reached = min(self._watermarks)
        if reached == HOLDS_NOBODY_BACK:
            # Everybody is idle: what has been read is made visible, and then time stands still.
            reached = self._newest_ms
        if reached == LONG_AGO:
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
        due = {newest_ms}
        if newest_ms - after_ms <= self._catch_up_ticks * self._tick_ms:
            due.update(multiples(self._tick_ms, after_ms, newest_ms))
        due.update(at_ms for at_ms in self._told if after_ms < at_ms < newest_ms)
        oldest_ms = min(due)
        for look_back in self._look_backs:
            due.update(look_back.ticks(after_ms, newest_ms, oldest_ms))
        return sorted(due)

    def dump(self) -> dict[str, list[int]]:
        """Everything remembered, as plain facts."""
        return {
            "watermarks": [*self._watermarks],
            "newest": [self._newest_ms],
            "first": [self._first_ms],
            "last": self.last(),
        }

    def last(self) -> list[int]:
        """The newest tick that came due, if one has."""
        return [] if self._last_ms is None else [self._last_ms]

    def load(self, facts: dict[str, list[int]]) -> None:
        """Take the place of a fresh clock with what `dump` gave."""
        self._watermarks, (self._first_ms,) = [*facts["watermarks"]], facts["first"]
        (self._newest_ms,) = facts["newest"]
        self._last_ms = facts["last"][0] if facts["last"] else None


def with_baselines(plan: Plan, ticks: Iterable[int]) -> list[int]:
    """The ticks asked for and those that their baselines, targets and proxies look back on."""
    asked = set(ticks)
    past = [looked_at(baseline, tick) for tick in asked for baseline in baselines(plan)]
    closes = [needed_closes(plan, tick) for tick in asked]
    return sorted(asked.union(*past, *closes))


def baselines(plan: Plan) -> list[Past]:
    """The baselines of a plan that look back on earlier readings."""
    found = [metric.guard.baseline for metric in plan.metrics if metric.guard is not None]
    return [baseline for baseline in found if isinstance(baseline, Past)]


def look_backs(plan: Plan) -> list[LookBack]:
    """Which ticks of the past the ticks of a plan look at."""
    of_baselines = [look_back_of(baseline) for baseline in baselines(plan)]
    of_growth = [LookBack(step_ms, None) for step_ms in growth_steps_ms(plan)]
    return [*of_baselines, *of_growth, *close_look_backs(plan)]


def growth_steps_ms(plan: Plan) -> list[int]:
    """The steps of the grids that growth is kept at; no tick of those may be passed over."""
    periods = [each.window for each in plan.memories if each.kind is MemoryKind.GROWTH]
    sizes = {each.size_ms for each in periods if isinstance(each, Trailing)}
    return sorted({grid_step_ms(size_ms) for size_ms in sizes})
