"""Approximate numbers of ids hold the error that the reference states."""

import numpy as np
import pytest
import xxhash

from pipeline.core.cardinality import REGISTERS, STANDARD_ERROR, estimate, registers_and_ranks
from pipeline.core.memories.registers import Registers


def ids(first, count):
    """Ids as the engine hashes them."""
    hashes = (xxhash.xxh3_64_intdigest(b"user-%d" % n) for n in range(first, first + count))
    return np.fromiter(hashes, np.uint64, count)


def estimated(hashes):
    """The estimate from the highest ranks of all of them."""
    registers, ranks = registers_and_ranks(hashes)
    highest = np.zeros(REGISTERS, np.uint8)
    np.maximum.at(highest, registers, ranks.astype(np.uint8))
    return estimate(highest)


@pytest.mark.parametrize("count", [128, 1_000, 5_000, 10_000, 20_000])
def test_the_standard_error_is_as_stated(count):
    """Over forty sets of ids, about where other estimators are biased too; a fixed draw."""
    errors = np.array([estimated(ids(n * count, count)) / count - 1 for n in range(40)])
    assert np.sqrt(np.mean(errors**2)) < 1.3 * STANDARD_ERROR
    assert abs(np.mean(errors)) < STANDARD_ERROR / 2
    assert round(STANDARD_ERROR, 3) == 0.016


def test_a_large_number_is_estimated():
    """Three standard errors at the most; a fixed draw."""
    random = np.random.default_rng(5).integers(1, 2**64, 3_000_000, np.uint64)
    assert abs(estimated(random) / len(np.unique(random)) - 1) < 3 * STANDARD_ERROR


def test_the_memory_takes_no_more_room_than_its_cells():
    """However many others come."""
    registers = Registers(None)
    for first in range(0, 200_000, 20_000):
        others = np.random.default_rng(first).integers(1, 2**64, 20_000, np.uint64)
        registers.apply(np.empty(0, np.int64), np.arange(20_000), others)
    size = sum(array.nbytes for array in registers.dump().values())
    assert size < REGISTERS * 32 * 12 + 128 * 16
