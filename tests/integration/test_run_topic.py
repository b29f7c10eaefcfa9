"""What becomes of a topic meanwhile: records deleted unread, a partition more, no topic at all."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline import names
from pipeline.cli.exits import Exit
from tests.integration import collaboration_log as collaboration
from tests.integration.northstar_process import (
    COLLABORATION,
    Northstar,
    accounted,
    ask,
    consumed,
    counters,
)
from tests.integration.ports import free_port
from tests.integration.shown import Truth, of_metrics
from tests.integration.waiting import wait_until
from tests.oracle.oracle import Record, Settings
from tests.scenarios.scenario import moment_ms

pytestmark = pytest.mark.services

CUTS = (8_000, 11_000, 14_000)  # how many records of the log there are after each part
LOST = 400  # records of partition 0, deleted before they are read
ADDED = 3  # the partition that a topic grows by
OF_A_LOOK = "500ms"
TIMEOUT_S = 60.0
ENVIRONMENT = {
    "TIME__IDLE_AFTER": "10m",  # longer than the test: idle partitions are another test's matter
    "ENGINE__EPOCH_INTERVAL": "500ms",
    "ENGINE__SHARDS": "8",
    "KAFKA__REFRESH": OF_A_LOOK,
}
BY_PROCESSES = pytest.mark.parametrize("processes", [1, 2])


@pytest.fixture
def run(kafka, tmp_path):
    """Makes runs on a topic, all with the same state and port."""
    port, made = free_port(), []

    def make(topic, processes=1, **variables):
        where = ("--kafka-bootstrap", kafka.bootstrap, "--state", str(tmp_path / "state"))
        how = ("--lateness", collaboration.LATENESS, "--port", str(port))
        environment = ENVIRONMENT | {"KAFKA__TOPICS": topic, "KAFKA__GROUP": topic} | variables
        arguments = (str(COLLABORATION), *where, *how, "--processes", str(processes))
        made.append(Northstar(tmp_path / "northstar.log", environment, *arguments))
        return made[-1]

    yield make
    for each in made:
        each.kill()


def newest_tick_ms(records: Sequence[Record]) -> int:
    """The newest tick that every partition has passed once these are read."""
    newest: dict[int, int] = defaultdict(int)
    for record in records:
        time_ms = moment_ms(json.loads(record.value)["timestamp"])
        newest[record.partition] = max(newest[record.partition], time_ms)
    tick_ms = collaboration.TICK_MS
    return (min(newest.values()) - collaboration.LATENESS_MS) // tick_ms * tick_ms


def assert_true(northstar, records):
    """What is shown, once these records are read, is what the oracle says; to the last digit."""
    at_ms = newest_tick_ms(records)
    settings = Settings(lateness_ms=collaboration.LATENESS_MS)
    expected, _ = Truth(collaboration.DEFINITION, records, settings).at([at_ms])
    northstar.wait_until_tick(at_ms)
    assert of_metrics(northstar.get("/metrics").text) == (at_ms, expected[at_ms])


def read_by(northstar):
    """The records read since the start, by partition; each of them is accounted for."""
    told = [line for line in northstar.told() if line["event"] == "serving telemetry"]
    ports = {line["process"]: int(line["url"].rpartition(":")[2]) for line in told}
    pages = [ask(port, "/metrics").text for port in (ports or {0: northstar.address[1]}).values()]
    found: Counter[int] = Counter()
    for counted in map(counters, pages):
        assert consumed(counted) == accounted(counted)
        found.update({int(number): count for number, count in counted["consumed"].items()})
    return found


def lost_by(northstar):
    """How many records were lost since the start."""
    lines = northstar.get("/metrics").text.splitlines()
    of_family = [line for line in lines if line.startswith(f"{names.RECORDS_LOST}{{")]
    return sum(float(line.rpartition(" ")[2]) for line in of_family)


def last_words(northstar):
    """The line for people that a run has ended with."""
    wait_until(lambda: northstar.pid is None, "the end", TIMEOUT_S)
    written = northstar.log.read_bytes()[northstar._log_start :].decode()
    return next(line for line in reversed(written.splitlines()) if not line.startswith("{"))


def end_in_order(northstar):
    """End by SIGTERM."""
    code, _ = northstar.end()
    assert code == Exit.OK, northstar.log_tail()


def of_partition(records, number):
    """How many of them are of a partition."""
    return sum(record.partition == number for record in records)


def test_records_deleted_while_nobody_ran_are_told_or_counted(kafka, run):
    """Exit code 4 and what is lost; by policy it is counted, and numbers are those of the rest."""
    log, topic = collaboration.log(), collaboration.create_topic(kafka)
    collaboration.produce(kafka, topic, log[: CUTS[0]])
    northstar = run(topic)
    northstar.begin()
    northstar.wait_until_tick(newest_tick_ms(log[: CUTS[0]]))
    end_in_order(northstar)

    collaboration.produce(kafka, topic, log[CUTS[0] : CUTS[1]])
    saved, end = of_partition(log[: CUTS[0]], 0), of_partition(log[: CUTS[1]], 0)
    first = saved + LOST
    kafka.delete_before(topic, 0, first)
    left = [
        each
        for each in log[: CUTS[1]]
        if each.partition != 0 or not saved <= each.offset < first
    ]  # fmt: skip

    northstar.begin()
    assert last_words(northstar) == (
        f"{topic} partition 0: offset {saved} is gone, the log has {first} to {end}: {LOST} "
        "records were deleted before they were read; kafka.on_data_loss: continue goes on "
        "without them"
    )
    assert northstar.end()[0] == Exit.DATA_LOSS

    northstar = run(topic, KAFKA__ON_DATA_LOSS="continue")
    northstar.begin()
    assert_true(northstar, left)
    assert lost_by(northstar) == LOST
    assert read_by(northstar).total() == len(left) - CUTS[0]
    end_in_order(northstar)
    northstar.begin()
    northstar.wait_until_tick(newest_tick_ms(left))
    assert read_by(northstar).total() == lost_by(northstar) == 0


@BY_PROCESSES
def test_a_partition_added_while_running_is_read_from_its_start(kafka, run, processes):
    """None of its records is lost and none counts twice, also across `kill -9` soon after."""
    parts = [grown(collaboration.log()[:count]) for count in CUTS]
    before, after, at_last = parts
    topic = kafka.create_topic(partitions=ADDED, segment_ms=collaboration.SEGMENT_MS)
    collaboration.produce(kafka, topic, before)
    northstar = run(topic, processes)
    northstar.begin()
    northstar.wait_until_tick(newest_tick_ms(before))

    kafka.grow(topic, ADDED + 1)
    collaboration.produce(kafka, topic, after[len(before) :])
    assert_true(northstar, after)
    assert read_by(northstar) == Counter(record.partition for record in after)
    northstar.kill()
    collaboration.produce(kafka, topic, at_last[len(after) :])
    northstar.begin()
    assert_true(northstar, at_last)
    end_in_order(northstar)

    northstar.begin()
    northstar.wait_until_tick(newest_tick_ms(at_last))
    assert read_by(northstar).total() == 0


def grown(records: Sequence[Record]) -> list[Record]:
    """The records of a topic that has its last partition only after the first part of the log."""
    unborn = of_partition(collaboration.log()[: CUTS[0]], ADDED)
    return [
        replace(each, offset=each.offset - unborn) if each.partition == ADDED else each
        for each in records
        if each.partition != ADDED or each.offset >= unborn
    ]


@BY_PROCESSES
def test_a_topic_that_is_deleted_while_running_ends_it(kafka, run, processes):
    """Exit code 4 and what to do, instead of readings that nobody knows to be stale."""
    topic = collaboration.create_topic(kafka)
    collaboration.produce(kafka, topic, collaboration.log()[: CUTS[0]])
    northstar = run(topic, processes)
    northstar.begin()
    northstar.wait_until_tick(collaboration.newest_tick_ms(CUTS[0]))

    kafka.delete_topic(topic)

    words = last_words(northstar)
    assert northstar.end()[0] == Exit.DATA_LOSS
    gone = f"topic {topic} is gone: it was deleted, and what was not read of it is lost"
    assert gone in northstar.log_tail()
    assert (gone in words) == (processes == 1)
    if processes > 1:
        assert "ended with exit code 4; another start would not change that" in words
