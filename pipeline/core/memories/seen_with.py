"""SeenWith: the texts that each entity's events bore, each with its newest time.

Serves "how many different users on each plan": an entity was seen with a text in `[start, T)`
exactly if the newest time of the two is at or after `start`. An entity may have any number of
texts, so the pairs stand in a table of their own (`core/pair_keys.py`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.key_index import KeyIndex
from pipeline.core.memories.memory import NEVER, Flags, Memory, RowNumbers, Times, resized
from pipeline.core.pair_keys import pair_keys
from pipeline.core.snapshot import Arrays
from pipeline.core.texts import known_texts
from pipeline.core.windows import Trailing

_CLEAR_AT: Final = 1 << 12  # pairs; they are cleared of what no window sees when they have doubled


class SeenWith(Memory):
    """Newest time by row and text, over a trailing window, or for ever where `window` is None.

    >>> seen = SeenWith(None)
    >>> seen.resize(2)
    >>> seen.apply(np.array([0, 1, 0]), np.array([50, 10, 20]), np.array([7, 7, 8]))
    >>> [array.tolist() for array in seen.since(20)]
    [[0, 0], [7, 8]]
    """

    def __init__(self, window: Trailing | None) -> None:
        self._window = window
        self._edge_ms = int(NEVER)  # what is older, no window sees any more
        self._rows = 0
        self._clear_at = _CLEAR_AT
        self._set(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))

    def _set(self, of: RowNumbers, texts: NDArray[np.int64], newest: Times) -> None:
        self._index = KeyIndex(pair_keys(of, texts.view(np.uint64)))
        self._of, self._texts, self._newest = of, texts, newest

    def resize(self, rows: int) -> None:
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        texts = known_texts(column)
        pairs = self._index.rows_for(pair_keys(rows, texts.view(np.uint64)))
        count = len(self._index)
        self._of = resized(self._of, count, 0)
        self._texts = resized(self._texts, count, 0)
        self._newest = resized(self._newest, count, NEVER)
        self._of[pairs], self._texts[pairs] = rows, texts
        np.maximum.at(self._newest, pairs, times)

    def since(self, start_ms: int) -> tuple[RowNumbers, NDArray[np.int64]]:
        """The rows seen at or after `start_ms` with the text of each, rising by both."""
        alive = np.flatnonzero(self._seen(start_ms))
        rows, texts = self._of[alive], self._texts[alive]
        order = np.lexsort((texts, rows))
        return rows[order], texts[order]

    def expire(self, tick_ms: int) -> None:
        if self._window is None:
            return
        self._edge_ms = self._window.span(tick_ms)[0]
        if len(self._index) >= self._clear_at:
            self._take(self._seen(self._edge_ms))
            self._clear_at = max(2 * len(self._index), _CLEAR_AT)

    def _seen(self, start_ms: int) -> Flags:
        return np.asarray(self._newest[: len(self._index)] >= start_ms)

    def _take(self, kept: Flags) -> None:
        count = len(self._index)
        self._set(self._of[:count][kept], self._texts[:count][kept], self._newest[:count][kept])

    def vacant(self, tick_ms: int) -> Flags:
        vacant = np.ones(self._rows, np.bool_)
        edge_ms = self._edge_ms if self._window is None else self._window.span(tick_ms)[0]
        vacant[self._of[: len(self._index)][self._seen(edge_ms)]] = False
        return vacant

    def keep(self, kept: Flags) -> None:
        self._take(kept[self._of[: len(self._index)]])
        renumbered = np.cumsum(kept) - 1
        self._set(renumbered[self._of], self._texts, self._newest)
        self._rows = int(np.count_nonzero(kept))

    def dump(self) -> Arrays:
        seen = np.flatnonzero(self._seen(self._edge_ms))
        return {
            "of": self._of[seen],
            "texts": self._texts[seen],
            "newest": self._newest[seen],
            "rows": np.array([self._rows]),
        }

    def load(self, arrays: Arrays) -> None:
        self._set(arrays["of"], arrays["texts"], arrays["newest"])
        self._rows = int(arrays["rows"][0])
