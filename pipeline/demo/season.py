"""When people use the demo product: the day, the week, slow growth, and bad stretches.

All of it is a function of time alone (and of the seed, for bad stretches), so that any hour can be
made without the hours before it.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.core.windows import DAY_MS, HOUR_MS
from pipeline.demo.mixing import fraction

ZONE: Final = ZoneInfo("Europe/Berlin")  # where most of the product's people are

# Nine on a Tuesday morning in Berlin, so that a demo does not open on an empty night.
LIVE_MS: Final = 1_768_896_000_000  # 2026-01-20T08:00Z
# Enough that a week before the demo goes live all is as it stays: seven days of the widest window,
# and four of looking at charts whose makers have to be known.
HISTORY_MS: Final = 18 * DAY_MS
START_MS: Final = LIVE_MS - HISTORY_MS

# How busy the hours of a working day are beside each other; a dip for lunch, and some never sleep.
_NIGHT_AND_MORNING: Final = (0.05, 0.04, 0.03, 0.03, 0.04, 0.08, 0.25, 0.7, 1.6, 2.5, 2.8, 2.5)
_NOON_AND_EVENING: Final = (1.6, 2.1, 2.6, 2.5, 2.0, 1.2, 0.7, 0.45, 0.35, 0.28, 0.18, 0.09)
_DAYS: Final = (1.00, 1.10, 1.08, 1.02, 0.85, 0.16, 0.14)  # Monday first
WEEKEND: Final = 5

GROWTH_A_DAY: Final = 0.003
GROWTH_MAX: Final = 2.0  # a demo may run for years of event time; its tables are made beforehand

# Not seven, nor a part or twice of it: a bad week would be held against another one.
TROUBLE_EVERY_MS: Final = 5 * DAY_MS
_TROUBLE_FIRST_MS: Final = LIVE_MS + 22 * HOUR_MS  # half a minute into a demo at its usual speed
_TROUBLE_MS: Final = 12 * HOUR_MS
_TROUBLE_JITTER_MS: Final = 3 * HOUR_MS
_TROUBLE_TIMES: Final = (1.5, 5.0)  # as many tickets as usual at the peak, from and to


def local_day(time_ms: int) -> tuple[int, int]:
    """The day since 1970 and the weekday (0 is Monday) where the people are.

    >>> local_day(LIVE_MS)
    (20473, 1)
    """
    local = _local(time_ms)
    return local.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal(), local.weekday()


def season(time_ms: int) -> float:
    """How busy a moment is; 1 is the mean of a week.

    >>> season(LIVE_MS - 6 * HOUR_MS) < 0.1 < 1.5 < season(LIVE_MS + 2 * HOUR_MS)
    True
    """
    now, soon = (_local(at) for at in (time_ms, time_ms + HOUR_MS))
    past = time_ms % HOUR_MS / HOUR_MS
    return float(_WEEK[_hour(now)] * (1 - past) + _WEEK[_hour(soon)] * past)


def growth(time_ms: int) -> float:
    """How many people use the product, beside the moment when the demo goes live; at most 2.

    >>> growth(LIVE_MS), growth(LIVE_MS + 100_000 * DAY_MS)
    (1.0, 2.0)
    """
    days = (time_ms - LIVE_MS) / DAY_MS
    return GROWTH_MAX / (1 + math.exp(-4 / GROWTH_MAX * GROWTH_A_DAY * days))


def trouble(seed: int, times_ms: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many times as many support tickets people open at these moments; 1 is as usual.

    Every five days something breaks for half a day: sometimes hardly to be seen, sometimes badly.
    The first time live it breaks badly, and in working hours.
    """
    cycle = (times_ms - _TROUBLE_FIRST_MS + _TROUBLE_JITTER_MS) // TROUBLE_EVERY_MS
    luck = np.where(cycle == 0, 0.5, fraction(seed, "trouble", cycle))
    delay_ms = np.where(cycle == 0, 0, (luck - 0.5) * 2 * _TROUBLE_JITTER_MS)
    begins_ms = _TROUBLE_FIRST_MS + cycle * TROUBLE_EVERY_MS + delay_ms
    part = np.clip((times_ms - begins_ms) / _TROUBLE_MS, 0, 1)
    least, most = _TROUBLE_TIMES
    return np.asarray(1 + (least + luck * (most - least) - 1) * np.sin(np.pi * part) ** 2)


def _local(time_ms: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).astimezone(ZONE)


def _hour(local: datetime) -> int:
    return local.weekday() * 24 + local.hour


def _week() -> NDArray[np.float64]:
    hours = np.outer(_DAYS, [*_NIGHT_AND_MORNING, *_NOON_AND_EVENING]).ravel()
    return np.asarray(hours / hours.mean())


_WEEK: Final = _week()
