"""Durations, windows, shares and baselines: the little texts of a definition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from pipeline.core.baselines import Baseline, Fixed, Previous, SameWeekday, TrailingMedian
from pipeline.core.windows import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    Calendar,
    Trailing,
    Unit,
    Window,
)
from pipeline.spec.problem import Refusal, nearest

WEEKDAYS: Final = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
IDLE_MS: Final = 30 * MINUTE_MS  # how long a session may rest, as web analytics has it
DURATION_MAX_MS: Final = 400 * DAY_MS  # a year and a month, so that years can be compared
_UNITS: Final = {
    "ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS,
}  # fmt: skip
_DURATION: Final = re.compile(r"([0-9]{1,12})(ms|s|m|h|d|w)")
_CALENDAR: Final = re.compile(r"(last )?calendar (day|week|month|quarter)")
_ANCHORED: Final = re.compile(r"first (\S+) after ([a-z][a-z0-9_]*)")
_SHARE: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?%")
_WRITTEN: Final = re.compile(
    r"(?:(trailing|last|past|previous|rolling) )?([0-9]{0,12}) ?([a-z]+)", re.IGNORECASE
)
_AFTER: Final = re.compile(r"([0-9]+[a-z]+|session) after ([a-z][a-z0-9_]*)")
# How people write a unit; of months and years the days that come closest.
_WORDS: Final = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days", "daily"),
    "w": ("w", "wk", "week", "weeks", "weekly"),
    "month": ("mo", "month", "months", "monthly"),
    "year": ("y", "yr", "year", "years", "yearly"),
}
_DAYS: Final = {"month": 30, "year": 365}
_FOR_EVER: Final = ("all", "all time", "all-time", "ever", "for ever", "forever", "lifetime")
_BASELINE: Final = re.compile(r"(previous|fixed|median|trailing_median)\((.*)\)")
_WEEKDAY: Final = re.compile(r" *same_weekday *, *weeks *= *([0-9]{1,3}) *")
_WEEKS_MAX: Final = 57  # not further back than any duration
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Zone:
    """What calendar windows need to know of the product."""

    name: str
    week_starts: int  # 0 is Monday


def duration_ms(text: str) -> int:
    """A duration in milliseconds.

    >>> duration_ms("90s")
    90000

    Raises:
        Refusal: for anything but a whole number with a unit, up to 400 days.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        raise Refusal(
            "bad-duration",
            f"`{text}` is no duration",
            f"{_meant(duration_meant(text))}Write a whole number and a unit "
            "(ms, s, m, h, d or w) without a space: `90s`, `7d`.",
        )
    size_ms = int(found[1]) * _UNITS[found[2]]
    if size_ms > DURATION_MAX_MS:
        raise Refusal("bad-duration", f"`{text}` is longer than 400 days", "Write at most `400d`.")
    return size_ms


def window_of(text: str, zone: Zone) -> Window:
    """A window as the definitions write it.

    Raises:
        Refusal: for anything that is no window, or a trailing one not of 1 s to 400 d.
    """
    if text.startswith("first "):
        raise Refusal(
            "bad-window",
            f"`{text}` is a window that each entity has of its own, and stands beside a set",
            "Give it to a set, and count that: `size(set)`.",
        )
    calendar = _CALENDAR.fullmatch(text)
    if calendar:
        return Calendar(Unit(calendar[2]), zone.name, zone.week_starts, last=bool(calendar[1]))
    if not text.startswith("trailing "):
        raise Refusal(
            "bad-window",
            f"`{text}` is no window",
            f"{_meant(_window_meant(text))}"
            "Write `trailing 7d`, `calendar week`, or `last calendar week` "
            "(day, week, month or quarter).",
        )
    return Trailing(_trailing_ms(text.removeprefix("trailing "), len("trailing ")))


def duration_meant(text: str) -> str | None:
    """What somebody meant who wrote a duration in another way; None where that is not clear.

    >>> duration_meant("7 days"), duration_meant("month"), duration_meant("soon")
    ('7d', '30d', None)
    """
    found = _WRITTEN.fullmatch(text.strip())
    if not found or found[1]:
        return None
    unit = _unit_meant(found[3])
    if unit is None:
        return None
    number = int(found[2] or 1) * _DAYS.get(unit, 1)
    return f"{number}{'d' if unit in _DAYS else unit}"


def _window_meant(text: str) -> str | None:
    """The same of a window.

    >>> _window_meant("last 30 days"), _window_meant("monthly"), _window_meant("last month")
    ('trailing 30d', 'calendar month', 'last calendar month')
    >>> _window_meant("7d after joined"), _window_meant("calendar year"), _window_meant("all time")
    ('first 7d after joined', 'trailing 365d', 'trailing 400d')
    """
    if text.lower() in _FOR_EVER:
        return f"trailing {DURATION_MAX_MS // DAY_MS}d"
    after = _AFTER.fullmatch(text)
    if after:
        return f"first {text}"
    text = text.strip().replace("this ", "calendar ").removeprefix("calendar ")
    found = _WRITTEN.fullmatch(text)
    unit = _unit_meant(found[3]) if found else None
    if found is None or unit is None:
        return None
    if found[2] or unit == "year":
        return f"trailing {duration_meant(found[2] + found[3])}"
    calendar = {"d": "day", "w": "week", "month": "month"}.get(unit)
    is_over = (found[1] or "").lower() in ("last", "previous", "past")
    return calendar and f"{'last ' if is_over else ''}calendar {calendar}"


def _unit_meant(word: str) -> str | None:
    return next((unit for unit, words in _WORDS.items() if word.lower() in words), None)


def _meant(instead: str | None) -> str:
    return f"Did you mean `{instead}`? " if instead else ""


@dataclass(frozen=True, slots=True)
class FirstSpan:
    """The text of an anchored window; `size_ms` is None for a first session."""

    size_ms: int | None
    after: str


def set_window_of(text: str, zone: Zone) -> Window | FirstSpan:
    """A window as sets have it: one that all entities share, or one of each entity's own.

    Raises:
        Refusal: as `window_of`.
    """
    if not text.startswith("first "):
        return window_of(text, zone)
    found = _ANCHORED.fullmatch(text)
    if not found:
        raise Refusal(
            "bad-window",
            f"`{text}` is no window",
            "Write `first 10d after signed_up` or `first session after signed_up`, with the name "
            "of an event.",
        )
    size_ms = None if found[1] == "session" else _trailing_ms(found[1], found.start(1))
    return FirstSpan(size_ms, found[2])


def gap_ms_of(text: str) -> int:
    """How long nothing may happen within a session.

    Raises:
        Refusal: for anything but a duration of whole seconds, 1 s at the least.
    """
    return _seconds_ms(text)


def _trailing_ms(text: str, at: int) -> int:
    """The size of a trailing window; `at` is where it stands in the text of the whole."""
    try:
        return _seconds_ms(text)
    except Refusal as refusal:
        refusal.start, refusal.end = at, at + len(text)
        raise


def _seconds_ms(text: str) -> int:
    size_ms = duration_ms(text)
    check_seconds(size_ms, text)
    return size_ms


def check_seconds(size_ms: int, text: str) -> None:
    """Refuse what is not of whole seconds, one at the least."""
    if size_ms < SECOND_MS or size_ms % SECOND_MS:
        raise Refusal(
            "bad-duration",
            f"`{text}` is not of whole seconds",
            "Write at least `1s`, and no fractions of a second.",
        )


def share_of(text: str) -> float:
    """A percentage as a share.

    >>> share_of("5%")
    0.05

    Raises:
        Refusal: for anything but a percentage.
    """
    if not _SHARE.fullmatch(text):
        meant = ""
        if _NUMBER.fullmatch(text):
            share = float(text) * 100 if float(text) < 1 else float(text)
            meant = f"Did you mean `{share:g}%`? "
        raise Refusal(
            "bad-percentage",
            f"`{text}` is no percentage",
            f"{meant}Write how far the value may be from its baseline: `3%`, `0.5%`.",
        )
    return float(Decimal(text.removesuffix("%")) / 100)


def baseline_of(text: str) -> Baseline:
    """What a guardrail is held against.

    Raises:
        Refusal: for anything but `previous(duration)`, `fixed(number other than 0)`,
            `median(same_weekday, weeks=4)` and `trailing_median(28d)`.
    """
    found = _BASELINE.fullmatch(text)
    if found and found[1] == "median":
        return _same_weekday(found[2])
    if found and found[1] == "trailing_median":
        return _trailing_median(found[2])
    if found and found[1] == "previous":
        return Previous(_trailing_ms(found[2], found.start(2)))
    if not found or not _NUMBER.fullmatch(found[2].strip()):
        raise Refusal(
            "bad-baseline",
            f"`{text}` is no baseline",
            "Write `previous(7d)` for the metric's own value a week ago, `fixed(0.02)`, "
            "`median(same_weekday, weeks=4)`, or `trailing_median(28d)`.",
        )
    value = float(found[2])
    if value == 0:
        raise Refusal(
            "bad-baseline",
            "a baseline of 0 can never be judged: no share of it is more than nothing",
            "Write the value that is normal, such as `fixed(0.02)`, or `previous(7d)`.",
        )
    return Fixed(value)


def _same_weekday(text: str) -> SameWeekday:
    found = _WEEKDAY.fullmatch(text)
    if not found or not 1 <= int(found[1]) <= _WEEKS_MAX:
        raise Refusal(
            "bad-baseline",
            "`median` takes `same_weekday` and a number of weeks, at most 57",
            "Write `median(same_weekday, weeks=4)`.",
        )
    return SameWeekday(int(found[1]))


def _trailing_median(text: str) -> TrailingMedian:
    size_ms = duration_ms(text)
    if size_ms == 0 or size_ms % DAY_MS:
        raise Refusal(
            "bad-baseline",
            f"`trailing_median` looks at whole days, not `{text}`",
            "Write `trailing_median(28d)`.",
        )
    return TrailingMedian(size_ms // DAY_MS)


def zone_of(text: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        Refusal: for a name that the time zone database does not have.
    """
    if text not in _zones():
        raise Refusal("unknown-zone", f"there is no time zone `{text}`", _zone_advice(text))
    return ZoneInfo(text)


def _zone_advice(text: str) -> str:
    zones = sorted(_zones())
    city = next((name for name in zones if name.endswith(f"/{text}")), None)
    # short names are fixed offsets, and CEST is not meant to be EST
    near = city or nearest(text, [name for name in zones if "/" in name])
    example = "Write an area and a place, such as `Europe/Berlin`, or `UTC`."
    return f"Did you mean `{near}`?" if near else example


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def window_suffix(window: Window | None) -> str:
    """A window as the end of a memory's key, with all that decides where it begins."""
    if not isinstance(window, Calendar):
        return "" if window is None else f" @{window}"
    starts = f" from {WEEKDAYS[window.week_starts]}" if window.unit is Unit.WEEK else ""
    return f" @{window} in {window.zone}{starts}"
