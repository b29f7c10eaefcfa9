"""Quantiles hold the error that the reference states, whatever the values."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core.memories.sketch import Sketch
from pipeline.core.plan import MICROS
from pipeline.core.quantile import BUCKETS_MAX, ERROR_MAX, MICROS_MAX, buckets_of, quantile
from pipeline.core.summaries import Histogram
from pipeline.core.windows import DAY_MS, Trailing

VALUES = st.one_of(
    st.integers(-MICROS_MAX, MICROS_MAX),
    st.integers(-1000, 1000),
    st.sampled_from([0, 1, -1, MICROS_MAX, -MICROS_MAX]),
)
SHARES = st.sampled_from([0.0, 0.07, 0.25, 0.29, 0.5, 0.9, 0.95, 0.99, 1.0])


def exact(micros, q):
    """The value at its rank, from the sorted list."""
    return sorted(micros)[math.floor(Fraction(str(q)) * (len(micros) - 1))] / MICROS


@given(st.lists(VALUES, min_size=1, max_size=60), SHARES)
def test_quantiles_are_within_one_percent_of_the_value_at_their_rank(micros, q):
    """Of large and small values, negative ones and 0."""
    expected = exact(micros, q)
    found = quantile(Histogram.of(buckets_of(np.array(micros))), q)
    assert abs(found - expected) <= ERROR_MAX * abs(expected)


@pytest.mark.parametrize("q", [0.01, 0.5, 0.95, 0.999])
def test_quantiles_of_many_values_are_within_one_percent(q):
    """Response times as they come: most short, a few very long."""
    values = np.random.default_rng(7).lognormal(8, 2, 50_000)
    micros = np.rint(values * MICROS).astype(np.int64)
    expected = exact(micros.tolist(), q)
    found = quantile(Histogram.of(buckets_of(micros)), q)
    assert abs(found - expected) <= ERROR_MAX * expected


def test_every_end_of_a_bucket_is_within_one_percent():
    """Where rounding would show: the whole numbers next to where one bucket becomes the next."""
    ends = np.unique(np.geomspace(1, MICROS_MAX, 40_000).astype(np.int64))
    buckets = buckets_of(ends)
    assert (np.diff(buckets) >= 0).all()
    assert buckets.max() <= BUCKETS_MAX
    found = [quantile(Histogram.of(np.array([bucket])), 0.5) for bucket in buckets]
    assert (np.abs(np.array(found) * MICROS - ends) <= ERROR_MAX * ends).all()


def test_a_sketch_is_bounded_by_its_panes_and_buckets():
    """A hundred thousand values more in the same panes take no more room."""
    window = Trailing(DAY_MS)
    sketch, draw = Sketch(window), np.random.default_rng(3)
    sizes = []
    for _ in range(2):
        for _ in range(64):
            times = draw.integers(0, 100, 2_000) * window.resolution_ms
            micros = draw.choice(np.geomspace(1, 1e6, 50).astype(np.int64), 2_000)
            sketch.apply(np.empty(0, np.int64), times, micros)
        sizes.append(sum(array.nbytes for array in sketch.dump().values()))
    # Runs wait to be merged, sixteen of each size, and hold each pair of bucket and pane once.
    assert max(sizes) < 16 * 2 * 100 * 50 * 12
