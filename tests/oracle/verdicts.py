"""How a guardrail judges its value."""

from tests.oracle.measures import Measure
from tests.oracle.model import Guard


def _beyond(guard: Guard, value: float, baseline: float, share: float) -> bool:
    margin = abs(baseline) * share
    is_upper = guard.better == "lower" or (
        isinstance(guard.better, tuple) and baseline == guard.better[1]
    )
    return value > baseline + margin if is_upper else value < baseline - margin


def judge(guard: Guard, now: Measure, baseline: float | None) -> str:
    """Give the verdict on a reading, `unknown` where there is too little to judge by."""
    if now.value is None or now.coverage < 1 or now.samples < guard.min_samples:
        return "unknown"
    if isinstance(guard.better, tuple):
        value = now.value
        baseline = min(guard.better, key=lambda bound: abs(value - bound))
    if baseline is None or (baseline == 0 and not isinstance(guard.better, tuple)):
        return "unknown"
    if _beyond(guard, now.value, baseline, guard.breach):
        return "red"
    return "yellow" if _beyond(guard, now.value, baseline, guard.warn) else "green"
