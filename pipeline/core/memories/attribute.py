"""Attribute: what an entity's newest teaching event says of it, and since when.

Owner of, organisation of. Of two events at the same millisecond the one with the larger id wins,
so that the answer does not depend on the order of arrival. An attribute is never forgotten: an
object that nobody touched for a year still has its owner.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import (
    ABSENT_ID,
    NEVER,
    Flags,
    Memory,
    RowNumbers,
    Times,
    resized,
)
from pipeline.core.snapshot import Arrays


class Attribute(Memory):
    """The newest value by row.

    >>> owner = Attribute()
    >>> owner.resize(1)
    >>> owner.apply(np.array([0, 0]), np.array([20, 10]), np.array([5, 9], np.uint64))
    >>> owner.values.tolist()
    [5]
    """

    absent: ClassVar[Any] = ABSENT_ID

    def __init__(self) -> None:
        self._values = np.empty(0, self.absent.dtype)
        self._since = np.empty(0, np.int64)
        self._rows = 0

    @property
    def values(self) -> NDArray[Any]:
        """The value of each row, `absent` where none is known."""
        return self._values[: self._rows]

    def resize(self, rows: int) -> None:
        self._values = resized(self._values, rows, self.absent)
        self._since = resized(self._since, rows, NEVER)
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        present = column != self.absent
        order = np.lexsort((column[present], times[present], rows[present]))
        rows, times, values = (array[present][order] for array in (rows, times, column))
        last = np.ones(len(rows), np.bool_)
        last[:-1] = rows[1:] != rows[:-1]
        rows, times, values = rows[last], times[last], values[last]
        since, known = self._since[rows], self._values[rows]
        newer = (times > since) | ((times == since) & (values > known))
        self._values[rows[newer]] = values[newer]
        self._since[rows[newer]] = times[newer]

    def expire(self, tick_ms: int) -> None:
        pass  # never forgotten

    def vacant(self, tick_ms: int) -> Flags:
        return np.asarray(self._values[: self._rows] == self.absent)

    def keep(self, kept: Flags) -> None:
        self._values = self._values[: self._rows][kept]
        self._since = self._since[: self._rows][kept]
        self._rows = len(self._values)

    def dump(self) -> Arrays:
        return {"values": self._values[: self._rows], "since": self._since[: self._rows]}

    def load(self, arrays: Arrays) -> None:
        self._values, self._since = arrays["values"], arrays["since"]
        self._rows = len(self._values)
