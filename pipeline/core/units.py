"""Units: from event times to the numbers of the calendar's days, weeks or months, at once.

The starts of units are looked up by `windows.unit_start_ms`, a block of them at a time, so that
clock changes, leap days and starts of weeks are right in any zone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.windows import Calendar, unit_of, unit_start_ms

_BLOCK: Final = 64  # units; two months of days, so that a live stream asks for one or two


def units_of(calendar: Calendar, times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the unit that each moment lies in, as `windows.unit_of` numbers them."""
    if not len(times_ms):
        return np.empty(0, np.int64)
    first = unit_of(calendar, int(times_ms.min())) // _BLOCK
    last = unit_of(calendar, int(times_ms.max())) // _BLOCK
    starts = np.concatenate([_starts(calendar, block) for block in range(first, last + 1)])
    return np.searchsorted(starts, times_ms, side="right") - 1 + first * _BLOCK


@lru_cache(maxsize=4096)
def _starts(calendar: Calendar, block: int) -> NDArray[np.int64]:
    units = range(block * _BLOCK, (block + 1) * _BLOCK)
    return np.array([unit_start_ms(calendar, unit) for unit in units], np.int64)
