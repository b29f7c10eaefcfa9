"""`kill -9` at moments drawn uniformly over a run: every tick published is what the oracle says.

Of one process and of two, and of stores that change between them, over memory and files. The same
over Kafka is `tests/integration/test_run_kills.py`, and for as long as you like `make soak`.
"""

from random import Random

import pytest

from tests.engine.kill_stories import Die, Kind, stories_of_a_seed
from tests.engine.kill_tally import Tally

KILLS_OF_A_STORE_MAX = 4
STORIES_PER_KILL_MAX = 8  # more, and kills come too late to find anybody


@pytest.fixture(scope="module")
def all_stories():
    """Stories from one seed, which is printed and can be given; runs are timed once for all."""
    with stories_of_a_seed() as stories:
        yield stories


@pytest.fixture
def stories(all_stories):
    """The same with a tally of its own."""
    all_stories.tally = Tally()
    return all_stories


def killed(stories, kills, kind, patterns):
    """What came of stories that are told until so many kills have found somebody alive."""
    while stories.tally.kills.total() < kills and not stories.tally.faults:
        assert stories.tally.stories < STORIES_PER_KILL_MAX * kills
        stories.tell(kind, [Die(processes) for processes in next(patterns)])
    return stories.tally


def assert_exact(tally, kills):
    """Every tick was the oracle's and none was missing, however often somebody was killed."""
    assert tally.faults == []
    assert tally.kills.total() >= kills
    assert tally.ticks > 0


def over_and_over(processes):
    """Stories in which nothing changes but how often it is killed."""
    chance = Random(processes)  # noqa: S311
    while True:
        yield [processes] * chance.randint(1, KILLS_OF_A_STORE_MAX)


def rescaled():
    """Stories in which one store goes from one process to two and back, or the other way round."""
    while True:
        yield [1, 2, 1]
        yield [2, 1, 2, 1]


@pytest.mark.parametrize(("kind", "kills"), [(Kind.LIVE, 12), (Kind.MEMORY, 4), (Kind.FILES, 6)])
def test_one_process(stories, kind, kills):
    """Killed up to four times on one store, then left in peace."""
    assert_exact(killed(stories, kills, kind, over_and_over(1)), kills)


@pytest.mark.parametrize(("kind", "kills"), [(Kind.MEMORY, 10), (Kind.FILES, 3)])
def test_two_processes_of_which_either_or_both_are_killed(stories, kind, kills):
    """The one that is left fails or is ended, as its supervisor would do."""
    assert_exact(killed(stories, kills, kind, over_and_over(2)), kills)


@pytest.mark.parametrize(("kind", "kills"), [(Kind.MEMORY, 13), (Kind.FILES, 6)])
def test_the_number_of_processes_changes_between_kills(stories, kind, kills):
    """1 → 2 → 1: what one process saved in a hurry, two go on from, and back."""
    assert_exact(killed(stories, kills, kind, rescaled()), kills)


def test_a_tick_that_is_wrong_and_one_that_is_missing_are_seen(stories):
    """A store that lived in peace, of whose ticks one is made smaller and one left out."""
    store = stories.store(Kind.MEMORY)
    store.live_to_the_end(1, luck=1)
    (out,) = store.folder.glob("ticks-*")
    lines = out.read_text(encoding="utf-8").splitlines(keepends=True)
    missing = lines.pop(len(lines) // 2)
    lesser = missing.replace("numerator=", "numerator=-", 1)
    assert lesser != missing
    out.write_text("".join([*lines, lesser]), encoding="utf-8")

    assert not stories.take(store, processes=1)
    assert [len(each) for each in (stories.tally.wrong, stories.tally.missing)] == [1, 1]
    assert stories.tally.bad_stories == 1
