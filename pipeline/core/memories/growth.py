"""Growth: who is a member of a set now, who was one period ago, and who was at any time before.

It takes in changes of membership at the ticks of the period's grid: a row that changes at a tick
is a member from then on, or no more. A change stays until it is one period old; then it has moved
into `lagged` and `ever`. So a tick costs what has changed, and somebody who was once a member is
never new again, whence such rows are never given up.

    ever ─────────────▶ lagged ── changes of the last period ──▶ current
                        T - P                                    T
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.grid import grid_step_ms, one_period_before
from pipeline.core.memories.memory import NEVER, Flags, Memory, RowNumbers, Times, resized
from pipeline.core.snapshot import Arrays


class Growth(Memory):
    """Membership by row, at the last tick of the grid and one period before.

    >>> from pipeline.core.windows import MINUTE_MS
    >>> growth = Growth(period_ms=2 * MINUTE_MS)
    >>> growth.resize(2)
    >>> growth.apply(np.array([0, 1, 1]), np.array([1, 1, 2]) * MINUTE_MS, None)
    >>> growth.expire(3 * MINUTE_MS)  # looks at minute 1
    >>> growth.current.tolist(), growth.lagged.tolist(), growth.ever.tolist()
    ([True, False], [True, True], [True, True])
    """

    def __init__(self, period_ms: int) -> None:
        self._period_ms = period_ms
        self._step_ms = grid_step_ms(period_ms)
        self._current = np.empty(0, np.bool_)
        self._lagged = np.empty(0, np.bool_)
        self._ever = np.empty(0, np.bool_)
        self._rows = 0
        self._lag_ms = int(NEVER)  # the tick that `lagged` is of
        self._ticks = np.empty(0, np.int64)  # of changes, with the rows that they are of
        self._changed = np.empty(0, np.int64)

    @property
    def current(self) -> Flags:
        """Who was a member at the last tick of the grid."""
        return self._current[: self._rows]

    @property
    def lagged(self) -> Flags:
        """Who was a member one period before the last `expire`."""
        return self._lagged[: self._rows]

    @property
    def ever(self) -> Flags:
        """Who was a member at that tick, or at any tick of the grid before."""
        return self._ever[: self._rows]

    def take_in(self, members: Flags, tick_ms: int) -> None:
        """Note who the members are at a tick, if it is one of the grid."""
        if tick_ms % self._step_ms == 0:
            rows = np.flatnonzero(members != self.current)
            self.apply(rows, np.full(len(rows), tick_ms), None)

    def take_over(self, other: Growth, rows: RowNumbers) -> None:
        """Become what another is; `rows` are ours for those of the other, in its order."""
        self.current[rows], self.lagged[rows] = other.current, other.lagged
        self.ever[rows], self._lag_ms = other.ever, other._lag_ms
        self._ticks, self._changed = other._ticks, rows[other._changed]

    def resize(self, rows: int) -> None:
        self._current = resized(self._current, rows, fill=False)
        self._lagged = resized(self._lagged, rows, fill=False)
        self._ever = resized(self._ever, rows, fill=False)
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        np.logical_xor.at(self._current, rows, True)
        passed = times <= self._lag_ms
        self._pass(rows[passed])
        self._ticks = np.concatenate([self._ticks, times[~passed]])
        self._changed = np.concatenate([self._changed, rows[~passed]])

    def _pass(self, rows: RowNumbers) -> None:
        """Some changes are a period old: whoever changed was a member, then or before."""
        np.logical_xor.at(self._lagged, rows, True)
        self._ever[rows] = True

    def expire(self, tick_ms: int) -> None:
        lag_ms = one_period_before(self._period_ms, tick_ms)
        if lag_ms > self._lag_ms:
            self._lag_ms = lag_ms
            passed = self._ticks <= lag_ms
            if passed.any():
                self._pass(self._changed[passed])
                self._ticks, self._changed = self._ticks[~passed], self._changed[~passed]

    def vacant(self, tick_ms: int) -> Flags:
        vacant = np.asarray(~(self.current | self.ever))
        vacant[self._changed] = False
        return vacant

    def keep(self, kept: Flags) -> None:
        renumbered = np.cumsum(kept) - 1
        stay = kept[self._changed]
        self._ticks, self._changed = self._ticks[stay], renumbered[self._changed[stay]]
        self._current, self._lagged = self.current[kept], self.lagged[kept]
        self._ever = self.ever[kept]
        self._rows = len(self._ever)

    def dump(self) -> Arrays:
        return {
            "current": self.current,
            "lagged": self.lagged,
            "ever": self.ever,
            "lag": np.array([self._lag_ms], np.int64),
            "ticks": self._ticks,
            "changed": self._changed,
        }

    def load(self, arrays: Arrays) -> None:
        self._current, self._lagged = arrays["current"], arrays["lagged"]
        self._ever, self._lag_ms = arrays["ever"], int(arrays["lag"][0])
        self._ticks, self._changed = arrays["ticks"], arrays["changed"]
        self._rows = len(self._ever)
