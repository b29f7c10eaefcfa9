"""The fence lets each row in once, however often and in whatever pieces it comes."""

from itertools import pairwise

import numpy as np
from hypothesis import given, strategies as st

from pipeline.core.fence import Fence
from pipeline.core.match import Rows, joined, place

LOG = 30
PARTITIONS = 3
FEED = 7


def rows(partition, first, end):
    """One row for every other offset of a span: what a shard gets of a poll."""
    offsets = np.arange(first, end)
    offsets = offsets[offsets % 2 == partition % 2]
    places = np.array([place(partition, offset) for offset in offsets], np.int64)
    return Rows(places.astype(np.uint64), offsets, offsets, (offsets * 10,), places)


def polls(cuts):
    """The spans from cut to cut of a log, from the start to the end."""
    bounds = sorted({0, LOG, *cuts})
    return [*pairwise(bounds)]


CUTS = st.lists(st.integers(1, LOG - 1), max_size=5)
RUNS = st.lists(st.tuples(CUTS, st.integers(0, LOG)), min_size=1, max_size=4)


@given(st.lists(RUNS, min_size=PARTITIONS, max_size=PARTITIONS))
def test_each_row_enters_once(runs_of_partitions):
    """Read from the start again and again, cut anew each time; several partitions interleaved."""
    fence, entered = Fence(), []
    for partition, runs in enumerate(runs_of_partitions):
        for cuts, stops_at in [*runs, ([], LOG)]:
            for first, end in polls([*cuts, stops_at]):
                if first < stops_at:
                    piece = rows(partition, first, end)
                    admitted = fence.admit({partition: (first, end)}, {FEED: piece})
                    entered += admitted[FEED].places.tolist()
    expected = [row for number in range(PARTITIONS) for row in rows(number, 0, LOG).places.tolist()]
    assert entered == expected
    assert fence.next_offsets == dict.fromkeys(range(PARTITIONS), LOG)


@given(st.lists(st.integers(0, LOG), min_size=PARTITIONS, max_size=PARTITIONS))
def test_a_delivery_of_several_partitions_is_cut_for_each(known):
    """Of every partition the rows beyond its own offset enter, with their columns."""
    fence = Fence(dict(enumerate(known)))
    whole = joined([rows(number, 0, LOG) for number in range(PARTITIONS)])
    spans = dict.fromkeys(range(PARTITIONS), (0, LOG))
    entered = fence.admit(spans, {FEED: whole})[FEED]
    expected = joined([rows(number, first, LOG) for number, first in enumerate(known)])
    assert entered.places.tolist() == expected.places.tolist()
    assert entered.keys.tolist() == expected.keys.tolist()
    assert entered.columns[0].tolist() == expected.columns[0].tolist()


def test_a_partition_without_rows_for_us_is_fenced_too():
    """Offsets count as taken in though none of their rows was for this shard."""
    fence = Fence()
    assert fence.admit({0: (0, 5)}, {}) == {}
    assert fence.next_offsets == {0: 5}
    admitted = fence.admit({0: (3, 9)}, {FEED: rows(0, 3, 9)})
    assert admitted[FEED].times_ms.tolist() == [6, 8]
