"""Signals ask for an end in order, and nobody is left waiting or without an exit code for it."""

import signal
import threading

import pytest

from pipeline.cli import wall_clock
from pipeline.cli.service import stopped_by_signals
from pipeline.cli.wall_clock import wait_beside_the_clock

ASKED_TO_STOP = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def restored():
    """Handlers are ours again when the test is over."""
    before = {number: signal.getsignal(number) for number in ASKED_TO_STOP}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_one_of_several_processes_exits_with_its_own_code():
    """Its supervisor's SIGTERM, sent while it exits, once took the place of its exit code."""
    with stopped_by_signals(threading.Event(), at_once=False):
        pass

    assert [signal.getsignal(number) for number in ASKED_TO_STOP] == [signal.SIG_IGN] * 2


def test_a_process_of_its_own_gets_its_handlers_back():
    """What comes after may be ended by a signal as ever."""
    before = [signal.getsignal(number) for number in ASKED_TO_STOP]

    with stopped_by_signals(threading.Event()):
        pass

    assert [signal.getsignal(number) for number in ASKED_TO_STOP] == before


class NotReentrant(threading.Event):
    """An event as the handler of a signal may find it: its lock is taken by the main thread."""

    def wait(self, timeout=None):
        """Fail, where a real one would be found locked for ever."""
        raise AssertionError(timeout)


def test_who_waits_beside_the_clock_takes_no_lock(monkeypatch):
    """`Event.wait` and a handler's `set` could meet in one thread, and neither went on."""
    monkeypatch.setattr(wall_clock, "HEAR_S", 0.001)
    stop = NotReentrant()
    threading.Timer(0.02, stop.set).start()

    wait_beside_the_clock(stop)

    assert stop.is_set()


class Interrupted(threading.Event):
    """An event that a second signal finds being set."""

    sets = 0

    def set(self):
        """Hear the second signal within the handler of the first."""
        self.sets += 1
        if self.sets == 1:
            signal.raise_signal(signal.SIGTERM)
        super().set()


def test_a_signal_in_the_handler_of_another_sets_nothing_twice():
    """The lock of the event is taken then."""
    stop = Interrupted()
    with stopped_by_signals(stop, at_once=False):
        signal.raise_signal(signal.SIGTERM)

    assert stop.is_set()
    assert stop.sets == 1
