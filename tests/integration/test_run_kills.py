"""`kill -9` at moments drawn uniformly over a life, over Kafka: all that is shown is the truth."""

import signal
import sys
from random import Random

import pytest

from pipeline.cli.exits import Exit
from pipeline.engine.failpoints import VARIABLE, Failpoint
from tests.engine.kill_stories import drawn_seed
from tests.integration.killed_runs import KilledRuns, wrong
from tests.integration.northstar_process import COLLABORATION, run_to_end
from tests.integration.waiting import wait_until

LIVES = (1, 1, 1, 1, 2, 1, 2, 2, 1, 1, 2, 1)  # processes in each
TICKS_SEEN_MIN = 4  # fewer, and the test has hardly looked
# One after the other on one state, which is then left to show what there is.
FAILPOINTS = (
    ("publish:2", "commit:2", "restore:3"),
    ("poll:30", "batch:60", "snapshot:9"),
    ("slot-snapshot:9", "commit:1"),
)
# Of two processes either may come to it first; the number is what each comes to.
FAILPOINTS_OF_EACH = (
    ("publish:2", "commit:2", "restore:3", "poll:15"),
    ("batch:20", "slot-snapshot:4", "snapshot:4"),
)
DIES_WITHIN_S = 60.0


@pytest.fixture
def runs(kafka, tmp_path):
    """Runs on a topic of their own; the seed is printed and can be given."""
    seed = drawn_seed()
    sys.stdout.write(f"NORTHSTAR_TEST_SEED={seed}\n")
    runs = KilledRuns(kafka, tmp_path, Random(seed))  # noqa: S311
    try:
        with runs.watcher:
            yield runs
    finally:
        runs.close()


def assert_true(runs, ticks_seen_min):
    """All that was ever shown is what the oracle says, and time never went back."""
    shown = runs.shown()
    ticks = [tick for _, tick, _ in shown]
    assert wrong(shown) == []
    assert ticks == sorted(ticks)
    assert ticks[-1] == runs.newest_ms
    assert len({*ticks}) >= ticks_seen_min


@pytest.mark.services
def test_nothing_but_the_truth_is_shown_by_one_process_and_by_two(runs):
    """One state, killed again and again, also while it is read; 1 → 2 → 1 on the way."""
    for processes in LIVES:
        runs.live(processes)
    runs.show(runs.run(1))

    assert runs.kills.total() >= len(LIVES)
    assert_true(runs, TICKS_SEEN_MIN)


@pytest.mark.services
def test_nothing_but_the_truth_is_shown_after_death_at_failpoints(runs):
    """Among them the moment between an epoch on disk and the group's offsets."""
    for failpoints in FAILPOINTS:
        for failpoint in failpoints:
            run = runs.run(1, FAILPOINT=failpoint)
            runs.produce()
            wait_until(lambda run=run: run.pid is None, f"death at {failpoint}", DIES_WITHIN_S)
            assert run._process.returncode == -signal.SIGKILL
            assert any("a failpoint is set" in line["event"] for line in run.told())
        run = runs.run(1)
        runs.show(run)
        run.kill()

    assert_true(runs, len(FAILPOINTS))


@pytest.mark.services
def test_nothing_but_the_truth_is_shown_after_death_of_one_of_two_at_failpoints(runs):
    """Their supervisor starts both again, until it is killed as well."""
    for failpoints in FAILPOINTS_OF_EACH:
        for failpoint in failpoints:
            run = runs.run(2, FAILPOINT=failpoint)
            runs.produce()
            wait_until(lambda run=run: died(run), f"death at {failpoint}", DIES_WITHIN_S)
            run.kill()
        run = runs.run(2)
        runs.show(run)
        run.kill()

    assert_true(runs, len(FAILPOINTS_OF_EACH))


def died(run):
    """Whether one of several processes was ended as `kill -9` does."""
    assert run.pid is not None, run.log_tail()
    again = [line for line in run.told() if line["event"] == "starting all processes again"]
    return any("SIGKILL" in str(line["cause"]) for line in again)


def test_every_failpoint_is_died_at():
    """By one process, and by one of two."""
    for groups in (FAILPOINTS, FAILPOINTS_OF_EACH):
        names = {each.partition(":")[0] for group in groups for each in group}
        assert names == {*Failpoint}


def test_a_failpoint_that_there_is_not_is_refused():
    """Exit code 2, and the names of all that there are."""
    ended = run_to_end({VARIABLE.removeprefix("NORTHSTAR_"): "comit:1"}, str(COLLABORATION))

    assert ended.code == Exit.USAGE
    (line,) = ended.words
    assert line.startswith("NORTHSTAR_FAILPOINT: 'comit' is no failpoint; there are restore, ")
