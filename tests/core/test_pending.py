"""Rows that wait come out at the first tick that may see them, each once."""

import numpy as np
from hypothesis import given, strategies as st

from pipeline.core.match import Rows
from pipeline.core.pending import Pending

PIECES = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(0, 60), max_size=8), st.booleans()),
    max_size=8,
)
STEPS = st.lists(st.one_of(PIECES, st.integers(0, 70)), max_size=12)


def piece(first, visible):
    """Rows numbered from `first` on."""
    numbers = np.arange(first, first + len(visible))
    return Rows(numbers.astype(np.uint64), numbers, np.array(visible, np.int64), (numbers * 2,))


@given(STEPS)
def test_a_tick_takes_what_it_sees_and_leaves_the_rest(steps):
    """Whether spans are told, exact or wide; later ticks go on with what was left."""
    pending, waiting, number = Pending(), {}, 0
    for step in [*steps, 100]:
        if isinstance(step, int):
            taken = dict(pending.take(step))
            seen = {row for row, (_, at) in waiting.items() if at < step}
            assert {
                (feed, row) for feed, rows in taken.items() for row in rows.times_ms.tolist()
            } == {(waiting[row][0], row) for row in seen}
            assert all((rows.columns[0] == rows.times_ms * 2).all() for rows in taken.values())
            waiting = {row: where for row, where in waiting.items() if row not in seen}
        else:
            for feed, visible, told in step:
                pending.put(feed, piece(number, visible), (0, 99) if told else None)
                waiting |= {number + n: (feed, at) for n, at in enumerate(visible)}
                number += len(visible)
        assert len(pending) == len(waiting)
        left = {feed: sorted(rows.times_ms.tolist()) for feed, rows in pending.all()}
        expected = {}
        for row, (feed, _) in waiting.items():
            expected.setdefault(feed, []).append(row)
        assert left == expected
