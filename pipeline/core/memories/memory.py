"""What every memory has in common.

A memory is a column family: for each row of its table it remembers what some metrics need to know.
It is an algebra with laws, tested for every memory alike (`tests/core/memories/test_laws.py`):

- order: rows applied in any order, in any split, leave the same answers;
- dump: `load(dump())` answers as before;
- expiry: what no window can see any more takes no room (`vacant` says so);
- keep: dropping rows leaves the answers of the others alone.

All methods work on whole arrays. Rows are numbers from the table's `KeyIndex`; times are event
times in milliseconds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.snapshot import Arrays
from pipeline.core.summaries import Figures

RowNumbers = NDArray[np.int64]
Times = NDArray[np.int64]
Flags = NDArray[np.bool_]

NEVER: Final = np.iinfo(np.int64).min
ABSENT_ID: Final = np.uint64(0)
ABSENT_MICROS: Final = np.iinfo(np.int64).min


class Memory(ABC):
    """A column family of a table."""

    @abstractmethod
    def resize(self, rows: int) -> None:
        """Make room for rows 0 to `rows` - 1; new ones remember nothing."""

    @abstractmethod
    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        """Take in events: their rows, times, and the column the memory asked for.

        A row may come several times. `column` holds ids (uint64, 0 absent) or millionths (int64,
        `ABSENT_MICROS` absent), as the kind of memory needs.
        """

    @abstractmethod
    def expire(self, tick_ms: int) -> None:
        """Let go of what no window can see at `tick_ms` or later."""

    @abstractmethod
    def vacant(self, tick_ms: int) -> Flags:
        """Which rows remember nothing that a window at `tick_ms` or later could see."""

    @abstractmethod
    def keep(self, kept: Flags) -> None:
        """Drop the rows where `kept` is false; the others close up in order."""

    @abstractmethod
    def dump(self) -> Arrays:
        """Everything remembered, as named arrays."""

    @abstractmethod
    def load(self, arrays: Arrays) -> None:
        """Take the place of an empty memory with what `dump` gave."""


class Telling(Memory):
    """A memory that terms ask for figures of the whole shard."""

    @abstractmethod
    def figures(self, start_ms: int) -> Figures:
        """What lies at or after `start_ms`, as of the last `expire`."""


class Loose(Telling):
    """A memory that knows no entity, and so has no rows."""

    def resize(self, rows: int) -> None:
        pass

    def vacant(self, tick_ms: int) -> Flags:
        return np.empty(0, np.bool_)

    def keep(self, kept: Flags) -> None:
        pass


def resized(array: NDArray[Any], rows: int, fill: Any) -> NDArray[Any]:  # noqa: ANN401
    """The array with at least `rows` rows, grown by doubling, new ones filled.

    `fill` is of the array's own element type.
    """
    if rows <= len(array):
        return array
    roomy = np.full((max(rows, 2 * len(array)), *array.shape[1:]), fill, array.dtype)
    roomy[: len(array)] = array
    return roomy
