"""`northstar run --backfill-from earliest`: a changed definition reads the topic's past first."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import MappingProxyType

import pytest

from pipeline.cli.exits import Exit
from pipeline.core.publish import iso
from tests.engine.kill_stories import drawn_seed
from tests.integration import collaboration_log as collaboration
from tests.integration.brokers import Kafka
from tests.integration.northstar_process import COLLABORATION, ROOT, Northstar
from tests.integration.ports import free_port
from tests.integration.waiting import wait_until

pytestmark = pytest.mark.services

FIRST = 30_000
LAST = 40_000
REPLAY_TIMEOUT_S = 60.0
ENVIRONMENT = {
    "TIME__IDLE_AFTER": "10m",  # longer than the test
    "ENGINE__SHARDS": "8",
    "KAFKA__SLOTS": "2",
    "KAFKA__START": "latest",  # of what no state was saved of; it is no word on history
}
# A batch at a time and then a rest, so that there is a middle: it takes seconds.
SLOWLY = {
    "KAFKA__PROPERTIES__FETCH_MESSAGE_MAX_BYTES": "20000",
    "KAFKA__PROPERTIES__QUEUED_MAX_MESSAGES_KBYTES": "1",
    "KAFKA__PROPERTIES__FETCH_QUEUE_BACKOFF_MS": "500",
}
READING_S_MAX = 0.5
CHANGED = (
    collaboration.DEFINITION.replace("trailing 84d", "trailing 90d")
    .replace(
        "count(contributed) >= 1\n    window: trailing 28d",
        "count(contributed) >= 2\n    window: trailing 28d",
    )
    .replace("distinct(changed.contributor, other_than=creator) >= 2", "count(changed) >= 3")
    .replace("sum(contributed.added) >= 1000", "sum(contributed.deleted) >= 100")
)


@dataclass(frozen=True)
class HalfWay:
    """State of the first definition after `FIRST` records, and what it takes to go on."""

    kafka: Kafka
    topic: str
    folder: Path

    @property
    def definition(self):
        """The file of the new definition."""
        return self.folder / "changed.yaml"

    def run(self, log, definition, environment, *flags):
        """A run over the topic and the state."""
        given = ENVIRONMENT | {"KAFKA__TOPICS": self.topic, "KAFKA__GROUP": self.topic}
        where = ("--kafka-bootstrap", self.kafka.bootstrap, "--state", str(self.folder / "state"),
                 "--lateness", collaboration.LATENESS, "--port", str(free_port()))  # fmt: skip
        return Northstar(self.folder / log, given | environment, str(definition), *where, *flags)

    def filled(self, log, processes, environment=MappingProxyType({})):
        """A run of the new definition, that reads the topic's past first."""
        flags = ("--backfill-from", "earliest", "--processes", processes)
        return self.run(log, self.definition, environment, *flags)

    def produce_the_rest(self):
        """What comes after the change."""
        collaboration.produce(self.kafka, self.topic, collaboration.log()[FIRST:LAST])


@pytest.fixture
def half_way(kafka, tmp_path):
    """The first definition has read so far, and ended."""
    found = HalfWay(kafka, collaboration.create_topic(kafka), tmp_path)
    found.definition.write_text(CHANGED)
    collaboration.produce(kafka, found.topic, collaboration.log()[:FIRST])
    earliest = {"KAFKA__START": "earliest"}
    with found.run("one.log", COLLABORATION, earliest) as northstar:
        northstar.begin()
        northstar.wait_until_tick(collaboration.newest_tick_ms(FIRST))
        assert northstar.end()[0] == Exit.OK
    return found


@pytest.mark.parametrize("processes", ["1", "2"])
def test_readings_are_those_of_the_new_definition_from_the_beginning(half_way, processes):
    """At the first tick, and after more has come; the log says what was filled."""
    with half_way.filled("other.log", processes) as northstar:
        northstar.begin()
        northstar.wait_until_tick(collaboration.newest_tick_ms(FIRST))
        at_first = json.loads(northstar.get("/api/v1/readings").text)
        half_way.produce_the_rest()
        northstar.wait_until_tick(collaboration.newest_tick_ms(LAST))
        at_last = json.loads(northstar.get("/api/v1/readings").text)
        told = {line["event"]: line for line in northstar.told()}
        assert northstar.end()[0] == Exit.OK

    assert told["history read"]["read"] == FIRST
    assert told["filled from history"]["known_since"] == "the first event"
    assert "not filled from history" not in told
    assert at_first == replayed(half_way, FIRST)
    assert at_last == replayed(half_way, LAST)


@pytest.mark.parametrize(
    ("processes", "moments"),
    [
        ("1", ("reading history", "history read")),
        ("2", ("reading history", "filled from history")),
    ],
)
def test_killed_in_the_middle_it_is_as_if_it_had_not_been(half_way, processes, moments):
    """`kill -9` while history is read, and when it is written: then the numbers are exact."""
    seed = drawn_seed()
    sys.stdout.write(f"NORTHSTAR_TEST_SEED={seed}\n")
    draw = Random(seed)  # noqa: S311 - to be had again
    for moment in moments:
        with half_way.filled("killed.log", processes, SLOWLY) as northstar:
            northstar.begin()
            wait_until(lambda: tells(northstar, moment), moment, REPLAY_TIMEOUT_S, 0.001)  # noqa: B023
            if moment == "reading history":
                time.sleep(draw.uniform(0.0, READING_S_MAX))
                assert not tells(northstar, "history read")
            northstar.kill()

    with half_way.filled("other.log", processes) as northstar:
        northstar.begin()
        northstar.wait_until_tick(collaboration.newest_tick_ms(FIRST))
        northstar.kill()
        half_way.produce_the_rest()
        northstar.begin()
        northstar.wait_until_tick(collaboration.newest_tick_ms(LAST))
        at_last = json.loads(northstar.get("/api/v1/readings").text)

    assert at_last == replayed(half_way, LAST)


def tells(northstar, event):
    """Whether the log has come to an event."""
    assert northstar.pid is not None, northstar.log_tail()
    return any(line["event"] == event for line in northstar.told())


def replayed(half_way, count):
    """What `northstar replay` prints of the new definition, after so many of the log's records."""
    files = []
    for partition in range(collaboration.PARTITIONS):
        file = half_way.folder / f"{partition}.jsonl"
        records = (each for each in collaboration.log()[:count] if each.partition == partition)
        file.write_bytes(b"".join(each.value + b"\n" for each in records))
        files += ["--events", str(file)]
    moment = iso(collaboration.newest_tick_ms(count))
    how = ["--from", moment, "--to", moment, "--lateness", collaboration.LATENESS]
    program = [sys.executable, "-m", "pipeline", "replay", str(half_way.definition)]
    done = subprocess.run(
        [*program, *files, *how],
        check=True,
        cwd=ROOT,
        timeout=REPLAY_TIMEOUT_S,
        stdout=subprocess.PIPE,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
