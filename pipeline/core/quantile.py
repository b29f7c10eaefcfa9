"""Quantiles within one percent: values in buckets that grow by a fixed factor.

Bucket i holds the magnitudes in (G^(i-1), G^i] millionths, and stands for 2 G^i / (G + 1), from
which its ends are equally far in proportion. Negative values have the same buckets below 0, and 0
has its own. After C. Masson, J. Rim, H. Lee: DDSketch, VLDB 2019.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.plan import MICROS
from pipeline.core.summaries import Histogram

ERROR_MAX: Final = 0.01  # of a value, relative
_ERROR: Final = 0.0099  # a little less, so that rounding at a bucket's end breaks no promise
_GROWTH: Final = (1 + _ERROR) / (1 - _ERROR)
_LOG_GROWTH: Final = math.log(_GROWTH)

MICROS_MAX: Final = 1 << 53  # a value's magnitude, see `decode.VALUE_MAX`
BUCKETS_MAX: Final = math.ceil(math.log(MICROS_MAX) / _LOG_GROWTH) + 1  # on either side of 0


def buckets_of(micros: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bucket of each value, -`BUCKETS_MAX` to `BUCKETS_MAX`.

    >>> buckets_of(np.array([0, 1, -1, 1_000_000])).tolist()
    [0, 1, -1, 699]
    """
    magnitude = np.maximum(np.abs(micros), 1).astype(np.float64)
    bucket = np.ceil(np.log(magnitude) / _LOG_GROWTH).astype(np.int64) + 1
    return np.sign(micros) * bucket


def quantile(buckets: Histogram, q: float) -> float:
    """About the value at rank floor(q (n - 1)) of n, counted from 0; n is not 0.

    >>> values = np.array([3, 1, 2, 4, 100]) * MICROS
    >>> round(quantile(Histogram.of(buckets_of(values)), 0.5), 2)
    3.02
    """
    rank = math.floor(Fraction(repr(q)) * (int(buckets.counts.sum()) - 1))
    place = int(np.searchsorted(np.cumsum(buckets.counts), rank, side="right"))
    return _middle(int(buckets.numbers[place]))


def _middle(bucket: int) -> float:
    if bucket == 0:
        return 0.0
    magnitude = 2 * math.exp((abs(bucket) - 1) * _LOG_GROWTH) / (_GROWTH + 1) / MICROS
    return math.copysign(magnitude, bucket)
