"""Death at each failpoint: every tick published is what the oracle says."""

import signal
import subprocess
import sys
from random import Random

import pytest

from pipeline.engine.failpoints import Failpoint, asked_for, dying_at, nowhere
from tests.engine.kill_stories import Die, Kind, stories_of_a_seed
from tests.engine.kill_tally import Tally

REACHED = {
    Failpoint.RESTORE: 4,
    Failpoint.POLL: 12,
    Failpoint.BATCH: 60,
    Failpoint.SNAPSHOT: 40,
    Failpoint.SLOT_SNAPSHOT: 6,
    Failpoint.COMMIT: 3,
    Failpoint.PUBLISH: 8,
}
"""How often at least a life comes to each; two processes share that."""

SAVED = "commit:2"  # a death that leaves something to restore
TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def all_stories():
    """Stories from one seed, which is printed and can be given."""
    with stories_of_a_seed() as stories:
        yield stories


@pytest.fixture
def stories(all_stories):
    """The same with a tally of its own."""
    all_stories.tally = Tally()
    return all_stories


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("point", Failpoint)
def test_death_at(stories, point, processes):
    """The next life goes on as if it had not been."""
    number = Random(stories.seed).randint(1, REACHED[point] // processes)  # noqa: S311
    kind = Kind.LIVE if processes == 1 else Kind.MEMORY
    before = [Die(processes, SAVED)] if point is Failpoint.RESTORE else []
    stories.tell(kind, [*before, Die(processes, f"{point}:{number}")])
    assert stories.tally.faults == []
    assert stories.tally.kills[f"{kind} in {processes} at {point}"] == 1


def test_without_the_variable_nothing_is_called():
    """Nor with an empty one."""
    assert asked_for({}) is nowhere
    assert asked_for({"NORTHSTAR_FAILPOINT": ""}) is nowhere
    assert asked_for({"NORTHSTAR_FAILPOINT": "poll:2"}) is not nowhere


def test_the_process_is_killed_at_the_nth_passing_of_that_point():
    """By SIGKILL, so that nothing of it is left to run."""
    program = (
        "from pipeline.engine.failpoints import *\n"
        "reach = dying_at('poll:2')\n"
        "reach(Failpoint.POLL), reach(Failpoint.COMMIT)\n"
        "print('alive', flush=True)\n"
        "reach(Failpoint.POLL)\n"
        "print('still alive')\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, timeout=TIMEOUT_S, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"alive\n")


@pytest.mark.parametrize("text", ["poll", "poll:", "poll:0", "poll:-1", "poll:x", "poll:1:1"])
def test_a_count_from_1_is_asked_for(text):
    """The text says what to write."""
    with pytest.raises(ValueError, match=r"write its name and a count from 1, as poll:1$"):
        dying_at(text)


def test_a_name_that_there_is_not_is_refused():
    """The text names all."""
    with pytest.raises(ValueError, match=r"'pol' is no failpoint; there are restore, poll, "):
        dying_at("pol:1")
