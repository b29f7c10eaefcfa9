"""The days that cases are drawn around: those on which a calendar is put to the test."""

import functools
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # clocks move by half an hour
    "America/Santiago",  # clocks move at midnight
    "America/Havana",  # the same, and midnight is shown twice
    "Pacific/Auckland",
)
YEARS = range(2019, 2033)
LEAP_DAY = (2, 29)


def _days() -> Iterator[date]:
    day = date(YEARS[0], 1, 1)
    while day.year < YEARS.stop:
        yield day
        day += timedelta(days=1)


@functools.cache
def special_days(zone: str) -> tuple[date, ...]:
    """Name the days that begin a quarter, are about a leap day, or on which clocks change."""
    about = ZoneInfo(zone)

    def offset(day: date) -> timedelta | None:
        return datetime(day.year, day.month, day.day, tzinfo=about).utcoffset()

    found = []
    for day in _days():
        after = day + timedelta(days=1)
        is_leap = LEAP_DAY in {(after.month, after.day), (day.month, day.day)}
        begins_quarter = day.day == 1 and day.month % 3 == 1
        if is_leap or begins_quarter or offset(day) != offset(after):
            found.append(day)
    return tuple(found)
