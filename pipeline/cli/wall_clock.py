"""The wall clock, which decides no number, and what happens when somebody sets it back.

Bytewax rests until a wall-clock time, of a few milliseconds ahead. Where the clock is set back
meanwhile it rests until that time has come again, be it in two days. So the process ends then, as
by `kill -9`, to be started again; a clock that is set forward harms nobody.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from pipeline.cli.exits import Exit

LOOK_INTERVAL_S: Final = 1.0
HEAR_S: Final = 0.1  # how late we hear of a signal
SET_BACK_MAX_S: Final = 2.0  # less is rested out

log = structlog.get_logger()


class WallClock:
    """Compares the wall clock to one that nobody can set."""

    def __init__(
        self,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self._ahead_s = self._now_ahead_s()

    def set_back_s(self) -> float:
        """By how much it was set back since the last look; negative where it was set forward."""
        before, self._ahead_s = self._ahead_s, self._now_ahead_s()
        return before - self._ahead_s

    def _now_ahead_s(self) -> float:
        return self._wall_s() - self._monotonic_s()


def wait_beside_the_clock(stop: threading.Event, clock: WallClock | None = None) -> None:
    """Return when `stop` is set; end the process where the wall clock is set back before that."""
    clock = clock or WallClock()
    look_s = time.monotonic() + LOOK_INTERVAL_S
    # `stop.wait` takes a lock, which the handler of a signal could then find taken.
    while not stop.is_set():
        time.sleep(HEAR_S)
        if time.monotonic() >= look_s:
            look_s += LOOK_INTERVAL_S
            _end_if_set_back(clock)


def _end_if_set_back(clock: WallClock) -> None:
    back_s = clock.set_back_s()
    if back_s > SET_BACK_MAX_S:
        log.error(
            "the wall clock was set back, and the engine would rest until it has come as far "
            "again; start it again, it goes on from what was saved last",
            by_seconds=round(back_s),
        )
        os._exit(Exit.OURS)
