"""Extremes: the smallest and the largest value within one window; no entity.

A pane keeps its own two and how many values they are of, so that nothing is left to find again when
an extreme leaves. A window has about a thousand panes, which a tick looks through.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import ABSENT_MICROS, Loose, RowNumbers, Times
from pipeline.core.snapshot import Arrays
from pipeline.core.summaries import Figures, Range
from pipeline.core.windows import Trailing


class Extremes(Loose):
    """Count, minimum and maximum over a trailing window, or over everything without one.

    >>> from pipeline.core.windows import Trailing
    >>> extremes = Extremes(Trailing(10_000))
    >>> extremes.apply(np.empty(0), np.array([1_000, 5_000]), np.array([-3, 4]))
    >>> extremes.figures(0)
    (2, 0, Range(smallest=-3, largest=4))
    >>> extremes.expire(12_000)
    >>> extremes.figures(0)
    (1, 0, Range(smallest=4, largest=4))
    """

    def __init__(self, window: Trailing | None) -> None:
        self._window = window
        self._edge: int | None = None  # the first pane that is still in the window
        self._panes: dict[int, tuple[int, int, int]] = {}  # count, smallest, largest

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        window = self._window
        panes = np.zeros_like(times) if window is None else times // window.resolution_ms
        present = column != ABSENT_MICROS
        if self._edge is not None:
            present &= panes >= self._edge
        distinct, back, counts = np.unique(panes[present], return_inverse=True, return_counts=True)
        smallest = np.full(len(distinct), np.iinfo(np.int64).max)
        largest = np.full(len(distinct), np.iinfo(np.int64).min)
        np.minimum.at(smallest, back, column[present])
        np.maximum.at(largest, back, column[present])
        parts = (array.tolist() for array in (distinct, counts, smallest, largest))
        for pane, *found in zip(*parts, strict=True):
            self._put(pane, *found)

    def _put(self, pane: int, count: int, smallest: int, largest: int) -> None:
        known = self._panes.get(pane, (0, smallest, largest))
        self._panes[pane] = (known[0] + count, min(known[1], smallest), max(known[2], largest))

    def figures(self, start_ms: int) -> Figures:
        if not self._panes:
            return 0, 0, None
        counts, smallest, largest = zip(*self._panes.values(), strict=True)
        return sum(counts), 0, Range(min(smallest), max(largest))

    def expire(self, tick_ms: int) -> None:
        if self._window is None:
            return
        start_ms, _ = self._window.span(tick_ms)
        self._edge = start_ms // self._window.resolution_ms
        for pane in [pane for pane in self._panes if pane < self._edge]:
            del self._panes[pane]

    def dump(self) -> Arrays:
        ordered = sorted((pane, *found) for pane, found in self._panes.items())
        table = np.array(ordered, np.int64).reshape(len(ordered), 4)
        return {
            "edge": np.array([] if self._edge is None else [self._edge], np.int64),
            "panes": table[:, 0],
            "counts": table[:, 1],
            "smallest": table[:, 2],
            "largest": table[:, 3],
        }

    def load(self, arrays: Arrays) -> None:
        self._edge = int(arrays["edge"][0]) if len(arrays["edge"]) else None
        columns = (arrays[name].tolist() for name in ("panes", "counts", "smallest", "largest"))
        self._panes = {pane: (*found,) for pane, *found in zip(*columns, strict=True)}
