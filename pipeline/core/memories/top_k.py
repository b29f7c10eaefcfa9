"""TopK: the k newest distinct others, for each entity, each with its newest time.

Serves "at least k - 1 distinct others within W, not counting one": the condition holds at T if and
only if the (k - 1)-th newest of the others' last times, the left-out one skipped, lies in the
window. That needs no more than the k newest, however many others there are; and since times only
grow, an other that was pushed out can come back only by a new event. So it is exact, whatever the
order of arrival.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import (
    ABSENT_ID,
    NEVER,
    Flags,
    Memory,
    RowNumbers,
    Times,
    resized,
)
from pipeline.core.snapshot import Arrays

Ids = NDArray[np.uint64]


class TopK(Memory):
    """The `k` newest others by row, in no order.

    >>> top = TopK(k=2, reach_ms=100)
    >>> top.resize(1)
    >>> others = np.array([7, 8, 9], np.uint64)
    >>> top.apply(np.array([0, 0, 0]), np.array([10, 30, 20]), others)
    >>> top.at_least(20, 2).tolist(), top.at_least(20, 2, np.array([8], np.uint64)).tolist()
    ([True], [False])
    """

    def __init__(self, k: int, reach_ms: int) -> None:
        self._k = k
        self._reach_ms = reach_ms
        self._others = np.empty((0, k), np.uint64)
        self._times = np.empty((0, k), np.int64)
        self._rows = 0

    def resize(self, rows: int) -> None:
        self._others = resized(self._others, rows, ABSENT_ID)
        self._times = resized(self._times, rows, NEVER)
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        present = column != ABSENT_ID
        rows, times, others = self._without_held(rows[present], times[present], column[present])
        if not len(rows):
            return
        rows, times, others = _newest_of_each(rows, times, others)
        touched = rows[np.flatnonzero(np.diff(rows, prepend=-1))]
        held = self._times[touched] != NEVER
        rows = np.concatenate([np.repeat(touched, held.sum(axis=1)), rows])
        times = np.concatenate([self._times[touched][held], times])
        others = np.concatenate([self._others[touched][held], others])
        self._replace(touched, rows, times, others)

    def _without_held(
        self, rows: RowNumbers, times: Times, others: Ids
    ) -> tuple[RowNumbers, Times, Ids]:
        """Renew the times of others that are held already; those left that may push one out."""
        held_times, held_others = self._times[rows], self._others[rows]
        at = np.flatnonzero(held_others == others[:, None])
        again, place = at // self._k, at % self._k
        np.maximum.at(self._times, (rows[again], place), times[again])
        promising = times >= held_times.min(axis=1)
        promising[again] = False
        return rows[promising], times[promising], others[promising]

    def _replace(self, touched: RowNumbers, rows: RowNumbers, times: Times, others: Ids) -> None:
        """Write the newest k of each touched row; the pairs (row, other) are distinct."""
        order = np.lexsort((others, -times, rows))
        rows, times, others = rows[order], times[order], others[order]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        top = place < self._k
        self._times[touched] = NEVER
        self._others[touched] = ABSENT_ID
        self._times[rows[top], place[top]] = times[top]
        self._others[rows[top], place[top]] = others[top]

    def at_least(self, start_ms: int, threshold: int, left_out: Ids | None = None) -> Flags:
        """Which rows have `threshold` others at or after `start_ms`.

        `left_out` (one id a row, 0 for nobody) does not count. The threshold is at most k, and
        at most k - 1 where somebody is left out.
        """
        inside = self._times[: self._rows] >= start_ms
        if left_out is not None:
            inside &= self._others[: self._rows] != left_out[:, None]
        return np.asarray(np.count_nonzero(inside, axis=1) >= threshold)

    def newest(self, row: int, start_ms: int) -> Ids:
        """The others of a row at or after `start_ms`, `k` of them at the most."""
        return np.asarray(self._others[row][self._times[row] >= start_ms])

    def expire(self, tick_ms: int) -> None:
        pass  # times are overwritten or ignored, never in the way

    def vacant(self, tick_ms: int) -> Flags:
        return np.asarray(self._times[: self._rows].max(axis=1) < tick_ms - self._reach_ms)

    def keep(self, kept: Flags) -> None:
        self._others = self._others[: self._rows][kept]
        self._times = self._times[: self._rows][kept]
        self._rows = len(self._times)

    def dump(self) -> Arrays:
        return {"others": self._others[: self._rows], "times": self._times[: self._rows]}

    def load(self, arrays: Arrays) -> None:
        others, times = arrays["others"], arrays["times"]
        rows, kept = times.shape
        if kept > self._k:  # more than are asked for now
            newest = np.lexsort((others, ~times))[:, : self._k]
            others, times = (np.take_along_axis(each, newest, axis=1) for each in (others, times))
        missing = max(self._k - kept, 0)
        self._others = np.hstack([others, np.full((rows, missing), ABSENT_ID)])
        self._times = np.hstack([times, np.full((rows, missing), NEVER)])
        self._rows = rows


def _newest_of_each(rows: RowNumbers, times: Times, others: Ids) -> tuple[RowNumbers, Times, Ids]:
    """The newest time of each pair (row, other)."""
    order = np.lexsort((times, others, rows))
    rows, times, others = rows[order], times[order], others[order]
    last = np.ones(len(rows), np.bool_)
    last[:-1] = (rows[1:] != rows[:-1]) | (others[1:] != others[:-1])
    return rows[last], times[last], others[last]
