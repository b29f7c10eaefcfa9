"""The oracle's own tests of habits, with numbers worked by hand. Days count from a Wednesday."""

import pytest

from tests.oracle.worked_case import definition, event, run, seconds, series

DAY = 86_400


def habit(when, **top):
    """Write a definition that counts users of a habit."""
    return definition({"m": {"value": "size(s)"}}, sets={"s": {"of": "user", "when": when}}, **top)


def days(*numbers, user="a", **fields):
    """Open at noon of these days."""
    return [event((number + 0.5) * DAY, user=user, **fields) for number in numbers]


def at(day):
    """Give the second at which 18 o'clock of a day is."""
    return (day + 0.75) * DAY


def test_active_units_count_days_of_the_calendar():
    """Opens on days 0, 0, 2 and 3: of three days up to day 4 two were active, up to 5 one."""
    text = habit("active_units(open, unit=day, of=3) >= 2")
    found = run(text, sorted(days(0, 0, 2, 3), key=lambda b: b["ts"]), [at(2), at(4), at(5)])
    assert series(found) == [1, 1, 0]


def test_active_units_ask_for_rows_that_meet_their_where():
    """Only the opens of more than 1 are activity."""
    text = habit("active_units(open, unit=week, of=2, where=n > 1) >= 2")
    bodies = [*days(0, n=2), *days(7, n=1), *days(8, n=2)]
    assert series(run(text, bodies, [at(7), at(8)])) == [0, 1]


@pytest.mark.parametrize(("grace", "expected"), [(0, [1, 1, 0, 0, 0, 0]), (1, [1, 1, 1, 1, 1, 0])])
def test_a_streak_ends_when_more_than_the_grace_passes(grace, expected):
    """Days 0, 1, 2: three in a row. Day 3 may still come; at day 4 it was missed."""
    text = habit(f"streak(open, unit=day, grace={grace}) >= 3")
    ticks = [at(2), at(3), at(4), 4 * DAY, 4.99 * DAY, 5 * DAY]
    assert series(run(text, days(0, 1, 2), ticks)) == expected


def test_a_streak_counts_active_units_across_its_pauses():
    """Days 0, 2, 3 with a grace of one: three active days in the chain; without, two."""
    assert series(run(habit("streak(open, unit=day, grace=1) >= 3"), days(0, 2, 3), [at(3)])) == [1]
    assert series(run(habit("streak(open, unit=day) >= 3"), days(0, 2, 3), [at(3)])) == [0]
    assert series(run(habit("streak(open, unit=day) > 1"), days(0, 2, 3), [at(3)])) == [1]


def test_weeks_and_months_are_units_too():
    """15, 22, 29 January and 5 February: four weeks in a row, two months in a row."""
    bodies = days(0, 7, 14, 21)
    weeks = habit("streak(open, unit=week) >= 4", calendar={"week_starts": "thursday"})
    months = habit("streak(open, unit=month) >= 2")
    assert series(run(weeks, bodies, [at(20), at(21)])) == [0, 1]
    assert series(run(months, bodies, [at(14), at(21)])) == [0, 1]


def test_days_are_those_of_the_zone():
    """23:30 and 00:30 in Berlin on the day of the clock change are two days, by UTC one."""
    bodies = [
        event(seconds(f"2025-03-29T{hour}:00+00:00"), user="a") for hour in ("22:30", "23:30")
    ]
    text = "active_units(open, unit=day, of=2) >= 2"
    tick = seconds("2025-03-30T12:00:00+00:00")
    berlin = habit(text, calendar={"zone": "Europe/Berlin"})
    assert series(run(berlin, bodies, [tick])) == [1]
    assert series(run(habit(text), bodies, [tick])) == [0]


def test_a_mean_of_periods_counts_empty_ones():
    """Six opens in the last three days are two a day; a day later only four are left."""
    text = habit("mean_per(open, period=1d, periods=3, new_members=zero_fill) >= 2")
    bodies = [*days(0), *days(0), *days(1), *days(1), *days(2), *days(2)]
    found = run(text, bodies, [at(1), at(2), 3.75 * DAY])
    assert series(found) == [0, 1, 0]


def test_new_members_may_be_measured_since_their_first():
    """Two opens within the first day are two a day; over the second day it is one."""
    text = habit("mean_per(open, period=1d, periods=3, new_members=since_first) > 1.5")
    bodies = [*days(0), *days(0)]
    assert series(run(text, bodies, [at(0), 1.5 * DAY, 1.6 * DAY])) == [1, 1, 0]
