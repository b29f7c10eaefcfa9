"""Proxies: does a quick metric move as the slow one does that it stands for?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

CLOSES: Final = 28  # four weeks, so that each weekday counts alike
CLOSES_MIN: Final = 8  # a week and a day: fewer follow a line by chance


def correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Pearson's correlation, -1 to 1; None of fewer than 8 pairs, or where a side never moves.

    >>> correlation([(day, 2 * day) for day in range(8)])
    1.0
    """
    if len(pairs) < CLOSES_MIN:
        return None
    both = np.array(pairs, np.float64)
    if (both == both[0]).all(axis=0).any():  # a mean of equal numbers may be off in its last digit
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # looked at below
        apart = both - both.mean(axis=0)
        spread = np.sqrt((apart**2).sum(axis=0))
    if not spread.all() or not np.isfinite(spread).all():
        return None
    found = float((apart / spread).prod(axis=1).sum())
    return min(1.0, max(-1.0, round(found, 15)))
