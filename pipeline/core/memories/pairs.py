"""Pairs: when each entity last met each other, for as long as a window can see it.

Serves "different others of the members" of a set that is known only when a tick asks: a member that
leaves takes its others along, and brings them back. So a tick costs what is kept.

The pairs stand in an index of their own (`core/pair_keys.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.key_index import KeyIndex
from pipeline.core.memories.memory import (
    ABSENT_ID,
    NEVER,
    Flags,
    Memory,
    RowNumbers,
    Times,
    resized,
)
from pipeline.core.pair_keys import pair_keys
from pipeline.core.snapshot import Arrays
from pipeline.core.windows import Trailing


class Pairs(Memory):
    """Newest time of each pair (row, other) in a window, or in everything where it is None.

    >>> pairs = Pairs(Trailing(10_000))
    >>> pairs.resize(2)
    >>> others = np.array([7, 7, 8], np.uint64)
    >>> pairs.apply(np.array([0, 1, 1]), np.array([1_000, 5_000, 6_000]), others)
    >>> pairs.expire(12_000)
    >>> pairs.count(np.array([True, True])), pairs.others(np.array([True, True])).tolist()
    (2, [7, 8])
    """

    def __init__(self, window: Trailing | None) -> None:
        self._window = window
        self._index = KeyIndex()
        self._of = np.empty(0, np.int32)
        self._others = np.empty(0, np.uint64)
        self._times = np.empty(0, np.int64)
        self._rows = 0
        self._edge = int(NEVER)

    def resize(self, rows: int) -> None:
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        enter = (column != ABSENT_ID) & (times >= self._edge)
        rows, times, others = rows[enter], times[enter], column[enter]
        places = self._index.rows_for(pair_keys(rows, others))
        room = len(self._index)
        self._of, self._others = resized(self._of, room, 0), resized(self._others, room, ABSENT_ID)
        self._times = resized(self._times, room, NEVER)
        self._of[places], self._others[places] = rows, others
        np.maximum.at(self._times, places, times)

    def count(self, members: Flags) -> int:
        """How many pairs the members have in the window, as of the last `expire`."""
        return int(np.count_nonzero(members[self._of[: len(self._index)]]))

    def others(self, members: Flags) -> NDArray[np.uint64]:
        """The different others of the members, in order."""
        pairs = len(self._index)
        others = np.sort(self._others[:pairs][members[self._of[:pairs]]])
        first = np.ones(len(others), np.bool_)
        first[1:] = others[1:] != others[:-1]
        return others[first]

    def expire(self, tick_ms: int) -> None:
        if self._window is None:
            return
        edge, _ = self._window.span(tick_ms)
        if edge > self._edge:
            self._edge = edge
            self._keep_pairs(self._times[: len(self._index)] >= edge)

    def _keep_pairs(self, kept: Flags) -> None:
        if not kept.all():
            pairs = len(self._index)
            self._of, self._others = self._of[:pairs][kept], self._others[:pairs][kept]
            self._times = self._times[:pairs][kept]
            self._index.keep(kept)

    def vacant(self, tick_ms: int) -> Flags:
        vacant = np.ones(self._rows, np.bool_)
        vacant[self._of[: len(self._index)]] = False
        return vacant

    def keep(self, kept: Flags) -> None:
        self._keep_pairs(kept[self._of[: len(self._index)]])
        renumbered = (np.cumsum(kept) - 1).astype(np.int32)
        self._of = renumbered[self._of[: len(self._index)]]
        self._index = KeyIndex(pair_keys(self._of.astype(np.int64), self._others[: len(self._of)]))
        self._rows = int(np.count_nonzero(kept))

    def dump(self) -> Arrays:
        pairs = len(self._index)
        return {
            "rows": self._of[:pairs],
            "others": self._others[:pairs],
            "times": self._times[:pairs],
            "edge": np.array([self._edge, self._rows], np.int64),
        }

    def load(self, arrays: Arrays) -> None:
        self._of, self._others, self._times = arrays["rows"], arrays["others"], arrays["times"]
        self._index = KeyIndex(pair_keys(self._of.astype(np.int64), self._others))
        self._edge, self._rows = arrays["edge"].tolist()
