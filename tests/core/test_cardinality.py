"""Approximate numbers of ids hold the error that the reference states."""

import numpy as np
import pytest
import xxhash

from pipeline.core.cardinality import REGISTERS, STANDARD_ERROR, estimate, registers_and_ranks
from pipeline.core.memories.registers import Registers
from pipeline.core.memories.registers_by import RegistersBy
from pipeline.core.summaries import Ranks
from pipeline.core.windows import Trailing


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


def test_by_text_it_is_as_if_each_text_were_asked_for_alone():
    """With few ids and with many, in a window that moves on; together texts are the whole."""
    luck = np.random.default_rng(3)
    window = Trailing(100_000)
    by, alone = RegistersBy(window, 101_000), [Registers(window) for _ in range(4)]
    by.resize(3)
    for first_ms in range(0, 400_000, 40_000):
        rows = luck.choice(3, 3_000, p=[0.9, 0.09, 0.01])
        times = luck.integers(first_ms, first_ms + 60_000, 3_000)
        others = ids(0, 4_000)[luck.integers(0, 4_000, 3_000)]
        by.apply(rows, times, others)
        for row, each in enumerate(alone):
            of = rows == row if row < 3 else rows >= 0
            each.apply(np.empty(0, np.int64), times[of], others[of])
        for each in (by, *alone):
            each.expire(first_ms + 60_000)
        found = dict(by.since(window.span(first_ms + 60_000)[0]))
        expected = [each.figures(0)[2] for each in alone]
        assert [found[0], found[1], found[2]] == expected[:3]
        assert Ranks.merged([*found.values()]) == expected[3]
