"""Diary: the rows of an event as they were, as long as a window may look at them.

Where each entity has a window of its own, and a late row may move it, or where what was known at
the time of a row decides, no figure can be kept running: the entries are counted, added up and told
apart when a tick asks. So a tick costs what is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import (
    ABSENT_ID,
    ABSENT_MICROS,
    NEVER,
    Flags,
    Memory,
    RowNumbers,
    Times,
    resized,
)
from pipeline.core.pair_keys import distinct_by_row
from pipeline.core.snapshot import Arrays
from pipeline.core.windows import Anchored, Window

_ROOM_MIN = 64  # entries


class Diary(Memory):
    """Entries in no order: row, time, and an other, a value, or neither.

    `column` is uint64 for others, int64 for millionths, None to count only. Entries without it are
    none. `marks` is of how many conditions it is kept whether a row met them: then `apply` takes
    the column (zeros where there is none) and a line of 1 and 0 for each, all int64.

    >>> from pipeline.core.windows import Trailing
    >>> window = Anchored("joined", 10, is_session=False, cohort=Trailing(1_000), is_matured=True)
    >>> diary = Diary(window, np.uint64)
    >>> diary.resize(1)
    >>> diary.apply(np.zeros(3, np.int64), np.array([5, 7, 15]), np.array([8, 8, 9], np.uint64))
    >>> diary.counts(np.array([5]), np.array([15])).tolist()
    [2]
    >>> diary.distinct(np.array([5]), np.array([15]), None).tolist()
    [1]
    """

    def __init__(
        self, window: Window, column: type[np.uint64 | np.int64] | None = None, marks: int = 0
    ) -> None:
        self._window = window
        self._absent = ABSENT_ID if column is np.uint64 else ABSENT_MICROS
        self._of = np.empty(0, np.int32)
        self._times = np.empty(0, np.int64)
        self._column = None if column is None else np.empty(0, column)
        self._marks = np.empty((0, marks), np.bool_)
        self._entries = 0
        self._rows = 0
        self._edge = int(NEVER)

    def resize(self, rows: int) -> None:
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        enter, marks = times >= self._edge, self._marks[:0]
        if column is not None and self._marks.shape[1]:
            marks = column[1:].T == 1
            column = column[0] if self._column is None else column[0].view(self._column.dtype)
        if self._column is not None:
            assert column is not None
            enter &= column != self._absent
        start, end = self._entries, self._entries + int(np.count_nonzero(enter))
        self._make_room(end)
        self._of[start:end] = rows[enter]
        self._times[start:end] = times[enter]
        if self._column is not None and column is not None:
            self._column[start:end] = column[enter]
        if len(marks):
            self._marks[start:end] = marks[enter]
        self._entries = end

    def _make_room(self, entries: int) -> None:
        room = max(entries, _ROOM_MIN)
        self._of, self._times = resized(self._of, room, 0), resized(self._times, room, 0)
        if self._column is not None:
            self._column = resized(self._column, room, 0)
        self._marks = resized(self._marks, room, fill=False)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._rows

    @property
    def has_values(self) -> bool:
        """Whether entries are more than rows and times."""
        return self._column is not None

    @property
    def entries(self) -> tuple[RowNumbers, Times]:
        """The row and the time of each entry."""
        return self._of[: self._entries].astype(np.int64), self._times[: self._entries]

    @property
    def amounts(self) -> NDArray[np.int64]:
        """The value of each entry, in millionths."""
        assert self._column is not None
        return self._column[: self._entries].astype(np.int64, copy=False)

    def marked(self, mark: int) -> Flags:
        """Which entries met a condition of their own."""
        return np.asarray(self._marks[: self._entries, mark])

    def inside(self, starts: Times, ends: Times, chosen: Flags | None = None) -> Flags:
        """Which entries lie in their row's own `[start, end)`, of those that are chosen."""
        of, times = self._of[: self._entries], self._times[: self._entries]
        found = (times >= starts[of]) & (times < ends[of])
        return np.asarray(found if chosen is None else found & chosen)

    def counts(self, starts: Times, ends: Times, chosen: Flags | None = None) -> NDArray[np.int64]:
        """How many entries of each row lie in its own `[start, end)`, of those that are chosen."""
        inside = self.inside(starts, ends, chosen)
        return np.bincount(self._of[: self._entries][inside], minlength=self._rows)

    def sums(self, starts: Times, ends: Times, chosen: Flags | None = None) -> NDArray[np.int64]:
        """What the values of those entries come to, in millionths."""
        assert self._column is not None
        inside, found = self.inside(starts, ends, chosen), np.zeros(self._rows, np.int64)
        values = self._column[: self._entries][inside]
        np.add.at(found, self._of[: self._entries][inside], values)
        return found

    def distinct(
        self,
        starts: Times,
        ends: Times,
        left_out: NDArray[np.uint64] | None,
        chosen: Flags | None = None,
    ) -> NDArray[np.int64]:
        """How many different others those entries have; `left_out` (one id a row) do not count."""
        assert self._column is not None
        inside = self.inside(starts, ends, chosen)
        of, others = self._of[: self._entries][inside], self._column[: self._entries][inside]
        if left_out is not None:
            counted = others != left_out[of]
            of, others = of[counted], others[counted]
        return distinct_by_row(of, others.view(np.uint64), self._rows)

    def expire(self, tick_ms: int) -> None:
        window = self._window
        if isinstance(window, Anchored) and window.is_session and window.is_matured:
            return  # only who knows all rows of a session knows that it is over: see `forget`
        edge, _ = window.span(tick_ms)
        if edge > self._edge:
            self._edge = edge
            self._keep_entries(self._times[: self._entries] >= edge)

    def forget(self, since: Times) -> None:
        """Drop the entries of each row that are older than a time of its own."""
        of, times = self._of[: self._entries], self._times[: self._entries]
        self._keep_entries(times >= since[of])

    def _keep_entries(self, kept: Flags) -> None:
        if kept.all():
            return
        self._of, self._times = self._of[: self._entries][kept], self._times[: self._entries][kept]
        if self._column is not None:
            self._column = self._column[: self._entries][kept]
        self._marks = self._marks[: self._entries][kept]
        self._entries = len(self._of)

    def vacant(self, tick_ms: int) -> Flags:
        vacant = np.ones(self._rows, np.bool_)
        vacant[self._of[: self._entries]] = False
        return vacant

    def keep(self, kept: Flags) -> None:
        self._keep_entries(kept[self._of[: self._entries]])
        renumbered = (np.cumsum(kept) - 1).astype(np.int32)
        self._of = renumbered[self._of[: self._entries]]
        self._times = self._times[: self._entries]
        if self._column is not None:
            self._column = self._column[: self._entries]
        self._marks = self._marks[: self._entries]
        self._rows = int(np.count_nonzero(kept))

    def dump(self) -> Arrays:
        arrays: Arrays = {
            "rows": self._of[: self._entries],
            "times": self._times[: self._entries],
            "edge": np.array([self._edge, self._rows], np.int64),
        }
        if self._column is not None:
            arrays["column"] = self._column[: self._entries]
        if self._marks.shape[1]:
            arrays["marks"] = self._marks[: self._entries]
        return arrays

    def load(self, arrays: Arrays) -> None:
        self._of, self._times = arrays["rows"], arrays["times"]
        self._column = arrays.get("column")
        self._entries = len(self._of)
        self._marks = arrays.get("marks", np.empty((self._entries, 0), np.bool_))
        self._edge, self._rows = arrays["edge"].tolist()
