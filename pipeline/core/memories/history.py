"""History: what teaching events have said of an entity, and when, as far back as rows may ask.

Serves "what it was when a row happened". Of each entity the newest lesson before the window is
kept for ever beside those within, since it holds until the next.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import (
    ABSENT_MICROS,
    Flags,
    Memory,
    RowNumbers,
    Times,
    resized,
)
from pipeline.core.memories.value import Value
from pipeline.core.snapshot import Arrays
from pipeline.core.windows import Window

_ROOM_MIN: Final = 64  # lessons


class History(Memory):
    """Lessons: row, time and value. All are kept where `window` is None.

    >>> plan = History(None)
    >>> plan.resize(1)
    >>> plan.apply(np.zeros(2, np.int64), np.array([10, 20]), np.array([5, 6]))
    >>> plan.as_of(np.zeros(3, np.int64), np.array([9, 19, 20])).values.tolist() == [
    ...     ABSENT_MICROS, 5, 6]
    True
    """

    def __init__(self, window: Window | None) -> None:
        self._window = window
        self._of = np.empty(0, np.int32)
        self._times = np.empty(0, np.int64)
        self._values = np.empty(0, np.int64)
        self._lessons = 0
        self._rows = 0
        self._is_in_order = True

    def resize(self, rows: int) -> None:
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        present = column != ABSENT_MICROS
        start, end = self._lessons, self._lessons + int(np.count_nonzero(present))
        room = max(end, _ROOM_MIN)
        self._of, self._times = resized(self._of, room, 0), resized(self._times, room, 0)
        self._values = resized(self._values, room, 0)
        self._of[start:end], self._times[start:end] = rows[present], times[present]
        self._values[start:end] = column[present]
        self._lessons = end
        self._is_in_order &= start == end

    def as_of(self, rows: RowNumbers, times: Times) -> Value:
        """What was known of each of these rows at its time, of two lessons at one the larger."""
        self._put_in_order()
        ends = np.cumsum(np.bincount(self._of[: self._lessons], minlength=self._rows))
        starts = np.concatenate([[0], ends])[rows]
        # Half of what is left of a row's lessons at a time: which is the first that came later?
        low, high = starts, ends[rows]
        while (open_ := low < high).any():
            middle = (low + high) // 2
            known = open_ & (self._times[np.where(open_, middle, 0)] <= times)
            low, high = np.where(known, middle + 1, low), np.where(open_ & ~known, middle, high)
        taught = low > starts
        values = self._values[np.where(taught, low - 1, 0)] if self._lessons else low
        return Value.holding(np.where(taught, values, ABSENT_MICROS))

    def _put_in_order(self) -> None:
        """By row, time and value, so that the last of a row up to a moment is what counts then."""
        if not self._is_in_order:
            lessons = self._lessons
            order = (self._values[:lessons], self._times[:lessons], self._of[:lessons])
            self._keep_lessons(np.lexsort(order))
            self._is_in_order = True

    def expire(self, tick_ms: int) -> None:
        if self._window is None:
            return
        self._put_in_order()
        edge, _ = self._window.span(tick_ms)
        of, times = self._of[: self._lessons], self._times[: self._lessons]
        kept = np.ones(self._lessons, np.bool_)
        kept[:-1] = (of[1:] != of[:-1]) | (times[1:] > edge)
        if not kept.all():
            self._keep_lessons(kept)

    def _keep_lessons(self, kept: Flags | NDArray[np.int64]) -> None:
        """Some of the lessons, by flag or in another order."""
        self._of, self._times = self._of[: self._lessons][kept], self._times[: self._lessons][kept]
        self._values = self._values[: self._lessons][kept]
        self._lessons = len(self._of)

    def vacant(self, tick_ms: int) -> Flags:
        vacant = np.ones(self._rows, np.bool_)
        vacant[self._of[: self._lessons]] = False
        return vacant

    def keep(self, kept: Flags) -> None:
        self._keep_lessons(kept[self._of[: self._lessons]])
        self._of = (np.cumsum(kept) - 1).astype(np.int32)[self._of]
        self._rows = int(np.count_nonzero(kept))

    def dump(self) -> Arrays:
        lessons = self._lessons
        return {
            "rows": self._of[:lessons],
            "times": self._times[:lessons],
            "values": self._values[:lessons],
            "size": np.array([self._rows], np.int64),
        }

    def load(self, arrays: Arrays) -> None:
        self._of, self._times = arrays["rows"], arrays["times"]
        self._values = arrays["values"]
        self._lessons = len(self._of)
        self._is_in_order = False
        (self._rows,) = arrays["size"].tolist()
