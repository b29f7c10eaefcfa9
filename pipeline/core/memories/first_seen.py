"""FirstSeen: the earliest time of an event, for each entity. Never forgets.

Somebody who comes back after years is not new: the first time counts for ever.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import Flags, Memory, RowNumbers, Times, resized
from pipeline.core.snapshot import Arrays

NOT_YET: Final = np.iinfo(np.int64).max


class FirstSeen(Memory):
    """Earliest qualifying time by row.

    >>> first = FirstSeen()
    >>> first.resize(2)
    >>> first.apply(np.array([0, 0]), np.array([50, 10]), None)
    >>> first.times.tolist() == [10, NOT_YET]
    True
    """

    def __init__(self) -> None:
        self._earliest = np.empty(0, np.int64)
        self._rows = 0

    @property
    def times(self) -> NDArray[np.int64]:
        """The earliest time of each row, `NOT_YET` where there is none."""
        return self._earliest[: self._rows]

    def resize(self, rows: int) -> None:
        self._earliest = resized(self._earliest, rows, NOT_YET)
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        np.minimum.at(self._earliest, rows, times)

    def expire(self, tick_ms: int) -> None:
        pass  # never forgotten

    def vacant(self, tick_ms: int) -> Flags:
        return np.asarray(self.times == NOT_YET)

    def keep(self, kept: Flags) -> None:
        self._earliest = self.times[kept]
        self._rows = len(self._earliest)

    def dump(self) -> Arrays:
        return {"earliest": self.times}

    def load(self, arrays: Arrays) -> None:
        self._earliest = arrays["earliest"]
        self._rows = len(self._earliest)
