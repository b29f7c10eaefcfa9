"""How many different ids, within 1.6 % (one standard error), in 4096 registers.

An id's hash chooses a register, and its rank there: one more than the zeros that lead the rest of
it. Of n ids the highest ranks say about how large n is. After P. Flajolet, É. Fusy, O. Gandouet,
F. Meunier: HyperLogLog, 2007; the estimate is O. Ertl's (arXiv 1702.01284, algorithm 6), which
needs no corrections for small and middling numbers.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

REGISTER_BITS: Final = 12
REGISTERS: Final = 1 << REGISTER_BITS
STANDARD_ERROR: Final = 1.04 / math.sqrt(REGISTERS)
RANK_MAX: Final = 32  # a rank beyond it is one id in four thousand million

_REST_BITS: Final = 64 - REGISTER_BITS


def registers_and_ranks(
    ids: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The register of each id, 0 to 4095, and its rank there, 1 to `RANK_MAX`.

    >>> registers, ranks = registers_and_ranks(np.array([1 << 51, 1, 5 << 52], np.uint64))
    >>> registers.tolist(), ranks.tolist()
    ([0, 0, 5], [1, 32, 32])
    """
    registers = (ids >> np.uint64(_REST_BITS)).astype(np.int64)
    rest = ids & np.uint64((1 << _REST_BITS) - 1)
    _, length = np.frexp(rest.astype(np.float64))  # whole numbers below 2^53, so exactly
    return registers, np.minimum(_REST_BITS + 1 - length.astype(np.int64), RANK_MAX)


def estimate(ranks: NDArray[np.uint8]) -> int:
    """About how many ids gave these highest ranks (0 for a register that saw none).

    >>> estimate(np.zeros(REGISTERS, np.uint8))
    0
    """
    held = np.bincount(ranks, minlength=RANK_MAX + 1).tolist()
    total = REGISTERS * _tau(1 - held[RANK_MAX] / REGISTERS)
    for rank in range(RANK_MAX - 1, 0, -1):
        total = (total + held[rank]) / 2
    total += REGISTERS * _sigma(held[0] / REGISTERS)
    return round(REGISTERS * REGISTERS / (2 * math.log(2) * total))


def _sigma(x: float) -> float:
    """The series x + x² + 2 x⁴ + 4 x⁸ and so on."""
    if x == 1:
        return math.inf
    total, before, weight = x, -1.0, 1.0
    while total != before:
        x, before = x * x, total
        total += x * weight
        weight *= 2
    return total


def _tau(x: float) -> float:
    """A third of the series (1 - x) - (1 - √x)² / 2 - (1 - ⁴√x)² / 4 and so on."""
    if x in (0, 1):
        return 0.0
    total, before, weight = 1 - x, -1.0, 1.0
    while total != before:
        x, before, weight = math.sqrt(x), total, weight / 2
        total -= (1 - x) ** 2 * weight
    return total / 3
