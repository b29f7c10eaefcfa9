"""Ids: what entities are called by those who are told of them.

The one memory that holds raw ids, there for sets with `transitions` alone. A hash has one text, so
the smallest that was seen is the only one, and no order of arrival matters. A text goes when its
row does.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.memories.memory import Flags, Memory, RowNumbers, Times, resized
from pipeline.core.snapshot import Arrays

_UNKNOWN: Final = b""


class Ids(Memory):
    """The id of each row, as UTF-8; empty where it has not been seen yet.

    `holds_rows` keeps the rows whose id is known, for tables where ids come before anything else
    is remembered. `apply` takes ids as bytes.

    >>> ids = Ids(holds_rows=False)
    >>> ids.resize(2)
    >>> ids.apply(np.array([1]), np.array([0]), np.array([b"ann"]))
    >>> ids.texts(np.array([0, 1]))
    ['', 'ann']
    """

    def __init__(self, *, holds_rows: bool) -> None:
        self._holds_rows = holds_rows
        self._rows = 0
        self._texts: NDArray[np.object_] = np.empty(0, np.object_)

    def texts(self, rows: RowNumbers) -> list[str]:
        """The ids of some rows."""
        return [text.decode() for text in self._texts[rows].tolist()]

    def resize(self, rows: int) -> None:
        self._rows = rows
        self._texts = resized(self._texts, rows, _UNKNOWN)

    def apply(self, rows: RowNumbers, times: Times, column: NDArray[Any] | None) -> None:
        assert column is not None
        order = np.lexsort((column, rows))
        distinct, first = np.unique(rows[order], return_index=True)
        texts = column[order][first].astype(np.object_)
        known = self._texts[distinct]
        better = (known == _UNKNOWN) | (texts < known)
        self._texts[distinct[better]] = texts[better]

    def expire(self, tick_ms: int) -> None:
        pass  # goes with its row

    def vacant(self, tick_ms: int) -> Flags:
        if not self._holds_rows:
            return np.ones(self._rows, np.bool_)
        return np.asarray(self._texts[: self._rows] == _UNKNOWN, np.bool_)

    def keep(self, kept: Flags) -> None:
        self._texts = self._texts[: self._rows][kept]
        self._rows = len(self._texts)

    def dump(self) -> Arrays:
        texts = self._texts[: self._rows].tolist()
        return {
            "sizes": np.fromiter(map(len, texts), np.int64, len(texts)),
            "bytes": np.frombuffer(b"".join(texts), np.uint8),
        }

    def load(self, arrays: Arrays) -> None:
        sizes = arrays["sizes"]
        whole, ends = arrays["bytes"].tobytes(), np.cumsum(sizes)
        cut = zip((ends - sizes).tolist(), ends.tolist(), strict=True)
        self._rows = len(sizes)
        self._texts = np.empty(self._rows, np.object_)
        self._texts[:] = [whole[start:end] for start, end in cut]
