"""Names: the texts that were seen first, so that segments have a fixed number of names.

The few with the smallest moments of becoming visible, ties by the text itself, are kept for ever,
and nothing of any other text. What was pushed out cannot come back: those before it only ever get
more. So the names at a tick are decided by what was visible before it, and by no order of arrival.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import Flags, Memory, RowNumbers, Times
from pipeline.core.snapshot import Arrays


class Names(Memory):
    """The `k` rows seen first; each row of the table is a text.

    `apply` takes moments of becoming visible as its times, and texts as bytes (UTF-8).

    >>> names = Names(k=2)
    >>> names.resize(3)
    >>> names.apply(np.array([0, 1, 2]), np.array([30, 10, 20]), np.array([b"c", b"a", b"b"]))
    >>> [array.tolist() for array in names.first()]
    [[1, 2], [10, 20], [b'a', b'b']]
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self._rows = 0
        self._set(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, "S1"))

    def _set(self, of: RowNumbers, since_ms: Times, texts: NDArray[np.bytes_]) -> None:
        self._of, self._since_ms, self._texts = of, since_ms, texts

    def first(self) -> tuple[RowNumbers, Times, NDArray[np.bytes_]]:
        """The rows, since when they are visible, and their texts; the first one first."""
        return self._of, self._since_ms, self._texts

    def resize(self, rows: int) -> None:
        self._rows = rows

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        rows = np.concatenate([self._of, rows])
        since_ms = np.concatenate([self._since_ms, times])
        texts = np.concatenate([self._texts, column])
        earliest = np.lexsort((since_ms, rows))
        _, first = np.unique(rows[earliest], return_index=True)
        chosen = earliest[first]
        chosen = chosen[np.lexsort((texts[chosen], since_ms[chosen]))][: self._k]
        self._set(rows[chosen], since_ms[chosen], texts[chosen])

    def expire(self, tick_ms: int) -> None:
        pass  # never forgotten

    def vacant(self, tick_ms: int) -> Flags:
        vacant = np.ones(self._rows, np.bool_)
        vacant[self._of] = False
        return vacant

    def keep(self, kept: Flags) -> None:
        stay = kept[self._of]
        renumbered = np.cumsum(kept) - 1
        self._set(renumbered[self._of[stay]], self._since_ms[stay], self._texts[stay])
        self._rows = int(np.count_nonzero(kept))

    def dump(self) -> Arrays:
        return {
            "of": self._of,
            "since_ms": self._since_ms,
            "texts": self._texts,
            "rows": np.array([self._rows]),
        }

    def load(self, arrays: Arrays) -> None:
        self._set(arrays["of"], arrays["since_ms"], arrays["texts"])
        self._rows = int(arrays["rows"][0])
