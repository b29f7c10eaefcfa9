"""Spans of windows, held to the reference's wording and to a calendar walked day by day."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from pipeline.core.windows import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    RESOLUTIONS_MS,
    SECOND_MS,
    Calendar,
    Trailing,
    Unit,
    duration,
    resolution_ms,
)

# With the day their weeks start on: Monday is 0.
ZONES = {
    "UTC": 0,
    "Europe/Berlin": 6,
    "America/New_York": 5,
    "America/Sao_Paulo": 4,
    "Asia/Kathmandu": 3,
    "Australia/Lord_Howe": 2,
    "Africa/Cairo": 1,
    "Asia/Beirut": 6,
}
FIRST, LAST = date(2018, 6, 1), date(2033, 1, 1)
FIRST_ASKED, LAST_ASKED = date(2019, 1, 1), date(2032, 12, 31)


def ms(text):
    """Milliseconds of a moment written in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


# ── trailing ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("size_ms", "expected_ms"),
    [
        (SECOND_MS, SECOND_MS),
        (HOUR_MS, SECOND_MS),
        (5_000 * SECOND_MS - 1, SECOND_MS),
        (5_000 * SECOND_MS, 5 * SECOND_MS),
        (10_000 * SECOND_MS - 1, 5 * SECOND_MS),
        (10_000 * SECOND_MS, 10 * SECOND_MS),
        (30_000 * SECOND_MS - 1, 10 * SECOND_MS),
        (30_000 * SECOND_MS, 30 * SECOND_MS),
        (1_000 * MINUTE_MS - 1, 30 * SECOND_MS),
        (1_000 * MINUTE_MS, MINUTE_MS),
        (DAY_MS, MINUTE_MS),
        (5_000 * MINUTE_MS, 5 * MINUTE_MS),
        (7 * DAY_MS, 10 * MINUTE_MS),
        (28 * DAY_MS, 30 * MINUTE_MS),
        (1_000 * HOUR_MS - 1, 30 * MINUTE_MS),
        (1_000 * HOUR_MS, HOUR_MS),
        (90 * DAY_MS, HOUR_MS),
        (250 * DAY_MS - 1, HOUR_MS),
        (250 * DAY_MS, 6 * HOUR_MS),
        (400 * DAY_MS, 6 * HOUR_MS),
        (1_000 * DAY_MS - 1, 6 * HOUR_MS),
        (1_000 * DAY_MS, DAY_MS),
    ],
)
def test_the_resolution_is_the_longest_step_of_no_more_than_a_thousandth(size_ms, expected_ms):
    """Steps change exactly where a thousandth of the window reaches them."""
    assert expected_ms == resolution_ms(size_ms)
    assert expected_ms == Trailing(size_ms).resolution_ms


@given(st.integers(1, 400 * 86_400), st.integers(0, 5_000_000_000_000))
def test_a_trailing_span_starts_on_the_last_step_at_or_before_its_length(size_s, tick_ms):
    """The start is the greatest multiple of the resolution at or before T - size."""
    window = Trailing(size_s * SECOND_MS)
    start, end = window.span(tick_ms)
    step = window.resolution_ms
    assert step in RESOLUTIONS_MS
    assert tick_ms == end
    assert start % step == 0
    assert start <= tick_ms - window.size_ms < start + step


@given(st.integers(1, 400 * 86_400), st.integers(0, 5_000_000_000_000), st.integers(0, DAY_MS))
def test_a_trailing_window_never_looks_further_back_than_its_reach(size_s, tick_ms, later_ms):
    """What lies beyond the reach at a tick is out of the span at that tick and all later ones."""
    window = Trailing(size_s * SECOND_MS)
    assert window.span(tick_ms)[0] > tick_ms - window.reach_ms
    assert window.span(tick_ms + later_ms)[0] >= window.span(tick_ms)[0]


@pytest.mark.parametrize(
    ("size_ms", "text"),
    [
        (0, "0ms"),
        (1, "1ms"),
        (1_500, "1500ms"),
        (90_000, "90s"),
        (120_000, "2m"),
        (3_600_000, "1h"),
        (129_600_000, "36h"),
        (604_800_000, "7d"),
    ],
)
def test_a_duration_is_written_in_the_longest_unit_that_divides_it(size_ms, text):
    """Durations read as definitions write them."""
    assert text == duration(size_ms)


def test_windows_say_what_the_definition_says():
    """The text of a window is the one of the definition language."""
    windows = [
        Trailing(7 * DAY_MS),
        Calendar(Unit.MONTH, "UTC", 0),
        Calendar(Unit.WEEK, "UTC", 0, last=True),
    ]
    expected = ["trailing 7d", "calendar month", "last calendar week"]
    assert expected == [str(window) for window in windows]


# ── calendar ─────────────────────────────────────────────────────────────────────────────────────


@cache
def walked(zone):
    """When each day starts in a zone, found by looking at the local clock every 15 minutes."""
    zone = ZoneInfo(zone)
    quarter = timedelta(minutes=15)
    moment = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) - timedelta(days=1)
    day, starts = FIRST, {}
    while day <= LAST:
        while moment.astimezone(zone).date() < day:
            moment += quarter
        starts[day] = int(moment.timestamp()) * 1000
        day += timedelta(days=1)
        moment += timedelta(hours=22)  # no day is shorter
    return starts


def first_day(day, unit, week_starts):
    """The first day of the period that a day lies in."""
    if unit is Unit.WEEK:
        while day.weekday() != week_starts:
            day -= timedelta(days=1)
        return day
    if unit is Unit.DAY:
        return day
    while day.day != 1 or (unit is Unit.QUARTER and day.month not in {1, 4, 7, 10}):
        day -= timedelta(days=1)
    return day


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize("zone", ZONES)
def test_calendar_spans_agree_with_a_calendar_walked_day_by_day(zone, unit):
    """Running and last periods start where the local date says, at the edges of all days."""
    starts, week_starts = walked(zone), ZONES[zone]
    running = Calendar(unit, zone, week_starts)
    last = Calendar(unit, zone, week_starts, last=True)
    periods = [start for day, start in starts.items() if day == first_day(day, unit, week_starts)]
    asked = [start for day, start in starts.items() if FIRST_ASKED <= day <= LAST_ASKED]
    for start in asked:
        for tick in (start - 1, start):
            period = bisect_right(periods, tick) - 1
            assert (periods[period], tick) == running.span(tick)
            assert (periods[period - 1], periods[period]) == last.span(tick)


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        ("America/Sao_Paulo", "2018-11-03 03:00", "2018-11-04 03:00"),  # 00:00 -03 is 01:00 -02
        ("America/Sao_Paulo", "2018-02-17 02:00", "2018-02-18 03:00"),  # a day of 25 hours
        ("Africa/Cairo", "2023-04-26 22:00", "2023-04-27 22:00"),  # 00:00 +02 is 01:00 +03
        ("Asia/Beirut", "2024-03-29 22:00", "2024-03-30 22:00"),  # 00:00 +02 is 01:00 +03
        ("America/Havana", "2024-03-09 05:00", "2024-03-10 05:00"),  # 00:00 -05 is 01:00 -04
        ("America/Havana", "2024-11-03 04:00", "2024-11-04 05:00"),  # 00:00 to 01:00 twice over
        ("America/Asuncion", "2023-09-30 04:00", "2023-10-01 04:00"),  # 00:00 -04 is 01:00 -03
        ("Atlantic/Azores", "2024-03-30 01:00", "2024-03-31 01:00"),  # 00:00 -01 is 01:00 +00
        ("Australia/Lord_Howe", "2025-04-05 13:00", "2025-04-06 13:30"),  # half an hour back
        ("Asia/Kathmandu", "2025-04-05 18:15", "2025-04-06 18:15"),  # a quarter off the hour
    ],
)
def test_a_day_whose_midnight_does_not_exist_starts_when_the_clocks_change(zone, before, after):
    """Where midnight is skipped or comes twice, a day starts at its first moment."""
    day = Calendar(Unit.DAY, zone, 0)
    assert ms(before) == day.start_of(ms(after) - 1)
    assert ms(after) == day.start_of(ms(after))
    assert (ms(after), ms(after) + HOUR_MS) == day.span(ms(after) + HOUR_MS)


def test_a_day_that_has_begun_goes_on_when_the_clocks_go_back_over_midnight():
    """In St John's 2006-10-29 was a minute old when it was 23:01 again: no window goes back."""
    day = Calendar(Unit.DAY, "America/St_Johns", 0)
    midnight = ms("2006-10-29 02:30")
    minutes = range(midnight - HOUR_MS, midnight + 2 * HOUR_MS, MINUTE_MS)
    starts = [day.start_of(minute) for minute in minutes]
    assert starts == sorted(starts)
    assert [day.start_of(at) for at in (midnight - 1, midnight, midnight + 30 * MINUTE_MS)] == [
        ms("2006-10-28 02:30"), midnight, midnight]  # fmt: skip


def test_a_week_may_start_on_a_day_without_midnight():
    """In Beirut Sunday 2024-03-31 began at 01:00, and a week that starts on Sunday with it."""
    week = Calendar(Unit.WEEK, "Asia/Beirut", 6)
    start = ms("2024-03-30 22:00")
    assert start == week.start_of(start + 3 * DAY_MS)
    assert ms("2024-03-23 22:00") == week.start_of(start - 1)


def test_a_running_period_is_empty_at_its_very_boundary():
    """At the boundary the running period has just begun, and the last one is whole."""
    boundary = ms("2025-03-31 22:00")  # April in Berlin, in summer time
    assert (boundary, boundary) == Calendar(Unit.MONTH, "Europe/Berlin", 0).span(boundary)
    last = Calendar(Unit.MONTH, "Europe/Berlin", 0, last=True)
    assert (ms("2025-02-28 23:00"), boundary) == last.span(boundary)
    quarter = Calendar(Unit.QUARTER, "Europe/Berlin", 0, last=True)
    assert (ms("2024-12-31 23:00"), boundary) == quarter.span(boundary)


@pytest.mark.parametrize("unit", Unit)
def test_calendar_windows_never_look_further_back_than_their_reach(unit):
    """Even where days have 25 hours, a window's start lies within its reach."""
    for zone in ZONES:
        for last in (False, True):
            window = Calendar(unit, zone, 0, last)
            for tick in range(ms("2019-01-01 00:00"), ms("2033-01-01 00:00"), 7 * DAY_MS - 1_234):
                assert window.span(tick)[0] >= tick - window.reach_ms


@pytest.mark.parametrize(
    ("unit", "running_days", "last_days"),
    [(Unit.DAY, 2, 3), (Unit.WEEK, 8, 15), (Unit.MONTH, 32, 63), (Unit.QUARTER, 93, 185)],
)
def test_the_reach_of_calendar_windows_is_that_of_the_reference(unit, running_days, last_days):
    """Reaches are the whole days that `too_old` in definitions/LANGUAGE.md names."""
    assert running_days * DAY_MS == Calendar(unit, "UTC", 0).reach_ms
    assert last_days * DAY_MS == Calendar(unit, "UTC", 0, last=True).reach_ms


def test_times_before_1970_have_their_periods_too():
    """The calendar does not begin at the epoch."""
    assert ms("1969-12-29 00:00") == Calendar(Unit.WEEK, "UTC", 0).start_of(-1)
