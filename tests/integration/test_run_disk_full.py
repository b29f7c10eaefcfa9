"""No room where state is saved: one clear line, and with room again it goes on exactly."""

import subprocess
import sys

import pytest

from pipeline.cli.exits import Exit
from tests.integration import collaboration_log as collaboration
from tests.integration.northstar_process import (
    COLLABORATION,
    READY_TIMEOUT_S,
    Northstar,
    consumed,
    counters,
)
from tests.integration.shown import Truth, of_metrics
from tests.integration.waiting import wait_until
from tests.oracle.oracle import Settings

pytestmark = pytest.mark.services

FIRST = 3_000
LAST = 8_000
ROOM_BYTES = 16_384  # beyond what the largest file has after the first records
LITTLE_BYTES = 4_096  # room for the manifest and for nothing else
ENVIRONMENT = {"TIME__IDLE_AFTER": "10m", "ENGINE__EPOCH_INTERVAL": "200ms", "ENGINE__SHARDS": "8"}

# A file system without room tells a process the same: so much was written, and no more.
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def limited(size, command):
    """The command, with no file of its larger than this."""
    return [sys.executable, "-c", LIMITED, str(size), *command]


@pytest.fixture
def flags(kafka, tmp_path):
    """Flags of a run with state."""
    where = ("--kafka-bootstrap", kafka.bootstrap, "--state", str(tmp_path / "state"))
    return (*where, "--lateness", collaboration.LATENESS, "--port", "0")


def test_a_full_disk_is_told_and_nothing_is_lost(kafka, flags, tmp_path):
    """Exit code 6 with what to do; a start with room again comes to what the oracle says."""
    log = collaboration.log()
    topic = collaboration.create_topic(kafka)
    collaboration.produce(kafka, topic, log[:FIRST])
    environment = ENVIRONMENT | {"KAFKA__TOPICS": topic}
    with Northstar(tmp_path / "log", environment, str(COLLABORATION), *flags) as northstar:
        unlimited = northstar.command
        northstar.begin()
        northstar.wait_until_tick(collaboration.newest_tick_ms(FIRST))
        assert northstar.end()[0] == Exit.OK

        northstar.command = limited(largest(tmp_path / "state") + ROOM_BYTES, unlimited)
        northstar.begin()
        northstar.wait_until_ready()
        collaboration.produce(kafka, topic, log[FIRST:LAST])
        code = ended(northstar)
        text = northstar.log.read_text()
        at_once = [start_without_room(unlimited), start_without_room(unlimited, state="new")]

        northstar.command = unlimited
        northstar.begin()
        northstar.wait_until_tick(collaboration.newest_tick_ms(LAST))
        metrics = northstar.get("/metrics").text
        assert northstar.end()[0] == Exit.OK

    assert code == Exit.STATE_UNUSABLE, text
    assert len(told(text, tmp_path / "state")) == 1, text
    assert [ended.returncode for ended in at_once] == [Exit.STATE_UNUSABLE] * 2
    assert len(told(at_once[0].stdout, tmp_path / "state")) == 1, at_once[0].stdout
    assert len(told(at_once[1].stdout, tmp_path / "new")) == 1, at_once[1].stdout
    tick = collaboration.newest_tick_ms(LAST)
    settings = Settings(lateness_ms=collaboration.LATENESS_MS)
    expected, _ = Truth(collaboration.DEFINITION, log[:LAST], settings).at([tick])
    assert of_metrics(metrics) == (tick, expected[tick])
    assert 0 < consumed(counters(metrics)) <= LAST - FIRST


def start_without_room(command, state="state"):
    """What a start comes to that cannot write at all, on saved state or where there is none."""
    elsewhere = [
        word.removesuffix("state") + state if word.endswith("/state") else word for word in command
    ]
    return subprocess.run(
        limited(LITTLE_BYTES, elsewhere),
        check=False,
        timeout=READY_TIMEOUT_S,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def told(text, state):
    """The lines that say that there is no room for the state, and what to do."""
    start = f"the state in {state} cannot be written: "
    end = "make room and start again, it goes on from what was saved last"
    return [line for line in text.splitlines() if line.startswith(start) and line.endswith(end)]


def largest(folder):
    """The size of the largest file below a folder."""
    return max(path.stat().st_size for path in folder.rglob("*"))


def ended(northstar):
    """The exit code of a run that ends by itself."""
    wait_until(lambda: northstar.pid is None, "its end", READY_TIMEOUT_S)
    return northstar._process.returncode
