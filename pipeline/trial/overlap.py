"""Overlap: whom both metrics count, and whom only one of them does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many entities both count, only the candidate, and only the present metric."""

    both: int
    only_candidate: int
    only_present: int

    @property
    def jaccard(self) -> float | None:
        """The share of all whom both count, 0 to 1; None where there is nobody.

        >>> Overlap(1, 2, 1).jaccard, Overlap(0, 0, 0).jaccard
        (0.25, None)
        """
        everybody = self.both + self.only_candidate + self.only_present
        return self.both / everybody if everybody else None


def overlap(candidate: NDArray[np.uint64], present: NDArray[np.uint64]) -> Overlap:
    """The overlap of two arrays of hashed ids, in any order, none of them twice in one array.

    >>> overlap(np.array([5, 7, 9], np.uint64), np.array([9, 4], np.uint64))
    Overlap(both=1, only_candidate=2, only_present=1)
    """
    both = len(np.intersect1d(candidate, present, assume_unique=True))
    return Overlap(both, len(candidate) - both, len(present) - both)
