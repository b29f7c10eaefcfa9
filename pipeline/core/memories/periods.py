"""Periods: any memory, cut at the edges of the calendar.

Two memories of one kind: one for the running period, and one for the last that is over, which stays
empty where the window looks at the running one. When the running one ends they move up. Nothing has
to leave early, because a period is looked at whole, so the memories inside need no window of their
own.

    │◀── over ──▶│◀── running ──┆ now
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import NEVER, Flags, Memory, RowNumbers, Times
from pipeline.core.snapshot import Arrays
from pipeline.core.windows import Calendar

M = TypeVar("M", bound=Memory)


class Periods(Memory, Generic[M]):
    """The running and the last period of a memory; `make` makes an empty one."""

    def __init__(self, window: Calendar, make: Callable[[], M]) -> None:
        self._window = window
        self._make = make
        self._rows = 0
        self._start_ms = int(NEVER)  # of the running period
        self._over_start_ms = int(NEVER)
        self._running = make()
        self._over = make()

    def at(self, tick_ms: int) -> M:
        """The memory of the period that the window looks at, at a tick not before the last."""
        self._advance(tick_ms)
        return self._over if self._window.last else self._running

    def _advance(self, time_ms: int) -> None:
        start_ms = self._window.start_of(time_ms)
        if start_ms <= self._start_ms:
            return
        over_start_ms = self._window.start_of(start_ms - 1) if self._window.last else start_ms
        self._over = self._running if over_start_ms == self._start_ms else self._fresh()
        self._running = self._fresh()
        self._start_ms, self._over_start_ms = start_ms, over_start_ms

    def _fresh(self) -> M:
        memory = self._make()
        memory.resize(self._rows)
        return memory

    def resize(self, rows: int) -> None:
        self._rows = rows
        self._running.resize(rows)
        self._over.resize(rows)

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        if not len(times):
            return
        self._advance(int(times.max()))
        running = times >= self._start_ms
        over = ~running & (times >= self._over_start_ms)
        for memory, part in ((self._running, running), (self._over, over)):
            chosen = None if column is None else column[part]
            memory.apply(rows[part] if len(rows) else rows, times[part], chosen)

    def expire(self, tick_ms: int) -> None:
        self._advance(tick_ms)

    def vacant(self, tick_ms: int) -> Flags:
        self._advance(tick_ms)
        nothing = -(2**62)  # the period decides what is seen, not a reach
        return self._running.vacant(nothing) & self._over.vacant(nothing)

    def keep(self, kept: Flags) -> None:
        self._rows = int(np.count_nonzero(kept))
        self._running.keep(kept)
        self._over.keep(kept)

    def dump(self) -> Arrays:
        parts = (("running", self._running), ("over", self._over))
        dumped = {
            f"{part}.{name}": array
            for part, memory in parts
            for name, array in memory.dump().items()
        }
        return {**dumped, "starts": np.array([self._start_ms, self._over_start_ms, self._rows])}

    def load(self, arrays: Arrays) -> None:
        self._start_ms, self._over_start_ms, self._rows = arrays["starts"].tolist()
        for part, memory in (("running.", self._running), ("over.", self._over)):
            memory.load(
                {
                    name.removeprefix(part): array
                    for name, array in arrays.items()
                    if name.startswith(part)
                }
            )
