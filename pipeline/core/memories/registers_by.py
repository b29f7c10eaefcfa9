"""RegistersBy: about how many different others each text was seen with, within one window.

What `registers.py` remembers of all, for each row: the newest time at which an other had a rank in
a register, and the newest others by name. A cell stands for a register and a rank, and rows have
cells as entities have texts. So a row takes as much as its others need, and 2 MB at the most.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.cardinality import RANK_MAX, REGISTERS, registers_and_ranks
from pipeline.core.memories.memory import ABSENT_ID, Flags, Memory, RowNumbers, Times
from pipeline.core.memories.seen_with import SeenWith
from pipeline.core.memories.top_k import TopK
from pipeline.core.snapshot import Arrays
from pipeline.core.stored_names import below
from pipeline.core.summaries import IDS_MAX, Ranks
from pipeline.core.windows import Trailing

_RANKS: Final = RANK_MAX + 1  # rank 0 is never seen


class RegistersBy(Memory):
    """Cells and names by row, over a trailing window, or over everything where it is None.

    >>> by = RegistersBy(Trailing(10_000), reach_ms=10_000)
    >>> by.resize(2)
    >>> others = np.array([7, 8, 7], np.uint64)
    >>> by.apply(np.array([0, 1, 1]), np.array([1_000, 2_000, 5_000]), others)
    >>> [(row, ranks.ids.tolist()) for row, ranks in by.since(2_000)]
    [(1, [7, 8])]
    """

    def __init__(self, window: Trailing | None, reach_ms: int) -> None:
        self._rows = 0
        self._cells = SeenWith(window)
        self._named = TopK(IDS_MAX + 1, reach_ms)  # as many in a window are one too many

    def resize(self, rows: int) -> None:
        self._rows = rows
        self._cells.resize(rows)
        self._named.resize(rows)

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        present = column != ABSENT_ID
        rows, times, others = rows[present], times[present], column[present]
        registers, ranks = registers_and_ranks(others)
        self._cells.apply(rows, times, registers * _RANKS + ranks)
        self._named.apply(rows, times, others)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._rows

    def since(self, start_ms: int) -> Iterator[tuple[int, Ranks]]:
        """What was seen at or after `start_ms`, by row, of rows that saw any."""
        rows, cells = self._cells.since(start_ms)
        registers, ranks = np.divmod(cells, _RANKS)
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        for start, end in pairwise([*starts, len(rows)]):
            highest = np.zeros(REGISTERS, np.uint8)
            highest[registers[start:end]] = ranks[start:end]  # they rise, so the last one stays
            row = int(rows[start])
            ids = np.sort(self._named.newest(row, start_ms))
            yield row, Ranks(ids if len(ids) <= IDS_MAX else None, highest)

    def expire(self, tick_ms: int) -> None:
        self._cells.expire(tick_ms)

    def vacant(self, tick_ms: int) -> Flags:
        return self._cells.vacant(tick_ms)

    def keep(self, kept: Flags) -> None:
        self._cells.keep(kept)
        self._named.keep(kept)
        self._rows = int(np.count_nonzero(kept))

    def dump(self) -> Arrays:
        return {
            **{f"cells/{name}": array for name, array in self._cells.dump().items()},
            **{f"named/{name}": array for name, array in self._named.dump().items()},
        }

    def load(self, arrays: Arrays) -> None:
        self._cells.load(below(arrays, "cells/"))
        self._named.load(below(arrays, "named/"))
        self._rows = len(arrays["named/times"])
