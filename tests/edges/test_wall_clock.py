"""A wall clock that is set back ends the process; nothing else about it matters."""

import os
import threading

import pytest

from pipeline.cli import wall_clock
from pipeline.cli.exits import Exit
from pipeline.cli.wall_clock import SET_BACK_MAX_S, WallClock, wait_beside_the_clock

DAY_S = 86_400.0


class Turned:
    """A wall clock that is set by so much at each look, while a second passes."""

    def __init__(self, *steps_s):
        self._steps_s = [0.0, *steps_s]
        self._now_s = 1_700_000_000.0
        self._passed_s = 0.0

    def wall_s(self):
        """The wall clock at the next look."""
        self._now_s += 1.0 + self._steps_s.pop(0)
        return self._now_s

    def monotonic_s(self):
        """The clock that nobody can set, at the same look."""
        self._passed_s += 1.0
        return self._passed_s


def clock(*steps_s):
    """A clock over one that is turned."""
    turned = Turned(*steps_s)
    return WallClock(turned.wall_s, turned.monotonic_s)


def test_a_step_is_told_once_and_in_its_direction():
    """What counts is the step since the last look, also after one the other way."""
    turned = clock(0.0, 2 * DAY_S, 0.0, -2 * DAY_S, 0.0)

    assert [turned.set_back_s() for _ in range(5)] == [0.0, -2 * DAY_S, 0.0, 2 * DAY_S, 0.0]


class Ended(Exception):
    """The process would have ended."""


@pytest.fixture
def quick(monkeypatch):
    """Looks follow at once, and the end of the process is an exception with its code."""

    def end(code):
        raise Ended(code)

    monkeypatch.setattr(wall_clock, "LOOK_INTERVAL_S", 0.0)
    monkeypatch.setattr(os, "_exit", end)


@pytest.mark.usefixtures("quick")
def test_a_clock_set_back_ends_the_process(capsys):
    """By a code that says to start again, and a line that says why."""
    with pytest.raises(Ended) as ended:
        wait_beside_the_clock(threading.Event(), clock(0.0, -2 * DAY_S))

    assert ended.value.args == (Exit.OURS,)
    out = capsys.readouterr().out
    assert "the wall clock was set back" in out
    assert "172800" in out


@pytest.mark.usefixtures("quick")
def test_a_clock_set_forward_or_hardly_back_ends_nothing():
    """It waits for the request to stop, and no more."""
    stop = threading.Event()
    turned = Turned(2 * DAY_S, -SET_BACK_MAX_S, 0.0, 0.0)

    def wall_s():
        if len(turned._steps_s) == 1:
            stop.set()
        return turned.wall_s()

    wait_beside_the_clock(stop, WallClock(wall_s, turned.monotonic_s))

    assert turned._steps_s == []
