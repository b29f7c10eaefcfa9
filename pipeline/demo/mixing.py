"""Numbers that look random and are always the same for the same thing.

A chart's owner or a user's id is worked out from the seed when it is needed, and kept nowhere.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

# SplitMix64, from Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
_STEP: Final = 0x9E3779B97F4A7C15
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_MASK: Final = (1 << 64) - 1


def mixed(seed: int, purpose: str, numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """64 bits for each number, others for every seed and purpose.

    >>> [f"{bits:016x}" for bits in mixed(1, "user", np.arange(2))]
    ['9e9aa73bdfa06279', '50044b5b21d32fc8']
    """
    start = (seed * _STEP ^ zlib.crc32(purpose.encode()) << 32) & _MASK
    bits = numbers.astype(np.uint64) * np.uint64(_STEP) + np.uint64(start)
    bits = (bits ^ bits >> np.uint64(30)) * _FIRST
    bits = (bits ^ bits >> np.uint64(27)) * _SECOND
    return np.asarray(bits ^ bits >> np.uint64(31))


def fraction(seed: int, purpose: str, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number from 0 up to 1 for each number, evenly spread."""
    return np.asarray((mixed(seed, purpose, numbers) >> np.uint64(11)) * 2.0**-53)
