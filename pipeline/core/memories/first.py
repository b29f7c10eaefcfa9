"""First: each entity's earliest row ever, or that of each of its groups. It is never forgotten."""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.core.memories.memory import Times
from pipeline.core.memories.stream import GROUP, ROW, TIME, Facts, Items, OfStream, begins, in_order

_COLUMNS: Final = 4


class First(OfStream):
    """An item for each group's earliest row; of several at one moment the same one always wins.

    >>> from pipeline.core.streams import Stream, StreamKind, StreamPart
    >>> first = First(Stream(StreamKind.FIRST, (), (), (), None), reach_ms=0)
    >>> first.resize(1)
    >>> first.apply(np.zeros(2, int), np.array([9_000, 1_000]), np.zeros((2, 2), int))
    >>> first.items(10_000).at_ms.tolist()
    [1000]
    """

    @property
    def _width(self) -> int:
        return _COLUMNS + len(self._stream.columns)

    def _settled(self, facts: Facts) -> Facts:
        facts = in_order(facts)
        return facts[:, begins(facts[ROW], facts[GROUP])]

    def _make(self, facts: Facts) -> Facts:
        return facts[[ROW, TIME, *range(_COLUMNS, self._width)]]

    def _items(self, made: Facts, tick_ms: int) -> Items:
        columns = dict(zip(self._stream.columns, made[2:], strict=True))
        return Items(made[0], made[1], columns)

    def _last_ms(self, facts: Facts) -> Times:
        return np.asarray(facts[TIME])
