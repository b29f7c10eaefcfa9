"""A supervisor of two processes, the second of which is not always well."""

import os
import sys
import time
from itertools import pairwise
from threading import Event, Thread

import pytest

from pipeline.engine.supervisor import NotKept, Orders, Showing, Supervisor
from pipeline.telemetry import ProcessFigures, Telemetry

TIMEOUT_S = 60.0
PROGRAM = (sys.executable, "-m", "tests.engine.supervised_process")
FINAL = 4
TICK_MS = 1_000


class Watched:
    """A supervisor in a thread, and all that it shows."""

    def __init__(self, folder, behaviours, **orders):
        self.folder = folder
        self.gate, self.figures, self.stop = Telemetry(), ProcessFigures(2), Event()
        self.shown, self.failed = [], None
        given = {
            "processes": 2,
            "slots": 2,
            "agreement": "",
            "open_store": lambda: None,
            "telling": {FINAL, 5},
            "final": {FINAL},
        }
        command = [*PROGRAM, str(folder), *behaviours]
        showing = Showing(self._publish, lambda: self.shown.append(None), self.gate, self.figures)
        self.supervisor = Supervisor(Orders(command, **given | orders), showing, self.stop)
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _publish(self, tick):
        if self.gate.shows(tick.at_ms, TICK_MS):
            self.shown.append(tick.at_ms)

    def _run(self):
        try:
            self.supervisor.run()
        except NotKept as failed:
            self.failed = failed

    def until(self, condition):
        """Return when the condition holds."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline_s
            time.sleep(0.01)

    def until_shown(self, tick_ms):
        """Return when this tick is shown."""
        self.until(lambda: tick_ms in self.shown)

    def end(self, *, ask=True):
        """Ask for an end, or wait for it; what it ended with."""
        if ask:
            self.stop.set()
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()
        return self.failed

    def starts(self):
        """The files of each process's starts."""
        return [len([*self.folder.glob(f"{number}-*")]) for number in (0, 1)]

    def pids(self):
        """The ids of all processes that were ever started."""
        return [int(file.name.split("-")[-1]) for file in self.folder.iterdir()]


@pytest.fixture
def watch(tmp_path, monkeypatch):
    """Starts a supervisor; at the end, none of its processes is left."""
    monkeypatch.setattr("pipeline.engine.restarts.BACK_OFF_S", 0.01)
    watched = []

    def start(*behaviours, **orders):
        watched.append(Watched(tmp_path, behaviours, **orders))
        return watched[-1]

    yield start
    for each in watched:
        each.end()
        for pid in each.pids():
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


def test_what_is_well_runs_until_it_is_asked_to_end(watch):
    """Both are counted, ticks are shown, and the end is in order."""
    watched = watch("well")
    watched.until_shown(1_000)
    assert watched.figures == ProcessFigures(wanted=2, up=2, restarts=0)

    assert watched.end() is None
    assert watched.supervisor.consumed == 6
    assert watched.figures.up == 0


def test_when_one_dies_all_are_started_again(watch):
    """Nothing is shown from its death until the next start has caught up."""
    watched = watch("dies", "well")
    watched.until_shown(2_000)

    assert watched.end() is None
    assert watched.starts() == [2, 2]
    assert watched.figures.restarts == 1
    changes = [one for one, next_ in pairwise([*watched.shown, 0]) if one != next_]
    assert changes[:4] == [None, 1_000, None, 2_000]


def test_nothing_is_shown_before_all_slots_have_caught_up(watch):
    """The reasons say so."""
    watched = watch("well", slots=3)
    watched.until(lambda: watched.gate.waiting_for == {"slot 2 to catch up"})

    assert watched.end() is None
    assert set(watched.shown) == {None}


def test_one_that_hangs_is_not_waited_for(watch):
    """It says that it lives, but does not poll."""
    watched = watch("hangs", "well", hung_after_s=0.5)
    watched.until_shown(2_000)

    assert watched.end() is None
    assert watched.starts() == [2, 2]


def test_a_fault_that_stays_is_given_up(watch, monkeypatch):
    """The last end is told, and its exit code is ours."""
    monkeypatch.setattr("pipeline.engine.restarts.FAILURES_IN_A_ROW_MAX", 2)
    failed = watch("5").end(ask=False)

    assert str(failed) == (
        "given up: 2 starts in a row have failed; at last, process 1 ended with exit code 5"
    )
    assert failed.code == 5


def test_a_fault_that_no_start_changes_is_not_tried_again(watch):
    """One start, and its exit code."""
    watched = watch(str(FINAL))
    failed = watched.end(ask=False)

    assert str(failed).startswith("process 1 ended with exit code 4;")
    assert failed.code == FINAL
    assert watched.starts() == [1, 1]


def test_when_one_wants_to_end_all_are_asked_to(watch):
    """It has its reasons: what was read is saved, and then all start again."""
    watched = watch("quits", "well")
    watched.until_shown(2_000)

    assert watched.end() is None
    assert watched.starts() == [2, 2]


def test_one_that_does_not_stop_is_ended(watch):
    """After the time that it has; it is told that something will be read again."""
    watched = watch("stays", stop_within_s=0.5)
    watched.until_shown(1_000)
    failed = watched.end()

    assert str(failed) == (
        "while stopping, the processes had not ended after 0.5 s; what came after the last "
        "snapshot is read again"
    )
