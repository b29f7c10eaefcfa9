"""The trail keeps little, and the right things."""

import pytest

from pipeline.core.compose import Reading
from pipeline.core.publish import Tick
from pipeline.core.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from pipeline.terminal.trail import HORIZON_MS, TICKS_MAX, Trail, by_column


def tick(at_ms, value=0, coverage=1.0):
    """A tick of one metric."""
    return Tick(at_ms, (Reading(value, None, None, 1, coverage, None),), ())


@pytest.mark.parametrize("step_ms", [SECOND_MS, 5 * SECOND_MS, 10 * MINUTE_MS, HOUR_MS])
def test_it_stays_short_and_reaches_back(step_ms):
    """However often ticks come, some hundreds of them cover the horizon, evenly."""
    trail = Trail()
    end_ms = min(20_000 * step_ms, 40 * DAY_MS)
    for at_ms in range(0, end_ms, step_ms):
        trail.take(tick(at_ms))

    kept = [one.at_ms for one in trail.ticks]
    assert len(kept) <= TICKS_MAX
    assert kept[0] <= max(0, end_ms - HORIZON_MS + HOUR_MS)
    assert trail.newest.at_ms == end_ms - step_ms


def test_history_in_long_steps_does_not_push_out_the_present():
    """A week in hours and a day in seconds stand side by side."""
    trail = Trail()
    for hour in range(7 * 24):
        trail.take(tick(hour * HOUR_MS, hour))
    for second in range(0, 24 * 3600, 10):
        trail.take(tick(7 * DAY_MS + second * SECOND_MS, 1_000))

    assert trail.before(7 * DAY_MS).readings[0].value in {23, 24}
    assert trail.before(DAY_MS).readings[0].value in {166, 167, 1_000}


def test_no_past_is_made_up():
    """A tick much older than asked for is no answer."""
    trail = Trail()
    assert trail.before(DAY_MS) is None

    trail.take(tick(0))
    trail.take(tick(10 * DAY_MS))

    assert trail.before(7 * DAY_MS) is None
    assert trail.before(10 * DAY_MS).at_ms == 0


def test_partly_watched_readings_are_left_out_once_there_are_others():
    """They would draw a rise that never was."""
    trail = Trail()
    trail.take(tick(0, 1, coverage=0.2))
    trail.take(tick(HOUR_MS, 2, coverage=0.6))
    assert trail.since(0, DAY_MS)[-1] == (HOUR_MS, 2)
    assert trail.since(0, DAY_MS)[0] == (0, 1)

    trail.take(tick(2 * HOUR_MS, 3))

    assert {value for _, value in trail.since(0, DAY_MS)} == {3}


def test_columns_are_equal_stretches_of_time():
    """The first and the last column are always there; a gap stays a gap."""
    assert by_column([], 3) == [None, None, None]
    assert by_column([(5, 1)], 3) == [1, None, None]
    assert by_column([(0, 1), (10, 2), (99, 3)], 4) == [2, None, None, 3]
