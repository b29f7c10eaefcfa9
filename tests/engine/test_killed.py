"""Killed at any point, the engine goes on as if it had not been."""

import subprocess
import sys
from random import Random

import pytest

from tests.engine.both_engines import bytewax, local, until_exhausted
from tests.engine.deep_product import DEPLOYMENT, PLAN, START_MS, last_tick_ms, stream
from tests.engine.killed_process import DIED, NUMBER, STORE_PARTS
from tests.engine.memory_source import MemorySource

SEED = 12
TICK_MS = DEPLOYMENT.tick_ms
TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def records():
    """The stream that all of these runs read."""
    return stream(SEED, number=NUMBER)


@pytest.fixture(scope="module")
def expected(records):
    """What the local engine makes of it at every tick, as Python shows it."""
    span = range(START_MS - 4 * TICK_MS, last_tick_ms(records) + TICK_MS, TICK_MS)
    return {repr(tick): tick.at_ms for tick in local(PLAN, DEPLOYMENT, records, span)}


@pytest.fixture
def killed(tmp_path):
    """Runs a process until it dies at that poll."""

    def run(luck, polls):
        given = [tmp_path / "store", tmp_path / "ticks", SEED, luck, polls]
        command = [sys.executable, "-m", "tests.engine.killed_process", *map(str, given)]
        assert subprocess.run(command, timeout=TIMEOUT_S, check=False).returncode == DIED

    return run


@pytest.fixture
def to_the_end(tmp_path, records):
    """Runs over the rest in this process; gives all ticks that were ever published."""

    def run():
        source = MemorySource(records, slots=2, live=True, luck=99)
        running = {"store": tmp_path / "store", "store_parts": STORE_PARTS, "poll_records": 25}
        stop = until_exhausted(source)
        published = bytewax(PLAN, DEPLOYMENT, source, stop=stop, **running)
        before = tmp_path / "ticks"
        lines = before.read_text(encoding="utf-8").splitlines() if before.exists() else []
        return [*lines, *map(repr, published)]

    return run


def assert_exactly_once(expected, published):
    """Every tick since something was there to see, the same content each time it is published."""
    assert set(published) <= expected.keys()
    made = {expected[line] for line in published}
    assert {at for at in made if at > START_MS} == {at for at in expected.values() if at > START_MS}


def test_what_was_read_counts_once_wherever_the_process_dies(killed, to_the_end, expected):
    """Dead after a few polls, again and again, with epochs so short that some are cut in two."""
    luck = Random(SEED)  # noqa: S311
    for run in range(5):
        killed(run, luck.randint(2, 30))
    assert_exactly_once(expected, to_the_end())
