"""Units of the calendar: numbered through, and right in any zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.core.units import units_of
from pipeline.core.windows import (
    DAY_MS,
    Calendar,
    Unit,
    Units,
    unit_of,
    unit_start_ms,
    units_within,
)

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"]
FIRST_MS, LAST_MS = 946_684_800_000, 4_102_444_800_000  # 2000 to 2100
TIMES = st.lists(st.integers(FIRST_MS, LAST_MS - 1), max_size=5)
calendars = st.builds(
    Calendar,
    st.sampled_from([Unit.DAY, Unit.WEEK, Unit.MONTH]),
    st.sampled_from(ZONES),
    st.integers(0, 6),
)


def day_in(zone, time_ms):
    """The date that a clock on the wall shows."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    return moment.astimezone(ZoneInfo(zone)).date()


def named(calendar, day):
    """What people call the unit of a day: its first day."""
    if calendar.unit is Unit.DAY:
        return day
    if calendar.unit is Unit.WEEK:
        return day - timedelta(days=(day.weekday() - calendar.week_starts) % 7)
    return day.replace(day=1)


@given(calendars, TIMES)
def test_a_unit_is_what_the_clock_on_the_wall_says(calendar, times_ms):
    """Clock changes, leap days and starts of weeks, for all moments at once."""
    found = units_of(calendar, np.array(times_ms, np.int64))
    starts = [day_in(calendar.zone, unit_start_ms(calendar, int(unit))) for unit in found]
    assert starts == [named(calendar, day_in(calendar.zone, time)) for time in times_ms]


@given(calendars, st.integers(FIRST_MS, LAST_MS - 1), st.integers(-1, 1))
def test_units_are_numbered_through_and_begin_at_their_start(calendar, time_ms, by):
    """To the millisecond, one at a time as well as all at once."""
    unit = unit_of(calendar, time_ms)
    start_ms = unit_start_ms(calendar, unit)
    assert start_ms <= time_ms < unit_start_ms(calendar, unit + 1)
    assert unit_of(calendar, start_ms) == unit
    assert unit_of(calendar, start_ms - 1) == unit - 1
    near = start_ms + by
    assert units_of(calendar, np.array([near, time_ms])).tolist() == [unit_of(calendar, near), unit]


def test_a_day_that_a_zone_skipped_is_nobodys():
    """Samoa went from 29 to 31 December 2011."""
    calendar = Calendar(Unit.DAY, "Pacific/Apia", 0)
    change_ms = 1_325_239_200_000
    days = units_of(calendar, np.array([change_ms - 1, change_ms]))
    assert [date.fromordinal(day).day for day in days] == [29, 31]


@pytest.mark.parametrize("unit", [Unit.DAY, Unit.WEEK, Unit.MONTH])
@given(st.integers(1, 366), st.integers(FIRST_MS, LAST_MS - 1))
def test_a_window_of_units_is_within_its_reach(unit, of, tick_ms):
    """What can be seen is never too old, and the reach says how many units it is for."""
    window = Units(Calendar(unit, "America/New_York", 6), of)
    start_ms, end_ms = window.span(tick_ms)
    assert end_ms - start_ms <= window.reach_ms
    assert units_within(window.calendar, window.reach_ms) == of


def test_the_running_unit_is_empty_at_its_start():
    """A window of one unit covers nothing at midnight."""
    window = Units(Calendar(Unit.DAY, "UTC", 0), 1)
    assert window.span(3 * DAY_MS) == (3 * DAY_MS, 3 * DAY_MS)
    assert str(window) == "last 1 days"
