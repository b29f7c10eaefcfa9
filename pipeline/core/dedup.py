"""Dedup: a message id counts once within the horizon, in each partition.

Ids are remembered by the generation (a quarter of the horizon, in event time) in which they became
visible, and looked for in the newest five. So an id is remembered for the horizon at least and a
quarter longer at most, and which it is depends on the events alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.key_index import KeyIndex
from pipeline.core.memories.memory import NEVER, resized
from pipeline.core.snapshot import Arrays

GENERATIONS: Final = 4
# Forgotten ids are cleared out when they may be half of all, and not before there are this many.
_CLEAR_AT: Final = 1 << 16


class Dedup:
    """The message ids of one partition. `generation_ms` is the length of a generation."""

    def __init__(self, horizon_ms: int) -> None:
        self.generation_ms = max(horizon_ms // GENERATIONS, 1)
        self._index = KeyIndex()
        self._seen = np.empty(0, np.int64)  # generation in which a row's id became visible
        self._clear_at = _CLEAR_AT

    def __len__(self) -> int:
        return len(self._index)

    def duplicates(
        self,
        ids: NDArray[np.uint64],
        visible_ms: NDArray[np.int64],
        watermark_ms: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """Which rows repeat an id. All arrays are in order; id 0 is none; rows are remembered.

        `watermark_ms` is the partition's watermark before each row.
        """
        found = np.zeros(len(ids), np.bool_)
        present = np.flatnonzero(ids)
        if len(present):
            generation = visible_ms[present] // self.generation_ms
            oldest = watermark_ms[present] // self.generation_ms - GENERATIONS
            found[present] = self._repeated(ids[present], generation, oldest)
            self._clear(int(oldest[-1]))
        return found

    def _repeated(
        self, ids: NDArray[np.uint64], generation: NDArray[np.int64], oldest: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        known = len(self._index)
        rows = self._index.rows_for(ids)
        new = len(self._index) - known
        self._seen = resized(self._seen, len(self._index), NEVER)
        if new == len(ids):  # as nearly always: nothing was met before, nor twice
            self._seen[known : known + new] = generation
            return np.zeros(new, np.bool_)
        seen = self._seen[rows]
        repeated = seen >= oldest
        several = self._met_several_times(rows, seen)
        once = ~several & ~repeated
        self._seen[rows[once]] = generation[once]
        for row in np.flatnonzero(several):
            at = rows[row]
            repeated[row] = self._seen[at] >= oldest[row]
            if not repeated[row]:
                self._seen[at] = generation[row]
        return np.asarray(repeated)

    def _met_several_times(
        self, rows: NDArray[np.int64], seen: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which rows of the batch share their id with another; `_seen` is the scratch pad."""
        numbered = np.arange(len(rows))
        self._seen[rows] = numbered
        not_last = self._seen[rows] != numbered
        self._seen[rows] = seen
        if not not_last.any():
            return np.asarray(not_last)
        return np.asarray(np.isin(rows, rows[not_last]))

    def _clear(self, oldest: int) -> None:
        if len(self._index) < self._clear_at:
            return
        kept = self._seen[: len(self._index)] >= oldest
        self._seen = self._seen[: len(self._index)][kept]
        self._index.keep(kept)
        self._clear_at = max(2 * len(self._index), _CLEAR_AT)

    def dump(self) -> Arrays:
        """Everything remembered, as named arrays."""
        return {"ids": self._index.keys, "seen": self._seen[: len(self._index)]}

    def remember(self, other: Dedup) -> None:
        """Take in what another memory of the same records remembers."""
        rows = self._index.rows_for(other._index.keys)
        self._seen = resized(self._seen, len(self._index), NEVER)
        np.maximum.at(self._seen, rows, other._seen[: len(rows)])

    def load(self, arrays: Arrays) -> None:
        """Take the place of an empty memory with what `dump` gave."""
        self._index, self._seen = KeyIndex(arrays["ids"]), arrays["seen"]
