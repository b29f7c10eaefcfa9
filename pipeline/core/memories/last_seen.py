"""LastSeen: the newest time of an event, for each entity.

Serves "seen within W" for any number of windows from one column of 8 bytes: an entity was seen in
`[start, T)` exactly if its newest time is at or after `start`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import NEVER, Flags, RowNumbers, Telling, Times, resized
from pipeline.core.snapshot import Arrays
from pipeline.core.summaries import Figures


class LastSeen(Telling):
    """Newest qualifying time by row.

    >>> seen = LastSeen(reach_ms=100)
    >>> seen.resize(2)
    >>> seen.apply(np.array([0, 1, 0]), np.array([50, 10, 20]), None)
    >>> seen.at_least(20, 1).tolist()
    [True, False]
    """

    def __init__(self, reach_ms: int) -> None:
        self._reach_ms = reach_ms
        self._newest = np.empty(0, np.int64)
        self._rows = 0

    def resize(self, rows: int) -> None:
        self._newest = resized(self._newest, rows, NEVER)
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        np.maximum.at(self._newest, rows, times)

    def at_least(self, start_ms: int, threshold: int) -> Flags:
        """Which rows were seen at or after `start_ms`; the only threshold is 1."""
        assert threshold == 1
        return self._newest[: self._rows] >= start_ms

    def figures(self, start_ms: int) -> Figures:
        return int(np.count_nonzero(self.at_least(start_ms, 1))), 0, None

    def expire(self, tick_ms: int) -> None:
        pass  # a time is overwritten or ignored, never in the way

    def vacant(self, tick_ms: int) -> Flags:
        return self._newest[: self._rows] < tick_ms - self._reach_ms

    def keep(self, kept: Flags) -> None:
        self._newest = self._newest[: self._rows][kept]
        self._rows = len(self._newest)

    def dump(self) -> Arrays:
        return {"newest": self._newest[: self._rows]}

    def load(self, arrays: Arrays) -> None:
        self._newest = arrays["newest"]
        self._rows = len(self._newest)
