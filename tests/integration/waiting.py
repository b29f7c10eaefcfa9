"""Waiting for a condition with a time limit, so that no test sleeps for a guessed time."""

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], bool], what: str, timeout_s: float, interval_s: float = 0.05
) -> None:
    """Return as soon as `condition` holds.

    Raises:
        TimeoutError: It did not hold within `timeout_s`; the text names `what`.
    """
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        time.sleep(interval_s)
