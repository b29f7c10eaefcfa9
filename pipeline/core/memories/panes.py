"""Panes: count and sum of all events within one window; no entity.

A pane is the smallest piece of time that is kept apart: the window's resolution. The running
figures move with the edge, and every figure is a Python integer of any size, so that no sum of
millionths can overflow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import ABSENT_MICROS, Loose, RowNumbers, Times
from pipeline.core.snapshot import Arrays
from pipeline.core.summaries import Figures
from pipeline.core.windows import Trailing

_HALF = 32  # millionths are added up in two halves of 32 bits, which 2^31 events cannot overflow
_LOW = (1 << _HALF) - 1


class Panes(Loose):
    """Count and sum over a trailing window, or over everything where `window` is None.

    >>> from pipeline.core.windows import Trailing
    >>> panes = Panes(Trailing(10_000))
    >>> panes.apply(np.empty(0), np.array([1_000, 5_000]), np.array([2_000_000, 500_000]))
    >>> panes.expire(12_000)
    >>> panes.count, panes.micros
    (1, 500000)
    """

    def __init__(self, window: Trailing | None) -> None:
        self._window = window
        self._edge: int | None = None  # the first pane that is still in the window
        self._panes: dict[int, tuple[int, int]] = {}
        self.count = 0
        self.micros = 0

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        micros = np.zeros(len(times), np.int64) if column is None else column
        panes = times // (1 if self._window is None else self._window.resolution_ms)
        if self._window is None:
            panes = np.zeros_like(panes)
        present = micros != ABSENT_MICROS
        if self._edge is not None:
            present &= panes >= self._edge
        self._add(panes[present], micros[present])

    def _add(self, panes: NDArray[np.int64], micros: NDArray[np.int64]) -> None:
        distinct, back, counts = np.unique(panes, return_inverse=True, return_counts=True)
        high, low = np.zeros(len(distinct), np.int64), np.zeros(len(distinct), np.int64)
        np.add.at(high, back, micros >> _HALF)
        np.add.at(low, back, micros & _LOW)
        parts = zip(distinct.tolist(), counts.tolist(), high.tolist(), low.tolist(), strict=True)
        for pane, count, upper, lower in parts:
            total = (upper << _HALF) + lower
            known_count, known_micros = self._panes.get(pane, (0, 0))
            self._panes[pane] = (known_count + count, known_micros + total)
            self.count += count
            self.micros += total

    def expire(self, tick_ms: int) -> None:
        if self._window is None:
            return
        start_ms, _ = self._window.span(tick_ms)
        self._edge = start_ms // self._window.resolution_ms
        for pane in [pane for pane in self._panes if pane < self._edge]:
            count, micros = self._panes.pop(pane)
            self.count -= count
            self.micros -= micros

    def figures(self, start_ms: int) -> Figures:
        return self.count, self.micros, None

    def dump(self) -> Arrays:
        ordered = sorted(self._panes.items())
        return {
            "edge": np.array([] if self._edge is None else [self._edge], np.int64),
            "panes": np.array([pane for pane, _ in ordered], np.int64),
            "counts": np.array([count for _, (count, _) in ordered], np.int64),
            "micros_high": np.array([micros >> _HALF for _, (_, micros) in ordered], np.int64),
            "micros_low": np.array([micros & _LOW for _, (_, micros) in ordered], np.int64),
        }

    def load(self, arrays: Arrays) -> None:
        self._edge = int(arrays["edge"][0]) if len(arrays["edge"]) else None
        columns = (arrays[name].tolist() for name in ("panes", "counts"))
        halves = zip(arrays["micros_high"].tolist(), arrays["micros_low"].tolist(), strict=True)
        totals = [(high << _HALF) + low for high, low in halves]
        self._panes = {
            pane: (count, micros) for pane, count, micros in zip(*columns, totals, strict=True)
        }
        self.count = sum(count for count, _ in self._panes.values())
        self.micros = sum(micros for _, micros in self._panes.values())
