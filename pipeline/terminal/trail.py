"""The trail: past ticks, as many as a view needs to say where a number comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.core.measures import Number
from pipeline.core.publish import Tick
from pipeline.core.windows import DAY_MS, RESOLUTIONS_MS

HORIZON_MS: Final = 15 * DAY_MS  # two weeks to draw, and the week before a week ago
TICKS_MAX: Final = 720  # 15 days in half hours; a tick of ten metrics is some 2 KB
_TOLERANCE: Final = 20  # a past reading may be a twentieth of the period older than asked for


class Trail:
    """The first tick of every step; steps grow as the trail does, so that it stays short.

    >>> trail = Trail()
    >>> for at_ms in range(0, 10_000_000, 1_000):
    ...     trail.take(Tick(at_ms, (), ()))
    >>> trail.newest.at_ms, len(trail.ticks)
    (9999000, 334)
    """

    def __init__(self) -> None:
        self.newest: Tick | None = None
        self._steps = [*RESOLUTIONS_MS]
        self._kept: dict[int, Tick] = {}

    @property
    def ticks(self) -> Sequence[Tick]:
        """The ticks that are kept, in order."""
        return [*self._kept.values()]

    def take(self, tick: Tick) -> None:
        """Take in a tick that is not older than the newest."""
        self.newest = tick
        self._kept.setdefault(tick.at_ms // self._steps[0], tick)
        while len(self._kept) > TICKS_MAX and self._shorten(tick.at_ms - HORIZON_MS):
            pass

    def _shorten(self, oldest_ms: int) -> bool:
        """Forget what is too old, then every tick between those of a longer step."""
        kept = [tick for tick in self._kept.values() if tick.at_ms >= oldest_ms]
        if len(kept) > TICKS_MAX:
            if len(self._steps) == 1:
                return False
            del self._steps[0]
        self._kept = {}
        for tick in kept:
            self._kept.setdefault(tick.at_ms // self._steps[0], tick)
        return True

    def before(self, period_ms: int) -> Tick | None:
        """The tick a period before the newest, or one a little older."""
        if self.newest is None:
            return None
        asked_ms = self.newest.at_ms - period_ms
        older = [tick for tick in self._kept.values() if tick.at_ms <= asked_ms]
        if not older or asked_ms - older[-1].at_ms > period_ms // _TOLERANCE:
            return None
        return older[-1]

    def since(self, metric: int, period_ms: int) -> list[tuple[int, Number | None]]:
        """When and what a metric was in the last `period_ms`, or for as long as that is known.

        Readings over a window that was not wholly watched are left out, once there are others.
        """
        if self.newest is None:
            return []
        since_ms = self.newest.at_ms - period_ms
        whole = self.newest.readings[metric].coverage == 1
        ticks = [tick for tick in (*self._kept.values(), self.newest) if tick.at_ms >= since_ms]
        found = [(tick.at_ms, tick.readings[metric]) for tick in ticks]
        return [(at, reading.value) for at, reading in found if reading.coverage == 1 or not whole]


def by_column(points: Sequence[tuple[int, Number | None]], columns: int) -> list[Number | None]:
    """The last value in each of so many equal stretches of time.

    >>> by_column([(0, 5), (1, 6), (9, 7)], 3)
    [6, None, 7]
    """
    found: list[Number | None] = [None] * columns
    if points:
        first_ms, width_ms = points[0][0], points[-1][0] + 1 - points[0][0]
        for at_ms, value in points:
            found[(at_ms - first_ms) * columns // width_ms] = value
    return found
