"""The order of refusals: of several faults of a record the first in the reference counts."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.records import Reason, Rejected

Flags = NDArray[np.bool_]


class Refusals:
    """The first reason found against each row."""

    _REASONS: Final = tuple(Reason)

    def __init__(self, rows: int) -> None:
        self._found = np.zeros(rows, np.uint8)  # 0, or 1 + the reason's place in the list

    @property
    def none(self) -> Flags:
        """The rows that nothing was found against."""
        return np.asarray(self._found == 0)

    def add(self, reason: Reason, against: Flags) -> None:
        """Hold a reason against rows, unless another was there before."""
        if against.any():
            self._found[against & self.none] = 1 + self._REASONS.index(reason)

    def put_into(self, rejected: Rejected, at: NDArray[np.int64]) -> None:
        """Tell the refused rows by reason; `at` is which record each row was."""
        for found in np.flatnonzero(np.bincount(self._found)).tolist():
            if found:
                rejected.add(self._REASONS[found - 1], at[self._found == found])
