"""Ticks that were told are known to the next run, and made again."""

import errno
import os

import pytest

from pipeline.core.clock import Clock
from pipeline.core.publish import Tick
from pipeline.core.transitions import Change, Transition
from pipeline.engine import told
from pipeline.engine.told import ToldTicks

ANN = Transition("busy", "user", "ann", "0a", Change.ENTERED)


def tick(at_ms):
    """A tick that has something to tell."""
    return Tick(at_ms, (), (), transitions=(ANN,))


def test_the_next_run_knows(tmp_path):
    """Only of ticks that had something to tell, each once, and by nobody else's leave."""
    ticks = ToldTicks(tmp_path)
    for each in (tick(5_000), tick(10_000).without_transitions(), tick(15_000), tick(15_000)):
        ticks.write(each)
    assert ToldTicks(tmp_path).ticks == {5_000, 15_000}
    assert (tmp_path / told.FILE).stat().st_mode & 0o077 == 0


def test_nothing_is_made_before_there_is_something_to_note(tmp_path):
    """The store makes its directory itself."""
    assert ToldTicks(tmp_path / "state").ticks == set()
    assert [*tmp_path.iterdir()] == []


def test_old_ones_go(tmp_path, monkeypatch):
    """State that is saved is past them."""
    monkeypatch.setattr(told, "KEPT", 3)
    ticks = ToldTicks(tmp_path)
    for at_ms in range(5):
        ticks.write(tick(at_ms))
    assert ToldTicks(tmp_path).ticks == {2, 3, 4}


def test_a_full_disk_is_a_fault(tmp_path, monkeypatch):
    """Nobody is told of what is not noted."""

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    ticks = ToldTicks(tmp_path)
    with pytest.raises(OSError, match="No space"):
        ticks.write(tick(5_000))
    assert ticks.fault is not None
    assert ticks.ticks == set()


def test_a_clock_passes_over_none_of_them():
    """While it catches up; what it has called before it does not call again."""
    clock = Clock(slots=1, tick_ms=10, look_backs=(), catch_up_ticks=2, told=[30, 70, 500, 900])
    assert clock.advance(0, 205, 5) == [30, 70, 200]
    assert clock.advance(0, 605, 5) == [500, 600]
