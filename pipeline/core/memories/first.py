"""First: each entity's earliest row ever, or that of each of its groups. It is never forgotten."""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.core.memories.memory import ABSENT_MICROS, RowNumbers, Times
from pipeline.core.memories.stream import GROUP, ROW, TIME, Facts, Items, OfStream, begins, in_order

_COLUMNS: Final = 4
_THE_ONLY_GROUP: Final = 1  # of an entity whose rows share no other id


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

    @property
    def begun(self) -> RowNumbers:
        """The rows that have an item."""
        self._refresh()
        return np.unique(self._facts[ROW])

    def had_first(self, rows: RowNumbers, times: Times) -> None:
        """Take in that entities had a first row then, of which nothing else is known.

        At one moment a row of an event is the first.
        """
        stream = self._stream
        column = np.full((2 + len(stream.columns), len(rows)), ABSENT_MICROS)
        column[0], column[1] = _THE_ONLY_GROUP, len(stream.parts)
        self.apply(rows, times, column)

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
