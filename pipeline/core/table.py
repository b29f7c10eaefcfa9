"""A table: the entities of one kind in one shard, a row each, and their memories."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.decode import LONG_AGO
from pipeline.core.key_index import KeyIndex
from pipeline.core.memories.memory import ABSENT_ID, Memory, resized
from pipeline.core.windows import DAY_MS

# A table is cleared of vacant rows when it has doubled, and once a day of event time besides.
_CLEAR_AT: Final = 1 << 12

TOLD: Final = -1  # in place of a roll-up: 1 where a member was told of, 0 where not


@dataclass(slots=True)
class Table:
    """The entities of one kind in one shard: a row each.

    `memories` by their number in the plan. `counted[set, roll-up]` is, for each row, whom its
    membership was last counted for (0 nobody).
    """

    index: KeyIndex = field(default_factory=KeyIndex)
    memories: dict[int, Memory] = field(default_factory=dict)
    counted: dict[tuple[int, int], NDArray[np.uint64]] = field(default_factory=dict)
    clear_at: int = _CLEAR_AT
    cleared_ms: int = LONG_AGO

    def rows_for(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The rows of entities; new ones get a row."""
        known = len(self.index)
        rows = self.index.rows_for(keys)
        if len(self.index) > known:
            for memory in self.memories.values():
                memory.resize(len(self.index))
            for key, counted in self.counted.items():
                self.counted[key] = resized(counted, len(self.index), ABSENT_ID)
        return rows

    def clear(self, tick_ms: int) -> None:
        """Give up the rows that remember nothing, if it is time to look for them."""
        if len(self.index) < self.clear_at and tick_ms - self.cleared_ms < DAY_MS:
            return
        rows = len(self.index)
        vacant = np.ones(rows, np.bool_)
        for memory in self.memories.values():
            vacant &= memory.vacant(tick_ms)
        for counted in self.counted.values():
            vacant &= counted[:rows] == ABSENT_ID
        if vacant.any():
            self.index.keep(~vacant)
            for memory in self.memories.values():
                memory.keep(~vacant)
            self.counted = {key: array[:rows][~vacant] for key, array in self.counted.items()}
        self.clear_at, self.cleared_ms = max(2 * len(self.index), _CLEAR_AT), tick_ms
