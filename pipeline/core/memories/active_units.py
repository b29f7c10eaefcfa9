"""ActiveUnits: in which days, weeks or months of the calendar an entity was active.

A bit for each unit, in a ring: unit u has bit u modulo the ring's size. When the running unit moves
on, the bits of those that nothing looks at any more are cleared. So 7 days or 60 cost 8 bytes a
row, and any number of habits over the same events read one memory.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import Flags, Memory, RowNumbers, Times, resized
from pipeline.core.snapshot import Arrays
from pipeline.core.units import units_of
from pipeline.core.windows import Calendar, unit_of

_WORD: Final = 64
_ONE: Final = np.uint64(1)


class ActiveUnits(Memory):
    """Active units by row: the running one, and `kept` - 1 before it.

    >>> from pipeline.core.windows import DAY_MS, Calendar, Unit
    >>> days = ActiveUnits(Calendar(Unit.DAY, "UTC", 0), kept=7)
    >>> days.resize(2)
    >>> days.apply(np.array([0, 0, 1]), np.array([1, 3, 3]) * DAY_MS, None)
    >>> days.expire(4 * DAY_MS)  # day 4 is the running one, and empty
    >>> days.at_least(4, 2).tolist(), days.at_least(3, 2).tolist()
    ([True, False], [False, False])
    >>> days.streak_at_least(2, grace=1).tolist(), days.streak_at_least(2, grace=0).tolist()
    ([True, False], [False, False])
    """

    def __init__(self, calendar: Calendar, kept: int) -> None:
        self._calendar = calendar
        self._kept = kept
        self._words = -(-kept // _WORD)
        self._bits = np.empty((0, self._words), np.uint64)
        self._rows = 0
        self._running: int | None = None  # the newest unit met so far

    def resize(self, rows: int) -> None:
        self._bits = resized(self._bits, rows, np.uint64(0))
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        if not len(times):
            return
        units = units_of(self._calendar, times)
        running = self._advance(int(units.max()))
        kept = units > running - self._kept
        rows, units = rows[kept], units[kept]
        self._set(self._bits, rows, units)

    def _set(self, bits: NDArray[np.uint64], rows: RowNumbers, units: NDArray[np.int64]) -> None:
        places = units % (self._words * _WORD)
        masks = _ONE << (places % _WORD).astype(np.uint64)
        np.bitwise_or.at(bits, (rows, places // _WORD), masks)

    def _advance(self, unit: int) -> int:
        """Let units up to this one begin; gives the running one."""
        if self._running is None or unit > self._running:
            if self._running is not None:
                self._bits &= self._mask(unit - self._kept + 1, self._running)
            self._running = unit
        return self._running

    def _mask(self, first: int, last: int) -> NDArray[np.uint64]:
        """Which bits are those of some units."""
        mask = np.zeros((1, self._words), np.uint64)
        units = np.arange(first, last + 1)
        self._set(mask, np.zeros(len(units), np.int64), units)
        return mask

    def at_least(self, of: int, threshold: int) -> Flags:
        """Which rows were active in `threshold` of the last `of` units, as of the last `expire`."""
        bits = self._bits[: self._rows]
        if self._running is None:
            return np.zeros(self._rows, np.bool_)
        seen = bits & self._mask(self._running - of + 1, self._running)
        return np.asarray(np.bitwise_count(seen).sum(axis=1) >= threshold)

    def streak_at_least(self, threshold: int, grace: int) -> Flags:
        """Which rows have a streak of `threshold` active units, as of the last `expire`.

        Between those lie at most `grace` units that are not; so do between the newest and the
        running one, which itself is no miss.
        """
        reached = np.zeros(self._rows, np.bool_)
        if self._running is None:
            return reached
        rows = np.flatnonzero(self._bits[: self._rows].any(axis=1))
        count, missed = np.zeros(len(rows), np.int64), np.full(len(rows), -1)
        unit = self._running
        while len(rows):
            active = self._active(rows, unit)
            count += active
            missed = np.where(active, 0, missed + 1)
            reached[rows[count >= threshold]] = True
            go_on = (count < threshold) & (missed <= grace)
            rows, count, missed = rows[go_on], count[go_on], missed[go_on]
            unit -= 1
        return reached

    def _active(self, rows: RowNumbers, unit: int) -> Flags:
        assert self._running is not None
        if unit <= self._running - self._kept:
            return np.zeros(len(rows), np.bool_)
        word, place = divmod(unit % (self._words * _WORD), _WORD)
        return np.asarray(self._bits[rows, word] & (_ONE << np.uint64(place)) != 0)

    def expire(self, tick_ms: int) -> None:
        self._advance(unit_of(self._calendar, tick_ms))

    def vacant(self, tick_ms: int) -> Flags:
        self.expire(tick_ms)
        return np.asarray(~self._bits[: self._rows].any(axis=1))

    def keep(self, kept: Flags) -> None:
        self._bits = self._bits[: self._rows][kept]
        self._rows = len(self._bits)

    def dump(self) -> Arrays:
        running = [] if self._running is None else [self._running]
        return {"bits": self._bits[: self._rows], "running": np.array(running, np.int64)}

    def load(self, arrays: Arrays) -> None:
        bits = arrays["bits"]
        self._rows = len(bits)
        self._running = int(arrays["running"][0]) if len(arrays["running"]) else None
        if bits.shape[1] == self._words:
            self._bits = bits
        else:
            self._bits = self._of_another_size(bits)

    def _of_another_size(self, saved: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Bits that were kept when more or fewer units were asked for."""
        bits = np.zeros((self._rows, self._words), np.uint64)
        if self._running is not None:
            size = saved.shape[1] * _WORD
            for unit in range(self._running - min(size, self._kept) + 1, self._running + 1):
                word, place = divmod(unit % size, _WORD)
                rows = np.flatnonzero(saved[:, word] & (_ONE << np.uint64(place)))
                self._set(bits, rows, np.full(len(rows), unit))
        return bits
