"""Tally: how many members of another set name an entity, right now.

Fed by a roll-up with +1 and -1, never by events: a member that leaves, or changes hands, is taken
off again. So it holds no window and no time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import Flags, Memory, RowNumbers, Times, resized
from pipeline.core.snapshot import Arrays


class Tally(Memory):
    """A count by row; `apply` takes the changes as its column (int64).

    >>> tally = Tally()
    >>> tally.resize(1)
    >>> tally.apply(np.array([0, 0, 0]), np.zeros(3, np.int64), np.array([1, 1, -1]))
    >>> tally.at_least(1).tolist(), tally.at_least(2).tolist()
    ([True], [False])
    """

    def __init__(self) -> None:
        self._counts = np.empty(0, np.int64)
        self._rows = 0

    def resize(self, rows: int) -> None:
        self._counts = resized(self._counts, rows, 0)
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        np.add.at(self._counts, rows, column)

    def at_least(self, threshold: int) -> Flags:
        """Which rows are named by `threshold` members."""
        return self._counts[: self._rows] >= threshold

    def expire(self, tick_ms: int) -> None:
        pass  # the level below takes off what has left

    def vacant(self, tick_ms: int) -> Flags:
        return np.asarray(self._counts[: self._rows] == 0)

    def keep(self, kept: Flags) -> None:
        self._counts = self._counts[: self._rows][kept]
        self._rows = len(self._counts)

    def dump(self) -> Arrays:
        return {"counts": self._counts[: self._rows]}

    def load(self, arrays: Arrays) -> None:
        self._counts = arrays["counts"]
        self._rows = len(self._counts)
