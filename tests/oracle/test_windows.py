"""The oracle's own tests of time, windows and coverage, with numbers worked by hand."""

import pytest

from tests.oracle.oracle import Record, Settings, expected
from tests.oracle.worked_case import OWNER, definition, event, feed, ms, run, seconds, series


def test_a_count_falls_by_time_alone():
    """An event is in the window [T - 10 s, T): from after its time until ten seconds later."""
    found = run(definition({"m": "count(open)"}), [event(0)], [0, 0.001, 1, 10, 11])
    assert series(found) == [0, 1, 1, 1, 0]


def test_an_event_leaves_a_trailing_window_at_the_resolution():
    """Two hours have a resolution of 5 s, so the window's start moves in steps of 5 s."""
    text = definition({"m": "count(open)"}, window="trailing 2h")
    assert series(run(text, [event(0)], [7200, 7203, 7204.999, 7205])) == [1, 1, 1, 0]


def test_an_event_within_lateness_is_visible_at_its_own_time():
    """With the watermark at 9 - 5 = 4, an event of second 5 is merely out of order."""
    found = run(
        definition({"m": "count(open)"}), [event(0), event(9), event(5)], [5, 6], lateness=5
    )
    assert series(found) == [1, 2]


def test_a_late_event_counts_from_the_watermark_it_met():
    """With the watermark at 9, an event of second 5 becomes visible at 9, so first after it."""
    found = run(definition({"m": "count(open)"}), [event(0), event(9), event(5)], [6, 9, 9.001, 10])
    assert series(found) == [1, 1, 3, 3]


def test_a_late_event_leaves_by_its_own_time():
    """A late event of second 5 lies in windows by its 5, not by the 9 at which it appeared."""
    found = run(definition({"m": "count(open)"}), [event(9), event(5)], [15, 16, 19, 20])
    assert series(found) == [2, 1, 1, 0]


def test_partitions_have_watermarks_of_their_own():
    """A partition that is ahead makes nothing late in another one."""
    records = [*feed([event(9)], partition=0), *feed([event(5)], partition=1)]
    found = expected(definition({"m": "count(open)"}), records, Settings(0), [ms(6)])
    assert series(found) == [1]


def test_the_order_of_a_partition_is_that_of_its_offsets():
    """Records may be handed over in any order: the offset says which came first."""
    records = feed([event(9), event(5)])
    found = expected(definition({"m": "count(open)"}), records[::-1], Settings(0), [ms(6)])
    assert series(found) == [0]


@pytest.mark.parametrize(
    ("mover", "accepted"),
    [
        (event(9, "unknown"), 0),
        (event(9, user="guest"), 0),
        (event(9, kind=7), 0),
        (event(9, id="again"), 0),
        (event(9), 1),
    ],
)
def test_every_record_with_a_time_moves_the_watermark(mover, accepted):
    """Filtered, rejected and duplicate records make an event of second 5 late as well."""
    bodies = [event(-20, id="again"), mover, event(5)]
    found = run(definition({"m": "count(open)"}), bodies, [6, 10])
    assert series(found) == [0, 1 + accepted]


@pytest.mark.parametrize(
    ("kind", "outcome"), [("open", {"future": 1}), ("unknown", {})], ids=["event", "filtered"]
)
def test_a_future_record_never_moves_the_watermark(kind, outcome):
    """A clock that runs ahead must not make everyone else late, whatever the record's name."""
    records = [
        Record(0, 0, ms(0), feed([event(300.001, kind)])[0].value),
        Record(0, 1, ms(5), feed([event(5)])[0].value),
    ]
    found = expected(definition({"m": "count(open)"}), records, Settings(0), [ms(6)])
    assert series(found) == [1]
    assert found.counts["rejected"] == outcome


def test_five_minutes_ahead_is_not_yet_future():
    """The limit itself is allowed, and such a record does move the watermark."""
    records = [
        Record(0, 0, ms(0), feed([event(300)])[0].value),
        Record(0, 1, ms(5), feed([event(5)])[0].value),
    ]
    found = expected(
        definition({"m": "count(open)"}, window="trailing 10m"),
        records,
        Settings(0),
        [ms(6), ms(301)],
    )
    assert series(found) == [0, 2]


def test_coverage_grows_from_the_first_event_on():
    """With the first event at second 4, half of [-1, 9) has been watched at second 9."""
    found = run(definition({"m": "count(open)"}), [event(4)], [3, 4, 9, 14, 15])
    assert series(found, part="coverage") == [0, 0, 0.5, 1, 1]


def test_coverage_starts_at_the_smallest_time_of_visibility():
    """The first arrival was of second 9 and the late one is seen then too, so e is 9."""
    found = run(definition({"m": "count(open)"}), [event(9), event(4)], [14])
    assert series(found, part="coverage") == [0.5]


def test_coverage_is_the_smallest_among_terms_sets_and_metrics():
    """Watched since second 0, at second 10 a window of 10 s is full and one of 20 s is half."""
    sets = {
        "items": {"of": "item", "when": "count(open) >= 1", "window": "trailing 20s"},
        "users": {"of": "user", "when": "count(items.owner) >= 1"},
    }
    metrics = {
        "one": "count(open)",
        "two": "count(open) + count(open, window='trailing 20s')",
        "rolled": {"value": "size(users)"},
        "over": {"value": "one + two"},
        "number": {"value": "42"},
    }
    found = run(definition(metrics, sets=sets, entities=OWNER), [event(0)], [10])
    assert [r.coverage for r in found.readings.values()] == [1, 0.5, 0.5, 0.5, 1]


def test_an_empty_window_is_covered_once_watching_began():
    """At midnight the running day is empty: fully covered if something was seen before."""
    text = definition({"m": "count(open)"}, window="calendar day")
    assert series(run(text, [event(-1)], [0]), part="coverage") == [1]
    assert series(run(text, [event(1)], [0]), part="coverage") == [0]


def test_a_calendar_week_follows_the_zone_over_a_clock_change():
    """Berlin's last week of March 2025 runs from Sunday 23:00 to Sunday 22:00 UTC, 167 hours."""
    text = definition(
        {
            "last": {"value": "count(open)", "window": "last calendar week"},
            "running": {"value": "count(open)", "window": "calendar week"},
        },
        calendar={"zone": "Europe/Berlin"},
    )
    start, stop = seconds("2025-03-23T23:00:00Z"), seconds("2025-03-30T22:00:00Z")
    bodies = [event(at) for at in (start - 0.001, start, stop - 0.001, stop)]
    found = run(text, bodies, [stop - 1, stop, stop + 1])
    assert series(found, "last") == [1, 2, 2]
    assert series(found, "running") == [1, 0, 1]


def test_the_day_of_a_clock_change_is_measured_by_its_own_length():
    """On 30 March 2025 Berlin's day has 23 hours; watched from 12:00 on, 10 of them are over."""
    text = definition(
        {"m": "count(open)"}, window="last calendar day", calendar={"zone": "Europe/Berlin"}
    )
    found = run(text, [event(seconds("2025-03-30T12:00:00Z"))], [seconds("2025-03-31T00:00:00Z")])
    assert series(found, part="coverage") == [pytest.approx(10 / 23)]


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("America/Havana", "2025-11-02T04:00:00+00:00"),
        ("America/Havana", "2025-03-09T05:00:00+00:00"),
        ("Asia/Kathmandu", "2025-01-14T18:15:00+00:00"),
    ],
)
def test_a_day_starts_at_its_first_instant(zone, start):
    """Where clocks change at midnight the day starts when its date is first shown."""
    text = definition({"m": "count(open)"}, window="calendar day", calendar={"zone": zone})
    first = seconds(start)
    found = run(text, [event(first - 0.001), event(first)], [first, first + 0.5 * 3600])
    assert series(found) == [0, 1]


def test_weeks_months_and_quarters_start_where_the_calendar_says():
    """At noon of 15 January: a week since Sunday 12, a month and a quarter since the 1st."""
    windows = {
        "week": "calendar week",
        "last_week": "last calendar week",
        "month": "calendar month",
        "quarter": "calendar quarter",
        "last_month": "last calendar month",
        "last_quarter": "last calendar quarter",
    }
    moments = ["2024-10-01", "2024-12-01", "2024-12-31", "2025-01-05", "2025-01-11", "2025-01-12"]
    text = definition(
        {name: {"value": "count(open)", "window": w} for name, w in windows.items()},
        calendar={"week_starts": "sunday"},
    )
    found = run(text, [event(seconds(f"{day}T00:00:00Z")) for day in moments], [43_200])
    assert [r.value for r in found.readings.values()] == [1, 2, 3, 3, 2, 3]
