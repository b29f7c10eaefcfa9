"""Judge: is a guardrail where it should be?

A verdict needs a value, something to hold it against, and enough behind both; where one is
missing it is `unknown`, which is no alarm and no all-clear.
The only memory is the readings that `previous(…)` baselines will ask for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pipeline.core.compose import Reading
from pipeline.core.grid import grid_step_ms, one_period_before
from pipeline.core.plan import Better, Fixed, Guard, Plan, Previous


class State(StrEnum):
    """What a verdict says, best first."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state and what it rests on.

    `baseline` is what the value was held against; `warn_at` and `breach_at` are where yellow and
    red begin, all in the metric's unit and None where there is none. `reason` says why a state is
    unknown, and is empty otherwise.
    """

    state: State
    baseline: float | None = None
    warn_at: float | None = None
    breach_at: float | None = None
    reason: str = ""


NOT_JUDGED: Final = Verdict(State.UNKNOWN, reason="no guard")


@dataclass(frozen=True, slots=True)
class Published:
    """What `previous(…)` needs to know of a reading."""

    value: float | None
    coverage: float


SavedReading = tuple[str, int, float | None, float]  # identity of its metric, tick, what it said


@dataclass(slots=True)
class History:
    """Past readings of the metrics that a `previous(…)` baseline looks back on.

    Kept at multiples of the period's step only, and no longer than the period.
    `readings[metric][tick_ms]`.
    """

    readings: dict[int, dict[int, Published]] = field(default_factory=dict)

    def keep(self, metric: int, baseline: Previous, tick_ms: int, reading: Reading) -> None:
        """Remember a reading if a later tick will ask for it, and forget what none can."""
        step = grid_step_ms(baseline.period_ms)
        kept = self.readings.setdefault(metric, {})
        if tick_ms % step == 0:
            kept[tick_ms] = Published(reading.value, reading.coverage)
        oldest = looks_back_to(baseline, tick_ms)
        for gone in [tick for tick in kept if tick < oldest]:
            del kept[gone]

    def dump(self, plan: Plan) -> list[SavedReading]:
        """Everything remembered, by the identities of metrics."""
        return [
            (plan.metrics[metric].identity, tick_ms, kept.value, kept.coverage)
            for metric, by_tick in self.readings.items()
            for tick_ms, kept in by_tick.items()
        ]

    def load(self, plan: Plan, saved: Iterable[SavedReading]) -> None:
        """Take the place of an empty history with what `dump` gave, for metrics that are there."""
        numbers: dict[str, list[int]] = defaultdict(list)
        for number, metric in enumerate(plan.metrics):
            numbers[metric.identity].append(number)
        for identity, tick_ms, value, coverage in saved:
            for number in numbers[identity]:
                self.readings.setdefault(number, {})[tick_ms] = Published(value, coverage)


def looks_back_to(baseline: Previous, tick_ms: int) -> int:
    """The tick whose reading is the baseline at `tick_ms`."""
    return one_period_before(baseline.period_ms, tick_ms)


def judge(
    plan: Plan, readings: Sequence[Reading], history: History, tick_ms: int
) -> tuple[Verdict, ...]:
    """A verdict for every metric of the plan, in plan order; `history` takes in the readings."""
    verdicts = []
    for index, (metric, reading) in enumerate(zip(plan.metrics, readings, strict=True)):
        guard = metric.guard
        if guard is None:
            verdicts.append(NOT_JUDGED)
            continue
        verdicts.append(_verdict(guard, reading, _past(guard, history, index, tick_ms)))
        if isinstance(guard.baseline, Previous):
            history.keep(index, guard.baseline, tick_ms, reading)
    return tuple(verdicts)


def _past(guard: Guard, history: History, metric: int, tick_ms: int) -> Published | None:
    if not isinstance(guard.baseline, Previous):
        return None
    return history.readings.get(metric, {}).get(looks_back_to(guard.baseline, tick_ms))


def _verdict(guard: Guard, reading: Reading, past: Published | None) -> Verdict:
    value = reading.value
    baseline = _baseline(guard, value, past)
    if isinstance(baseline, str):
        return Verdict(State.UNKNOWN, reason=baseline)
    sign = _direction(guard, baseline)
    warn_at = baseline + sign * abs(baseline) * guard.warn
    breach_at = baseline + sign * abs(baseline) * guard.breach
    reason = _too_little(guard, reading)
    if baseline == 0 and guard.better is not Better.BETWEEN:
        reason = reason or "a baseline of 0 has no percentages"
    if value is None or reason:
        return Verdict(State.UNKNOWN, baseline, warn_at, breach_at, reason or "no value")
    if sign * value > sign * breach_at:
        state = State.RED
    elif sign * value > sign * warn_at:
        state = State.YELLOW
    else:
        state = State.GREEN
    return Verdict(state, baseline, warn_at, breach_at)


def _baseline(guard: Guard, value: float | None, past: Published | None) -> float | str:
    """The number to hold the value against, or why there is none."""
    if isinstance(guard.baseline, Fixed):
        return guard.baseline.value
    if isinstance(guard.baseline, Previous):
        if past is None or past.value is None or past.coverage == 0:
            return "no reading one period ago"
        if past.coverage < 1:
            return "the reading one period ago did not cover its window"
        return past.value
    if guard.low is None or guard.high is None:
        raise AssertionError("a guard without a baseline has two bounds")
    if value is None:
        return "no value"
    return guard.low if abs(value - guard.low) < abs(value - guard.high) else guard.high


def _direction(guard: Guard, baseline: float) -> int:
    """+1 where more is worse than the baseline, -1 where less is."""
    if guard.better is Better.BETWEEN:
        return -1 if baseline == guard.low else 1
    return 1 if guard.better is Better.LOWER else -1


def _too_little(guard: Guard, reading: Reading) -> str:
    if reading.coverage < 1:
        return "the window is not covered yet"
    if reading.samples < guard.min_samples:
        return f"{reading.samples} samples, fewer than {guard.min_samples}"
    return ""
