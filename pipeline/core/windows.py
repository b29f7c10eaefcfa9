"""Windows: which span of event time a metric looks at, at a tick.

A span is `[start, end)` in integer milliseconds since 1970, UTC.
Trailing spans start on a multiple of the window's resolution, so that two metrics over the same
window always see the same events; calendar spans start where the product's zone says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

# A thousandth keeps the error of a trailing edge below what any chart shows, and bounds the panes
# that a window holds to about two thousand.
RESOLUTIONS_MS: Final = (
    SECOND_MS,
    5 * SECOND_MS,
    10 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    6 * HOUR_MS,
    DAY_MS,
)
RESOLUTION_PARTS: Final = 1_000


def resolution_ms(size_ms: int) -> int:
    """The step in which a trailing window's edge moves.

    >>> resolution_ms(7 * DAY_MS) // MINUTE_MS
    10
    >>> resolution_ms(MINUTE_MS) // SECOND_MS
    1
    """
    fitting = [step for step in RESOLUTIONS_MS if step * RESOLUTION_PARTS <= size_ms]
    return fitting[-1] if fitting else RESOLUTIONS_MS[0]


class Unit(StrEnum):
    """A calendar period."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


@dataclass(frozen=True, slots=True)
class Trailing:
    """The last `size_ms` before the tick, its edge on a multiple of the resolution."""

    size_ms: int

    @property
    def resolution_ms(self) -> int:
        """The step in which the edge moves, in milliseconds."""
        return resolution_ms(self.size_ms)

    @property
    def reach_ms(self) -> int:
        """How far back the window can ever look."""
        return self.size_ms + self.resolution_ms

    def span(self, tick_ms: int) -> tuple[int, int]:
        """The interval `[start, end)` that the window covers at a tick."""
        step = self.resolution_ms
        return (tick_ms - self.size_ms) // step * step, tick_ms

    def __str__(self) -> str:
        return f"trailing {duration(self.size_ms)}"


@dataclass(frozen=True, slots=True)
class Calendar:
    """A period of the calendar in a zone: the running one, or the last one that is over."""

    unit: Unit
    zone: str
    week_starts: int  # 0 is Monday, as in datetime.weekday()
    last: bool = False

    @property
    def reach_ms(self) -> int:
        """How far back the window can ever look, rounded up to whole days."""
        running, over = _REACH_DAYS[self.unit]
        return (over if self.last else running) * DAY_MS

    def span(self, tick_ms: int) -> tuple[int, int]:
        """The interval `[start, end)` that the window covers at a tick."""
        start = self.start_of(tick_ms)
        return (self.start_of(start - 1), start) if self.last else (start, tick_ms)

    def start_of(self, time_ms: int) -> int:
        """The start of the period that a moment lies in."""
        return unit_start_ms(self, unit_of(self, time_ms))

    def __str__(self) -> str:
        return f"{'last ' if self.last else ''}calendar {self.unit}"


@dataclass(frozen=True, slots=True)
class Units:
    """The running unit of a calendar and those before it, `of` altogether.

    The unit is what `calendar`, which is no `last` one, has as its period: day, week or month.
    """

    calendar: Calendar
    of: int

    @property
    def reach_ms(self) -> int:
        """How far back the window can ever look, in whole days."""
        return (self.of * LONGEST_DAYS[self.calendar.unit] + 1) * DAY_MS

    def span(self, tick_ms: int) -> tuple[int, int]:
        """The interval `[start, end)` that the window covers at a tick."""
        return unit_start_ms(self.calendar, unit_of(self.calendar, tick_ms) - self.of + 1), tick_ms

    def __str__(self) -> str:
        return f"last {self.of} {self.calendar.unit}s"


def units_within(calendar: Calendar, reach_ms: int) -> int:
    """How many units have that reach."""
    return (reach_ms // DAY_MS - 1) // LONGEST_DAYS[calendar.unit]


@dataclass(frozen=True, slots=True)
class Anchored:
    """A span of each entity's own, from its earliest row of an event on.

    It is `size_ms` long, or where `is_session` as long as rows follow each other within `size_ms`.
    An entity takes part while its span begins in `cohort`, or where `is_matured` while it ends
    there: then nothing but late rows can change it any more.
    """

    after: str  # the event, for people
    size_ms: int
    is_session: bool
    cohort: Trailing | Calendar
    is_matured: bool

    @property
    def reach_ms(self) -> int:
        """How far back the spans can begin, but for sessions that go on for longer."""
        return self.cohort.reach_ms + self.size_ms

    def span(self, tick_ms: int) -> tuple[int, int]:
        """The interval `[start, end)` that the spans of all who take part lie in."""
        return self.cohort.span(tick_ms)[0] - self.size_ms, tick_ms

    @property
    def maturity(self) -> str:
        """Whether time alone can still change what is counted in it."""
        return "final" if self.is_matured else "provisional"

    def __str__(self) -> str:
        size = duration(self.size_ms)
        first = f"first session (gap {size})" if self.is_session else f"first {size}"
        cohort = "matured" if self.is_matured else "started"
        return f"{first} after {self.after}, {cohort} {self.cohort}"


Window = Trailing | Calendar | Units | Anchored

LONGEST_DAYS: Final = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 31, Unit.QUARTER: 92}


def maturity(windows: Iterable[Window]) -> str | None:
    """Whether time alone can still change what is counted in windows of entities' own.

    None where there are no such windows, `provisional` where one of them is.
    """
    found = {window.maturity for window in windows if isinstance(window, Anchored)}
    return max(found, default=None)  # provisional comes after final


# Longest period plus a day for the clock changes; a window on the last one reaches over two.
_REACH_DAYS: Final = {
    Unit.DAY: (2, 3),
    Unit.WEEK: (8, 15),
    Unit.MONTH: (32, 63),
    Unit.QUARTER: (93, 185),
}


def duration(size_ms: int) -> str:
    """A duration as the definitions write it.

    >>> duration(604_800_000), duration(90_000)
    ('7d', '90s')
    """
    for name, unit in (("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS)):
        if size_ms and size_ms % unit == 0:
            return f"{size_ms // unit}{name}"
    return f"{size_ms}ms"


def unit_of(calendar: Calendar, time_ms: int) -> int:
    """The number of the unit that a moment lies in; units are numbered through, without gaps.

    The newest whose start is at or before the moment, also where a zone has skipped a day or the
    clocks went back over midnight.
    """
    unit = _unit_of_day(calendar, _day_of(calendar.zone, time_ms))
    while unit_start_ms(calendar, unit + 1) <= time_ms:
        unit += 1
    while unit_start_ms(calendar, unit) > time_ms:
        unit -= 1
    return unit


def _unit_of_day(calendar: Calendar, ordinal: int) -> int:
    if calendar.unit is Unit.DAY:
        return ordinal
    if calendar.unit is Unit.WEEK:
        return (ordinal - 1 - calendar.week_starts) // 7  # the first of January of year 1: a Monday
    day = datetime.fromordinal(ordinal)
    return (day.year * 12 + day.month - 1) // _MONTHS[calendar.unit]


@lru_cache(maxsize=1 << 16)
def unit_start_ms(calendar: Calendar, unit: int) -> int:
    """When a unit begins."""
    if calendar.unit is Unit.DAY:
        first = datetime.fromordinal(unit)
    elif calendar.unit is Unit.WEEK:
        first = datetime.fromordinal(unit * 7 + 1 + calendar.week_starts)
    else:
        month = unit * _MONTHS[calendar.unit]
        first = datetime(month // 12, month % 12 + 1, 1)  # noqa: DTZ001 - its zone follows
    return _midnight_ms(first, calendar.zone)


_MONTHS: Final = {Unit.MONTH: 1, Unit.QUARTER: 3}


def _day_of(zone: str, time_ms: int) -> int:
    """The day a moment lies in, in its zone, as a proleptic ordinal."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    return moment.astimezone(ZoneInfo(zone)).toordinal()


def _midnight_ms(day: datetime, zone: str) -> int:
    """The first moment of a day in its zone.

    Where the clocks go forward over midnight, 00:00 does not exist; `fold=0` then reads it with
    the offset from before the change, which is the moment of the change itself.
    """
    return round(day.replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND_MS
