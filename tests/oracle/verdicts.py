"""How a guardrail judges its value."""

import ast

from tests.oracle.language import Guard
from tests.oracle.measures import Measure, arithmetic


def _baseline(guard: Guard, value: float, previous: Measure | None) -> float | None:
    if isinstance(guard.better, tuple):
        return min(guard.better, key=lambda bound: abs(value - bound))
    if previous is not None:
        return previous.value if previous.coverage >= 1 else None
    match guard.baseline:
        case ast.Call(func=ast.Name(id="fixed"), args=[number]):
            return arithmetic(number, lambda _: None)
    return None


def _beyond(guard: Guard, value: float, baseline: float, share: float) -> bool:
    margin = abs(baseline) * share
    is_upper = guard.better == "lower" or (
        isinstance(guard.better, tuple) and baseline == guard.better[1]
    )
    return value > baseline + margin if is_upper else value < baseline - margin


def judge(guard: Guard, now: Measure, previous: Measure | None) -> str:
    """Give the verdict on a reading, `unknown` where there is too little to judge by."""
    if now.value is None or now.coverage < 1 or now.samples < guard.min_samples:
        return "unknown"
    baseline = _baseline(guard, now.value, previous)
    if baseline is None or (baseline == 0 and not isinstance(guard.better, tuple)):
        return "unknown"
    if _beyond(guard, now.value, baseline, guard.breach):
        return "red"
    return "yellow" if _beyond(guard, now.value, baseline, guard.warn) else "green"
