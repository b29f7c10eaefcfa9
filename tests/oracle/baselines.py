"""The ticks whose readings a guard's baseline is made of, and what it makes of them."""

import ast
from collections.abc import Callable
from statistics import median

from tests.oracle.measures import Measure, arithmetic
from tests.oracle.model import Guard
from tests.oracle.words import MILLISECONDS, baseline_step_ms, duration_ms, plain_number

DAY_MS = MILLISECONDS["d"]
WEEK_MS = MILLISECONDS["w"]
MISSING_SHARE_MAX = 0.25
"""One of four readings may be missing."""


def _name(call: ast.Call) -> str:
    assert isinstance(call.func, ast.Name)
    return call.func.id


def past_ticks(guard: Guard | None, tick: int) -> list[int]:
    """Name the ticks that the baseline looks back to."""
    call = None if guard is None else guard.baseline
    if call is None:
        return []
    match _name(call):
        case "previous":
            back = duration_ms(ast.literal_eval(call.args[0]))
            step = baseline_step_ms(back)
            return [(tick - back) // step * step]
        case "median":
            (weeks,) = (int(plain_number(k.value)) for k in call.keywords if k.arg == "weeks")
            step = baseline_step_ms(WEEK_MS)
            return [(tick - number * WEEK_MS) // step * step for number in range(1, weeks + 1)]
        case "trailing_median":
            days = duration_ms(ast.literal_eval(call.args[0])) // DAY_MS
            last = (tick - 1) // DAY_MS * DAY_MS
            return [last - number * DAY_MS for number in range(days)]
    return []


def baseline(guard: Guard, tick: int, reading: Callable[[int], Measure]) -> float | None:
    """Give what the value is compared with; nothing where too little of the past is known."""
    call = guard.baseline
    if call is None:
        return None
    if _name(call) == "fixed":
        return arithmetic(call.args[0], lambda _: None)
    readings = [reading(past) for past in past_ticks(guard, tick)]
    values = [r.value for r in readings if r.value is not None and r.coverage >= 1]
    missing_max = 0 if _name(call) == "previous" else int(MISSING_SHARE_MAX * len(readings))
    if len(readings) - len(values) > missing_max:
        return None
    return median(values)
