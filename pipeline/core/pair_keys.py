"""Pair keys: one 64-bit key for a row of a table and an other that it has to do with.

Rows have small numbers; they are spread over all bits as splitmix64 does, whose every input gives
another output. So no two others of one row have the same key, nor two rows of one other; that any
other two pairs meet is as unlikely as that two ids do.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_MIXERS: Final = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST_SHIFT: Final = np.uint64(31)


def pair_keys(rows: NDArray[np.integer], others: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The key of each pair; others are hashes.

    >>> others = np.array([7, 8, 7], np.uint64)
    >>> len(np.unique(pair_keys(np.array([0, 0, 1]), others)))
    3
    """
    key = (rows.astype(np.uint64) + np.uint64(1)) * _STEP
    for shift, factor in _MIXERS:
        key = (key ^ (key >> shift)) * factor
    return (key ^ (key >> _LAST_SHIFT)) ^ others


def distinct_by_row(
    rows: NDArray[np.integer], others: NDArray[np.uint64], count: int
) -> NDArray[np.int64]:
    """How many different others each of `count` rows has.

    Sorted by key, since that takes a tenth of the time that sorting by row and other does.

    >>> distinct_by_row(np.array([1, 1, 1]), np.array([7, 8, 7], np.uint64), 3).tolist()
    [0, 2, 0]
    """
    keys = pair_keys(rows, others)
    order = np.argsort(keys)
    keys = keys[order]
    first = np.ones(len(keys), np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    return np.bincount(rows[order][first], minlength=count)
