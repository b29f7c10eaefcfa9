"""Gap: how long after the one before it a row came, and what is asked of that row."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import RowNumbers, Times
from pipeline.core.memories.stream import (
    GROUP,
    ROW,
    TIME,
    Facts,
    Items,
    OfStream,
    begins,
    in_order,
    micros_between,
)
from pipeline.core.streams import ELAPSED

_COLUMNS: Final = 4  # after the part, where there are some


class Gap(OfStream):
    """An item for each row with one before it in its group, at most `within_ms` earlier.

    >>> from pipeline.core.streams import Stream, StreamKind
    >>> gaps = Gap(Stream(StreamKind.GAP, (), (), (), 5_000), reach_ms=60_000)
    >>> gaps.resize(1)
    >>> gaps.apply(np.zeros(3, int), np.array([9_000, 1_000, 2_500]), np.zeros((2, 3), int))
    >>> gaps.items(10_000).columns["elapsed"].tolist()
    [1500000]
    """

    @property
    def _width(self) -> int:
        columns = len(self._stream.columns)
        return _COLUMNS + columns if columns else _COLUMNS - 1

    def _facts_of(self, rows: RowNumbers, times: Times, column: NDArray[Any]) -> Facts:
        return super()._facts_of(rows, times, column)[: self._width]

    def _settled(self, facts: Facts) -> Facts:
        return in_order(facts)

    def _make(self, facts: Facts) -> Facts:
        assert self._stream.within_ms is not None
        later = ~begins(facts[ROW], facts[GROUP])
        before = np.roll(facts[TIME], 1)
        later &= facts[TIME] - before <= self._stream.within_ms
        row, times, before = facts[ROW][later], facts[TIME][later], before[later]
        columns = facts[_COLUMNS:, later]
        return np.concatenate([np.stack([row, times, micros_between(before, times)]), columns])

    def _items(self, made: Facts, tick_ms: int) -> Items:
        columns = dict(zip(self._stream.columns, made[3:], strict=True))
        return Items(made[0], made[1], {**columns, ELAPSED: made[2]})

    def _last_ms(self, facts: Facts) -> Times:
        return np.asarray(facts[TIME])
