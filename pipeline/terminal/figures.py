"""Numbers and moments as people read them; what is not known is said, never shown as 0."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from pipeline.core.measures import Number
from pipeline.core.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

UNKNOWN: Final = "unknown"
RATIO: Final = "ratio"
_CHANGE_MAX: Final = 999  # percent; beyond it only the direction says anything
_WHOLE_PERCENT_FROM: Final = 100
_UNITS: Final = ((DAY_MS, "day"), (HOUR_MS, "hour"), (MINUTE_MS, "minute"), (SECOND_MS, "second"))


def figure(value: Number | None, unit: str) -> tuple[str, str]:
    """A value of a metric and its unit; a share is shown in percent.

    >>> figure(2198, "users"), figure(0.7034, "ratio"), figure(0.16728, "tickets")
    (('2,198', 'users'), ('70.3', '%'), ('0.167', 'tickets'))
    """
    if value is None:
        return UNKNOWN, ""
    return (number(value * 100), "%") if unit == RATIO else (number(value), unit)


def number(value: Number) -> str:
    """Three digits that count, more only where they stand before the point.

    >>> number(2198), number(17.25), number(0.051), number(1234567.8), number(0.0)
    ('2,198', '17.2', '0.0510', '1,234,568', '0')
    """
    if isinstance(value, int) or value == 0:
        return f"{value:,.0f}"
    if abs(value) < 1:
        return f"{value:#.3g}"
    return f"{value:,.{max(3 - len(str(int(abs(value)))), 0)}f}"


def change(now: Number | None, then: Number | None, unit: str) -> tuple[int, str] | None:
    """The direction (-1, 0, 1) and size of a change: in percent, of shares in percentage points.

    None where either is not known, or there was nothing to be a percentage of.

    >>> change(110, 100, "users"), change(0.70, 0.71, "ratio"), change(5, 0, "users")
    ((1, '10.0 %'), (-1, '1.0 pp'), None)
    """
    if now is None or then is None or (then == 0 and unit != RATIO):
        return None
    sign, parts = ("pp", now - then) if unit == RATIO else ("%", (now - then) / abs(then))
    percent = round(abs(parts) * 100, 1)
    direction = (parts > 0) - (parts < 0) if percent else 0
    if percent > _CHANGE_MAX:
        return direction, f">{_CHANGE_MAX} {sign}"
    return direction, f"{percent:.{int(percent < _WHOLE_PERCENT_FROM)}f} {sign}"


def share(part: int, whole: int) -> str:
    """A part of a whole in percent.

    >>> share(12, 1000), share(0, 0)
    ('1.2 %', '0 %')
    """
    return f"{100 * part / whole:.1f} %" if part else "0 %"


def moment(time_ms: int, *, seconds: bool = False) -> str:
    """A moment with its weekday, in UTC.

    >>> moment(1_768_896_000_000)
    'Tue 20 Jan 2026 08:00 UTC'
    """
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    return f"{at:%a %d %b %Y %H:%M}{f':{at:%S}' if seconds else ''} UTC"


def span(duration_ms: int) -> str:
    """About how long, in the largest unit that fits.

    >>> span(7 * DAY_MS), span(DAY_MS), span(100 * MINUTE_MS)
    ('7 days', '1 day', '1 hour')
    """
    size, name = next((unit for unit in _UNITS if duration_ms >= unit[0]), _UNITS[-1])
    many = duration_ms // size
    return f"{many} {name}" if many == 1 else f"{many} {name}s"
