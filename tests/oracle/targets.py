"""How far a metric is on the way to its target."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from tests.oracle.measures import Measure, Number, divided
from tests.oracle.model import Metric, Target

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Progress:
    """Where a metric stands, as shares of its target and of what the way there expects today."""

    attainment: Number
    pace: Number


def starts_ms(day: date) -> int:
    """Give the start of a day in UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000


def _over_ms(target: Target) -> int:
    return starts_ms(target.by) + DAY_MS


def progress(metric: Metric, tick: int, at: Callable[[int], Measure]) -> Progress:
    """Compare with the next target that is not over, and the straight line to it.

    Args:
        metric: with its targets and the day its line starts.
        tick: now.
        at: the metric at a tick.
    """
    ahead = [t for t in sorted(metric.targets, key=lambda t: t.by) if _over_ms(t) > tick]
    if not ahead:
        return Progress(None, None)
    target = ahead[0]
    now = at(tick).value
    attainment = divided(now, target.value)
    start = None if metric.since is None else starts_ms(metric.since)
    if start is None or start > tick:
        return Progress(attainment, None)
    first = at(start)
    if first.value is None or first.coverage < 1:
        return Progress(attainment, None)
    gone = (tick - start) / (_over_ms(target) - start)
    expected = first.value + (target.value - first.value) * gone
    return Progress(attainment, divided(now, expected))
