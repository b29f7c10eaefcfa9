"""When processes are started again, when they count as hung, and when to give up.

Decisions only: time and luck are handed in.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

BACK_OFF_S: Final = 0.2
BACK_OFF_MAX_S: Final = 10.0
# With the longest waits in between, a minute or so; a fault that lasts longer wants a person.
FAILURES_IN_A_ROW_MAX: Final = 6
# Each gets ready, but so often that hardly anything is shown in between.
FAILURES_MAX: Final = 20
FAILURES_WITHIN_S: Final = 600.0
# State is read at some 0.3 GB a second, and a machine holds 50 GB of it at the most.
START_WITHIN_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class End:
    """How a process has ended: its exit code, or the signal's number below 0."""

    process: int
    code: int

    def __str__(self) -> str:
        """As a person would say it.

        >>> str(End(1, -9)), str(End(0, 5))
        ('process 1 was ended by SIGKILL', 'process 0 ended with exit code 5')
        """
        if self.code < 0:
            return f"process {self.process} was ended by {_signal(-self.code)}"
        return f"process {self.process} ended with exit code {self.code}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the processes had to be ended. `code` is that of `End`, 0 where none tells."""

    text: str
    code: int = 0


def cause(ends: Sequence[End], telling: Collection[int]) -> Failure:
    """The end that explains the others, in the order in which they were seen.

    When one process dies its peers fail at once, with an error that says nothing. So what tells
    most is one of the exit codes that have a meaning, then a signal, then what came first.

    >>> cause([End(0, 70), End(1, -9)], telling={4}).text
    'process 1 was ended by SIGKILL'
    """
    failed = [end for end in ends if end.code]
    first = min(failed, key=lambda end: (end.code not in telling, end.code > 0))
    return Failure(str(first), first.code)


class Restarts:
    """Counts failures, and says how long to wait after each.

    The wait doubles with each failure in a row, and is drawn from its upper half, so that those
    who failed together do not come back together. `luck` gives numbers from 0 to 1.
    """

    def __init__(self, luck: Callable[[], float]) -> None:
        self.total = 0
        self._luck = luck
        self._in_a_row = 0
        self._lately_s: deque[float] = deque()

    def ready(self) -> None:
        """The processes have come to show something: the row of failures is over."""
        self._in_a_row = 0

    def wait_s(self, now_s: float) -> float | None:
        """After a failure: how long to wait before the next start, None to give up."""
        self.total += 1
        self._in_a_row += 1
        self._lately_s.append(now_s)
        while self._lately_s[0] <= now_s - FAILURES_WITHIN_S:
            self._lately_s.popleft()
        if self._in_a_row >= FAILURES_IN_A_ROW_MAX or len(self._lately_s) >= FAILURES_MAX:
            return None
        longest_s = min(BACK_OFF_MAX_S, BACK_OFF_S * 2.0 ** (self._in_a_row - 1))
        return longest_s * (1 + self._luck()) / 2

    def given_up(self) -> str:
        """How often it was tried."""
        if self._in_a_row >= FAILURES_IN_A_ROW_MAX:
            return f"{self._in_a_row} starts in a row have failed"
        return f"{len(self._lately_s)} failures within {FAILURES_WITHIN_S / 60:g} minutes"


class Pulse:
    """Whether a process moves on: its count of polls does.

    Before the first poll it starts, and reads its state; that has a limit of its own.
    """

    def __init__(self, now_s: float, hung_after_s: float) -> None:
        self._hung_after_s = hung_after_s
        self._polls = 0
        self._moved_s = now_s

    def feel(self, polls: int, now_s: float) -> None:
        """Take in what the process says."""
        if polls != self._polls:
            self._polls, self._moved_s = polls, now_s

    @property
    def has_begun(self) -> bool:
        """Whether it has polled at all."""
        return self._polls > 0

    def stopped(self, now_s: float) -> str | None:
        """What has lasted too long, if anything has."""
        still_s = now_s - self._moved_s
        if not self._polls and still_s > max(START_WITHIN_S, self._hung_after_s):
            return f"has not begun to read within {still_s:.0f} s"
        if self._polls and still_s > self._hung_after_s:
            return f"has not moved for {still_s:.0f} s"
        return None
