"""Judge: is a guardrail where it should be?

A verdict needs a value, something to hold it against, and enough behind both; where one is
missing it is `unknown`, which is no alarm and no all-clear.
The only memory is the readings that baselines will ask for.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pipeline.core.baselines import Fixed, Past, Previous, look_back_of, looked_at
from pipeline.core.closes import Closes
from pipeline.core.compose import Reading
from pipeline.core.plan import Plan
from pipeline.core.tree import Better, Guard


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


MISSING_OF: Final = 4  # one in so many may be missing of a median

NOT_JUDGED: Final = Verdict(State.UNKNOWN, reason="no guard")


@dataclass(frozen=True, slots=True)
class Published:
    """What baselines need to know of a reading."""

    value: float | None
    coverage: float


SavedReading = tuple[str, int, float | None, float]  # identity of its metric, tick, what it said


@dataclass(slots=True)
class History:
    """Past readings of the metrics whose baselines look back on them.

    Kept at multiples of a baseline's step only, and no longer than it looks back.
    `readings[metric][tick_ms]`. `closes` is what targets and proxies look back on.
    """

    readings: dict[int, dict[int, Published]] = field(default_factory=dict)
    closes: Closes = field(default_factory=Closes)

    def keep(self, metric: int, baseline: Past, tick_ms: int, reading: Reading) -> None:
        """Remember a reading if a later tick will ask for it, and forget what none can."""
        step = look_back_of(baseline).step_ms
        kept = self.readings.setdefault(metric, {})
        if tick_ms % step == 0:
            kept[tick_ms] = Published(reading.value, reading.coverage)
        oldest = looked_at(baseline, tick_ms)[-1]
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
        if isinstance(guard.baseline, Past):
            history.keep(index, guard.baseline, tick_ms, reading)
    return tuple(verdicts)


def _past(
    guard: Guard, history: History, metric: int, tick_ms: int
) -> tuple[Published | None, ...]:
    """The readings that the baseline is made of, newest first; None for those not there."""
    if not isinstance(guard.baseline, Past):
        return ()
    kept = history.readings.get(metric, {})
    return tuple(kept.get(at_ms) for at_ms in looked_at(guard.baseline, tick_ms))


def _verdict(guard: Guard, reading: Reading, past: Sequence[Published | None]) -> Verdict:
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


def _baseline(guard: Guard, value: float | None, past: Sequence[Published | None]) -> float | str:
    """The number to hold the value against, or why there is none."""
    if isinstance(guard.baseline, Fixed):
        return guard.baseline.value
    if isinstance(guard.baseline, Previous):
        return _previous(past[0])
    if isinstance(guard.baseline, Past):
        return _median(past)
    if guard.low is None or guard.high is None:
        raise AssertionError("a guard without a baseline has two bounds")
    if value is None:
        return "no value"
    return guard.low if abs(value - guard.low) < abs(value - guard.high) else guard.high


def _previous(past: Published | None) -> float | str:
    if past is None or past.value is None or past.coverage == 0:
        return "no reading one period ago"
    if past.coverage < 1:
        return "the reading one period ago did not cover its window"
    return past.value


def _median(past: Sequence[Published | None]) -> float | str:
    """The median of the readings that are covered, of which one in four may be missing."""
    covered = [each for each in past if each is not None and each.coverage >= 1]
    values = [each.value for each in covered if each.value is not None]
    missing = len(past) - len(values)
    if missing > len(past) // MISSING_OF:
        return f"{missing} of {len(past)} earlier readings are missing or not covered"
    return statistics.median(values)


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
