"""Parts of shards become the whole in any order and grouping, here and between processes."""

import pickle
from itertools import permutations

import numpy as np
from hypothesis import given, strategies as st

from pipeline.core.partial import Partial, merge
from pipeline.core.snapshot import pack, unpack
from pipeline.core.summaries import IDS_MAX, Histogram, Range, Ranks, Split

RANGES = st.builds(
    lambda first, second: Range(min(first, second), max(first, second)),
    st.integers(-9, 9),
    st.integers(-9, 9),
)
HISTOGRAMS = st.lists(st.integers(-5, 5), max_size=8).map(
    lambda numbers: Histogram.of(np.array(numbers, np.int64))
)
IDS = st.none() | st.sets(st.integers(0, 300), max_size=100).map(
    lambda ids: np.array(sorted(ids), np.uint64)
)
RANKS = st.builds(
    lambda ids, ranks: Ranks(ids, np.array(ranks, np.uint8)),
    IDS,
    st.lists(st.integers(0, 52), min_size=3, max_size=3),
)
SPLITS = st.dictionaries(
    st.integers(0, 3), st.tuples(st.integers(1, 9), HISTOGRAMS), max_size=3
).map(Split)
PARTS = st.builds(
    Partial,
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.integers(), st.integers()),
    st.none() | st.integers(0, 9),
    st.fixed_dictionaries({}, optional={0: RANGES, 1: HISTOGRAMS, 2: RANKS, 3: SPLITS}),
)


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_parts_of_shards_add_up_in_any_order(parts):
    """Counts and sums are added, the earliest moment is the least that is known."""
    known = [part.earliest_ms for part in parts if part.earliest_ms is not None]
    whole = merge(parts)
    assert whole.counts == tuple(map(sum, zip(*(part.counts for part in parts), strict=True)))
    assert whole.micros == tuple(map(sum, zip(*(part.micros for part in parts), strict=True)))
    assert whole.earliest_ms == min(known, default=None)
    assert all(whole == merge(order) for order in permutations(parts))


@given(PARTS, PARTS, PARTS)
def test_parts_add_up_in_any_grouping(one, two, three):
    """A shard adds what the level below came to before compose adds the shards."""
    assert merge([merge([one, two]), three]) == merge([one, merge([two, three])])


@given(PARTS)
def test_a_part_travels_between_processes(part):
    """Bytewax pickles what goes from step to step."""
    assert pickle.loads(pickle.dumps(part)) == part  # noqa: S301 - our own


@given(PARTS)
def test_a_part_is_saved_and_found_again(part):
    """It lies among the facts of a snapshot, which are JSON."""
    _, facts = unpack(pack({}, {"part": part.plain()}))
    assert Partial.of_plain(facts["part"]) == part


def test_parts_saved_before_there_were_summaries_are_read():
    """State of the first release goes on."""
    assert Partial.of_plain([[1], [2], 3]) == Partial((1,), (2,), 3)


@given(st.lists(st.integers(-5, 5), max_size=9), st.lists(st.integers(-5, 5), max_size=9))
def test_histograms_merge_to_that_of_all_numbers(left, right):
    """What is counted apart is what would be counted at once."""
    whole = Histogram.of(np.array(left + right, np.int64))
    parts = [Histogram.of(np.array(numbers, np.int64)) for numbers in (left, right)]
    assert parts[0].merge(parts[1]) == whole


def test_ids_are_told_apart_up_to_a_limit():
    """One more than that, in whichever shards, and only the ranks are left."""
    ids = np.arange(IDS_MAX + 1, dtype=np.uint64)
    ranks = np.zeros(3, np.uint8)
    few = Ranks(ids[:100], ranks).merge(Ranks(ids[50:-1], ranks))
    assert few.ids is not None
    assert len(few.ids) == IDS_MAX
    assert few.merge(Ranks(ids[-1:], ranks)).ids is None
