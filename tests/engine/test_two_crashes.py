"""Two crashes in adjacent epochs: what the first left behind is not counted twice.

A crash can leave snapshots of an epoch that was not finished. Bytewax resumes from before them and
keeps them; keys that are quiet until a second crash write none over them, and they then pass for
theirs. Two cures: they are dropped at the start, and every keyed step takes in nothing twice and
repeats what it sent lately.
"""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from random import Random
from threading import Event

import pytest

from pipeline.core.fence import Fence
from pipeline.engine.outbox import Outbox
from tests.engine.both_engines import bytewax, local, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, PLAN, START_MS, last_tick_ms, stream
from tests.engine.killed_process import DIED, NUMBER, STORE_PARTS
from tests.engine.memory_source import MemorySource

SEED = 12
TICK_MS = DEPLOYMENT.tick_ms
QUIET_POLLS = 40
TIMEOUT_S = 60.0
KEYED = ("clock", "compose", *(f"roll-{level}" for level in range(PLAN.levels)))


@pytest.fixture(scope="module")
def records():
    """The stream that all of these runs read."""
    return stream(SEED, number=NUMBER)


@pytest.fixture(scope="module")
def expected(records):
    """What the local engine makes of it at every tick, as Python shows it."""
    span = range(START_MS - 4 * TICK_MS, last_tick_ms(records) + TICK_MS, TICK_MS)
    return {repr(tick): tick.at_ms for tick in local(PLAN, DEPLOYMENT, records, span)}


class Story:
    """One store through several runs; `told` are all ticks that were ever published.

    `told_last` are those of the last run.
    """

    def __init__(self, directory, records, *, cleans=False):
        self.cleans = cleans
        self.store = directory / "store"
        self.later = directory / "later"
        self.ticks = directory / "ticks"
        self.told = []
        self.told_last = []
        self._records = records

    def run(self, store, until=None):
        """Until so many records are read, or to the end."""
        source = MemorySource(self._records, slots=2, live=True, luck=len(self.told))
        stop = Event()
        if until is None:
            stop = until_exhausted(source)
        else:
            read = source.handed_out
            source.on_poll = lambda _: stop.set() if sum(read.values()) > until else None
        running = {"store": store, "store_parts": STORE_PARTS, "poll_records": 25}
        self.told_last = [*map(repr, bytewax(PLAN, DEPLOYMENT, source, stop=stop, **running))]
        self.told += self.told_last

    def run_in_vain(self):
        """Find nothing to read, and die."""
        how = [] if self.cleans else ["unclean"]
        given = [self.store, self.ticks, SEED, 1, QUIET_POLLS, "quiet", *how]
        command = [sys.executable, "-m", "tests.engine.killed_process", *map(str, given)]
        assert subprocess.run(command, timeout=TIMEOUT_S, check=False).returncode == DIED
        self.told += self.ticks.read_text(encoding="utf-8").splitlines()

    def crash_twice(self, left_behind):
        """A crash in the epoch after 150 records, a second in a run that read nothing."""
        self.run(self.store, until=150)
        shutil.copytree(self.store, self.later)
        self.run(self.later, until=330)
        leave_unfinished(self.store, self.later, left_behind)
        self.run_in_vain()
        self.run(self.store)


def leave_unfinished(store, later, left_behind):
    """Put snapshots of later epochs into a store, as dying before an epoch's end does.

    Sources save at every epoch, so none of theirs survives a run; of the others those that
    `left_behind` says yes to. They are put in the epoch after the one that is resumed: in that,
    every step hears from the sources and saves itself anew.
    """
    planted = 0
    for part in sorted((store / "parts").glob("part-*.sqlite3")):
        with (
            closing(sqlite3.connect(part)) as database,
            closing(sqlite3.connect(later / "parts" / part.name)) as other,
            database,
        ):
            (last,) = database.execute("SELECT max(snap_epoch) FROM snaps").fetchone()
            newer = other.execute(
                "SELECT * FROM snaps WHERE snap_epoch > ? ORDER BY step_id, state_key", (last,)
            )
            columns = [column[0] for column in newer.description]
            for row in newer.fetchall():
                step, key = row[columns.index("step_id")], row[columns.index("state_key")]
                if step.rpartition(".")[2] in KEYED and left_behind(step, key):
                    later_row = [*row]
                    later_row[columns.index("snap_epoch")] += 1
                    places = ", ".join("?" * len(row))
                    database.execute(f"INSERT INTO snaps VALUES ({places})", later_row)  # noqa: S608
                    planted += 1
    assert planted


def is_exact(expected, told):
    """Every tick is true, and none since something was there to see is missing."""
    made = {expected[line] for line in told if line in expected}
    due = {at for at in expected.values() if at > START_MS}
    return set(told) <= expected.keys() and due <= made


def shards_only(step, _):
    """All shards are ahead, as if the crash came between their snapshots and the epoch's end."""
    return "roll" in step


@pytest.mark.parametrize(
    ("cleans", "fences", "exact"),
    [(True, True, True), (True, False, True), (False, True, True), (False, False, False)],
)
def test_either_cure_alone_is_enough_and_without_both_it_counts_twice(
    tmp_path, monkeypatch, records, expected, cleans, fences, exact
):
    """The mutations show that this test would see it."""
    if not fences:
        monkeypatch.setattr(Fence, "admit", lambda _, __, rows: rows)
        # What is repeated wakes its step, which then saves itself over what was left behind.
        monkeypatch.setattr(Outbox, "load", lambda *_: None)
    story = Story(tmp_path, records, cleans=cleans)
    story.crash_twice(shards_only)
    assert is_exact(expected, story.told) == exact


@pytest.mark.parametrize("luck", range(8))
def test_any_steps_may_be_ahead_of_any_others(tmp_path, records, expected, luck):
    """Whichever snapshots survived, the fences alone make the same ticks of it."""
    chance = Random(luck)  # noqa: S311
    story = Story(tmp_path, records)
    story.crash_twice(lambda *_: chance.random() < 0.5)
    assert is_exact(expected, story.told)


def test_a_step_that_is_ahead_repeats_what_it_sent(tmp_path, monkeypatch, records):
    """Without that, those behind would miss the ticks that it believes to have sent."""
    with_repeats, without = Story(tmp_path / "with", records), Story(tmp_path / "without", records)
    with_repeats.crash_twice(shards_only)
    monkeypatch.setattr(Outbox, "load", lambda *_: None)
    without.crash_twice(shards_only)
    assert len(without.told_last) < len(with_repeats.told_last)
