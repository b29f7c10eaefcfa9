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
        if keys is not None:
            self._fill(keys)

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
            rows[missing] = self._insert(keys[missing])
        return rows

    def _insert(self, keys: Keys) -> RowNumbers:
        """Rows for keys that are not known, some of them several times.

        The first of each that comes to a free slot claims it, by its own number below all rows;
        the others of its kind find it there, and all others move on.
        """
        self._make_room(len(keys))
        mask = len(self._slots) - 1
        first = np.arange(len(keys))
        place = (keys & np.uint64(mask)).astype(np.int64)
        waiting = first.copy()
        while len(waiting):
            at = place[waiting]
            free = self._slots[at] == _FREE
            self._slots[at[free][::-1]] = _FREE - 1 - waiting[free][::-1]
            holder = _FREE - 1 - self._slots[at].astype(np.int64)
            settled = (holder >= 0) & (keys[np.maximum(holder, 0)] == keys[waiting])
            first[waiting[settled]] = holder[settled]
            waiting = waiting[~settled]
            place[waiting] = (place[waiting] + 1) & mask
        new = np.flatnonzero(first == np.arange(len(keys)))
        rows = np.arange(self._count, self._count + len(new))
        self._slots[place[new]] = rows
        self._keys[rows] = keys[new]
        self._count += len(new)
        row_of = np.empty(len(keys), np.int64)
        row_of[new] = rows
        return row_of[first]

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Drop the rows where `kept` is false; the others close up in order."""
        self._fill(self.keys[kept])

    def _fill(self, keys: Keys) -> None:
        """Start anew with keys that are distinct."""
        self._keys, self._count = np.empty(0, np.uint64), 0
        self._slots = np.full(_SMALLEST, _FREE, np.int32)
        if len(keys):
            self._make_room(len(keys))
            self._keys[: len(keys)] = keys
            self._count = len(keys)
            self._place(np.arange(len(keys)))

    def _make_room(self, more: int) -> None:
        """Have slots and rows for so many more keys."""
        wanted = self._count + more
        if wanted > len(self._keys):
            roomy = np.empty(max(wanted, 2 * len(self._keys)), np.uint64)
            roomy[: self._count] = self.keys
            self._keys = roomy
        slots = len(self._slots)
        while slots < 2 * wanted:
            slots *= 2
        if slots > len(self._slots):
            self._slots = np.full(slots, _FREE, np.int32)
            self._place(np.arange(self._count))

    def _place(self, rows: RowNumbers) -> None:
        """Give every row a slot; of several that want the same, one wins and the rest move on."""
        mask = len(self._slots) - 1
        place = (self._keys[rows] & np.uint64(mask)).astype(np.int64)
        while len(rows):
            free = self._slots[place] == _FREE
            self._slots[place[free]] = rows[free]
            placed = self._slots[place] == rows
            rows, place = rows[~placed], (place[~placed] + 1) & mask
