"""Daily closes: past readings of metrics that have a target, or stand for one another.

A close is the reading at the start of a day (UTC), as it was published. One counts only if its
window was covered: before, a number grows because it is watched for longer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.core.compose import Reading
from pipeline.core.grid import LookBack
from pipeline.core.plan import Plan
from pipeline.core.proxy import CLOSES, correlation
from pipeline.core.targets import UNKNOWN, progress
from pipeline.core.tree import Metric
from pipeline.core.windows import DAY_MS

SavedClose = tuple[str, int, float]  # identity of its metric, tick, value


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a reading says beside its value.

    `attainment` and `pace` are shares of the next target and of what the line to it expects;
    `correlation` is that with the metric it is a proxy for, -1 to 1. None where not known.
    """

    attainment: float | None = None
    pace: float | None = None
    correlation: float | None = None


NOTHING_AHEAD = Outlook()


def last_closes(tick_ms: int) -> range:
    """The 28 newest starts of days up to a tick, in order."""
    newest = tick_ms // DAY_MS * DAY_MS
    return range(newest - (CLOSES - 1) * DAY_MS, newest + 1, DAY_MS)


def starts_of_lines(plan: Plan) -> list[int]:
    """The closes from which lines to targets start."""
    found = {metric.since_ms for metric in plan.metrics if metric.targets}
    return sorted(start for start in found if start is not None)


def has_proxies(plan: Plan) -> bool:
    """Whether a metric of the plan stands for another."""
    return any(metric.proxy_for is not None for metric in plan.metrics)


def close_look_backs(plan: Plan) -> list[LookBack]:
    """Which closes the ticks of a plan look at; a line may start at any."""
    of_lines = [LookBack(DAY_MS, None)] if starts_of_lines(plan) else []
    return [*of_lines, *([LookBack(DAY_MS, CLOSES * DAY_MS)] if has_proxies(plan) else [])]


def needed_closes(plan: Plan, tick_ms: int) -> set[int]:
    """The closes that a tick looks back on."""
    starts = {start for start in starts_of_lines(plan) if start <= tick_ms}
    return starts | set(last_closes(tick_ms)) if has_proxies(plan) else starts


@dataclass(slots=True)
class Closes:
    """The closes that a later tick may look back on: `values[metric][tick_ms]`."""

    values: dict[int, dict[int, float]] = field(default_factory=dict)

    def keep(self, plan: Plan, tick_ms: int, readings: Sequence[Reading]) -> None:
        """Remember a tick's readings if it is a close; forget what no tick will ask for."""
        if tick_ms % DAY_MS:
            return
        oldest = last_closes(tick_ms).start
        for metric, starts in _compared(plan).items():
            reading, kept = readings[metric], self.values.setdefault(metric, {})
            if reading.value is not None and reading.coverage >= 1:
                kept[tick_ms] = float(reading.value)
            for gone in [at for at in kept if at < oldest and at not in starts]:
                del kept[gone]

    def dump(self, plan: Plan) -> list[SavedClose]:
        """Everything remembered, by the identities of metrics."""
        return [
            (plan.metrics[metric].identity, tick_ms, value)
            for metric, kept in self.values.items()
            for tick_ms, value in kept.items()
        ]

    def load(self, plan: Plan, saved: Iterable[SavedClose]) -> None:
        """Take the place of none with what `dump` gave, for metrics that are there."""
        numbers: dict[str, list[int]] = defaultdict(list)
        for number in _compared(plan):
            numbers[plan.metrics[number].identity].append(number)
        for identity, tick_ms, value in saved:
            for number in numbers[identity]:
                self.values.setdefault(number, {})[tick_ms] = value


def _compared(plan: Plan) -> dict[int, set[int | None]]:
    """The metrics whose closes are kept, and the closes that are kept for ever."""
    found: dict[int, set[int | None]] = defaultdict(set)
    for number, metric in enumerate(plan.metrics):
        if metric.targets and metric.since_ms is not None:
            found[number].add(metric.since_ms)
        if metric.proxy_for is not None:
            found[number] |= set()
            found[metric.proxy_for] |= set()
    return found


def look_ahead(
    plan: Plan, readings: Sequence[Reading], closes: Closes, tick_ms: int
) -> tuple[Outlook, ...]:
    """The outlook of every metric of the plan; `closes` takes in the readings first."""
    closes.keep(plan, tick_ms, readings)
    return tuple(
        _outlook(number, metric, readings[number], closes, tick_ms)
        for number, metric in enumerate(plan.metrics)
    )


def _outlook(
    number: int, metric: Metric, reading: Reading, closes: Closes, tick_ms: int
) -> Outlook:
    if not metric.targets and metric.proxy_for is None:
        return NOTHING_AHEAD
    mine = closes.values.get(number, {})
    way = UNKNOWN
    if metric.targets:
        value = None if reading.value is None else float(reading.value)
        start = None if metric.since_ms is None else mine.get(metric.since_ms)
        way = progress(metric.targets, value, tick_ms, metric.since_ms, start)
    moved = None
    if metric.proxy_for is not None:
        theirs = closes.values.get(metric.proxy_for, {})
        days = [day for day in last_closes(tick_ms) if day in mine and day in theirs]
        moved = correlation([(mine[day], theirs[day]) for day in days])
    return Outlook(way.attainment, way.pace, moved)
