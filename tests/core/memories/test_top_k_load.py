"""What was kept of a number of others is loaded where more, or fewer, are asked for."""

import numpy as np
from hypothesis import given, strategies as st

from pipeline.core.memories.top_k import TopK

ROWS = 3
REACH_MS = 1_000
events = st.lists(
    st.tuples(st.integers(0, ROWS - 1), st.integers(0, 40), st.integers(1, 6)), max_size=40
)


def applied(memory, history):
    """A memory that has taken in some events."""
    memory.resize(ROWS)
    if history:
        rows, times, others = zip(*history, strict=True)
        memory.apply(
            np.array(rows, np.int64), np.array(times, np.int64), np.array(others, np.uint64)
        )
    return memory


def asked(memory, most):
    """Whether each row has each number of others since each moment, one left out or nobody."""
    return [
        memory.at_least(start, least, left_out).tolist()
        for start in range(0, 42, 3)
        for least in range(1, most)
        for left_out in (None, np.array([1, 2, 3], np.uint64))
    ]


@given(st.integers(2, 5), st.integers(2, 5), events, events)
def test_as_many_others_are_known_as_both_have_kept(kept, wanted, before, after):
    """As if the smaller of the two numbers had been kept all the time."""
    loaded = TopK(wanted, REACH_MS)
    loaded.load(applied(TopK(kept, REACH_MS), before).dump())
    applied(loaded, after)
    whole = applied(applied(TopK(5, REACH_MS), before), after)
    assert asked(loaded, min(kept, wanted)) == asked(whole, min(kept, wanted))


@given(st.integers(2, 5), st.integers(2, 5), events, events)
def test_what_came_later_is_known_for_all_that_are_wanted(kept, wanted, before, after):
    """Others that were met after everything before count up to the larger number."""
    later = [(row, time + 100, other) for row, time, other in after]
    loaded = TopK(wanted, REACH_MS)
    loaded.load(applied(TopK(kept, REACH_MS), before).dump())
    applied(loaded, later)
    whole = applied(applied(TopK(wanted, REACH_MS), before), later)
    for start in range(100, 142, 3):
        for least in range(1, wanted):
            assert loaded.at_least(start, least).tolist() == whole.at_least(start, least).tolist()
