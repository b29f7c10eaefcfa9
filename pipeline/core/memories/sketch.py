"""Sketch: how the values within one window are distributed, by bucket; no entity.

A ledger that counts how many values each bucket holds, so that a tick costs what leaves. What it
holds is at most a count for each bucket and pane, however many values there are.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.ledger import Ledger
from pipeline.core.memories.memory import ABSENT_MICROS, Loose, RowNumbers, Times
from pipeline.core.quantile import BUCKETS_MAX, buckets_of
from pipeline.core.snapshot import Arrays
from pipeline.core.summaries import Figures, Histogram
from pipeline.core.windows import Trailing

_BUCKETS: Final = 2 * BUCKETS_MAX + 1


class Sketch(Loose):
    """A histogram of buckets over a trailing window, or over everything without one.

    >>> sketch = Sketch(None)
    >>> sketch.apply(np.empty(0), np.array([1, 2, 3]), np.array([5, 0, 5]))
    >>> sketch.figures(0)[2].counts.tolist()
    [1, 2]
    """

    def __init__(self, window: Trailing | None) -> None:
        self._ledger = Ledger(window, of_values=False)
        self._ledger.resize(_BUCKETS)

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        present = column != ABSENT_MICROS
        buckets = buckets_of(column[present]) + BUCKETS_MAX
        self._ledger.apply(buckets, times[present], None)

    def figures(self, start_ms: int) -> Figures:
        counts = self._ledger.counts
        held = np.flatnonzero(counts)
        if not len(held):
            return 0, 0, None
        return int(counts.sum()), 0, Histogram(held - BUCKETS_MAX, counts[held])

    def expire(self, tick_ms: int) -> None:
        self._ledger.expire(tick_ms)

    def dump(self) -> Arrays:
        return self._ledger.dump()

    def load(self, arrays: Arrays) -> None:
        self._ledger.load(arrays)
