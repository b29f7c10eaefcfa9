"""`northstar run --processes`: the same numbers from several processes, whichever of them dies."""

import functools
import os
import random
import signal
import subprocess
from bisect import bisect_right
from itertools import cycle, pairwise

import pytest

from pipeline import names
from pipeline.cli.exits import Exit
from pipeline.core.publish import iso
from tests.integration import collaboration_log as collaboration
from tests.integration.northstar_process import (
    COLLABORATION,
    Northstar,
    accounted,
    ask,
    consumed,
    counters,
    run_to_end,
)
from tests.integration.ports import free_port
from tests.integration.shown import Truth, differences, of_metrics
from tests.integration.waiting import wait_until
from tests.integration.watcher import Watcher
from tests.oracle.oracle import Settings

pytestmark = pytest.mark.services

SEED = 2026_11_22
FIRST = 62_000  # of 65,826 records, there before the first start
SECOND = 64_000
# At a leap of more than the 28 days that a guard looks back, ticks in between have no baseline.
LEAP_MS = 20 * 86_400_000
KILLS = {2: 1, 4: 2}  # after how many leaps, and how often
LOOKS_BEFORE_KILL_MAX = 60  # less than an epoch, so that state is behind what was shown
TICKS_SEEN_MIN = 6  # fewer, and the test has hardly looked
TIMEOUT_S = 90.0
ENVIRONMENT = {
    "TIME__IDLE_AFTER": "10m",  # longer than the test: idle partitions are another test's matter
    "ENGINE__EPOCH_INTERVAL": "500ms",
    "ENGINE__SHARDS": "8",  # ticks are quicker than with 32, so more are seen
    "ENGINE__HUNG_AFTER": "5s",
}


@pytest.fixture
def topic(kafka):
    """A topic with the first part of the log."""
    topic = collaboration.create_topic(kafka)
    collaboration.produce(kafka, topic, collaboration.log()[:FIRST])
    return topic


@pytest.fixture
def run(kafka, topic, tmp_path):
    """Makes runs of so many processes on the topic, all with the same state and port."""
    port, started = free_port(), []

    def make(processes, definition=COLLABORATION):
        where = ("--kafka-bootstrap", kafka.bootstrap, "--state", str(tmp_path / "state"))
        how = ("--lateness", collaboration.LATENESS, "--port", str(port))
        environment = ENVIRONMENT | {"KAFKA__TOPICS": topic, "KAFKA__GROUP": topic}
        arguments = (str(definition), *where, *how, "--processes", str(processes))
        started.append(Northstar(tmp_path / "northstar.log", environment, *arguments))
        return started[-1]

    yield make
    for each in started:
        each.kill()


def started(northstar):
    """The process ids of the last start of the processes, by number."""
    lines = [line["pids"] for line in northstar.told() if line["event"] == "processes started"]
    return lines[-1] if lines else []


def restarts(northstar):
    """The reasons why all processes were started again."""
    event = "starting all processes again"
    return [line["cause"] for line in northstar.told() if line["event"] == event]


def metrics_of_processes(northstar):
    """What the processes of the last start show of themselves, by number."""
    urls = {
        line["process"]: line["url"]
        for line in northstar.told()
        if line["event"] == "serving telemetry"
    }
    ports = [int(urls[number].rpartition(":")[2]) for number in sorted(urls)]
    assert ports == [northstar.address[1] + 1 + number for number in range(len(ports))]
    return [ask(port, "/metrics").text for port in ports]


def is_running(pid):
    """Whether there is such a process; one that has ended may wait to be seen for long."""
    asked = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], check=False, stdout=subprocess.PIPE, text=True
    )
    return asked.returncode == 0 and not asked.stdout.startswith("Z")


def end_in_order(northstar):
    """End by SIGTERM; how many records were read since the start."""
    code, _ = northstar.end()
    assert code == Exit.OK, northstar.log_tail()
    (stopped,) = [line for line in northstar.told() if line["event"] == "stopped"]
    assert not any(map(is_running, started(northstar)))
    return stopped["consumed"]


def in_question(shown):
    """The ticks that were shown, and a line for whatever the oracle does not say of one of them."""
    seen = []
    for path, text in shown:
        found = of_metrics(text) if path == "/metrics" else truth().of_readings(text)
        if found is not None:
            seen.append(found)
    ticks = [tick for tick, _ in seen]
    expected = foreseen()
    if not expected.keys() >= {*ticks}:
        expected, _ = truth().at(ticks)
    return ticks, [
        f"at {iso(tick)}: {line}"
        for tick, series in seen
        for line in differences(expected[tick], series)
    ]


@functools.cache
def truth():
    """What the definition comes to over the whole log."""
    settings = Settings(lateness_ms=collaboration.LATENESS_MS)
    return Truth(collaboration.DEFINITION, collaboration.log(), settings)


@functools.cache
def foreseen():
    """The same at the ticks that tests wait for, which costs as much as at one of them."""
    expected, _ = truth().at(map(collaboration.newest_tick_ms, [*leaps(), SECOND]))
    return expected


def test_nothing_but_the_truth_is_shown_when_processes_die(kafka, topic, run):
    """Killed one after the other while events come in, and one twice in a row."""
    northstar = run(2)
    northstar.begin()
    northstar.wait_until_ready()
    log = collaboration.log()
    with Watcher(northstar.address[1]) as watcher:
        produce_and_kill(kafka, topic, northstar, watcher)
        northstar.wait_until_tick(collaboration.newest_tick_ms(len(log)))
        metrics = metrics_of_processes(northstar)
        own = northstar.get("/metrics").text
    looks = [look for look in watcher.looks if look.answer is not None]

    shown = [(look.path, look.answer.text) for look in looks if look.path != "/readyz"]
    ticks, wrong = in_question(shown)
    assert wrong == []
    assert ticks == sorted(ticks)
    assert ticks[-1] == collaboration.newest_tick_ms(len(log))
    assert len({*ticks}) >= TICKS_SEEN_MIN
    assert len(looks) == len(watcher.looks)  # the supervisor answers all the time
    waited_for = {look.answer.text for look in looks if look.path == "/readyz"}
    assert any("the processes to start again: process 1 was ended" in text for text in waited_for)
    assert {"process 0 was ended by SIGKILL", "process 1 was ended by SIGKILL"} <= {
        *restarts(northstar)
    }
    assert f"\n{names.RESTARTS} {len(restarts(northstar))}.0\n" in own
    counted = [counters(text) for text in metrics]
    assert [consumed(each) for each in counted] == [accounted(each) for each in counted]
    assert [of_metrics(text) for text in metrics] == [None, None]
    assert end_in_order(northstar) == sum(map(consumed, counted))


def produce_and_kill(kafka, topic, northstar, watcher):
    """Produce the rest of the log in chunks, one ahead of what is shown, and kill now and then."""
    draw = random.Random(SEED)  # noqa: S311 - to be had again
    numbers = cycle([0, 1])
    for leap, (first, last) in enumerate(pairwise(leaps())):
        collaboration.produce(kafka, topic, collaboration.log()[first:last])
        for _ in range(KILLS.get(leap, 0)):
            enough = len(watcher.looks) + draw.randrange(LOOKS_BEFORE_KILL_MAX)
            wait_until(lambda enough=enough: len(watcher.looks) >= enough, "looks", TIMEOUT_S)
            kill(northstar, next(numbers))
        northstar.wait_until_tick(collaboration.newest_tick_ms(last))


def leaps():
    """Counts of records whose newest ticks are as far apart as they may be."""
    count, end = FIRST, len(collaboration.log())
    while count < end:
        yield count
        limit_ms = collaboration.newest_tick_ms(count) + LEAP_MS
        reached = range(count + 1, end + 1)
        count = bisect_right(reached, limit_ms, key=collaboration.newest_tick_ms) + count
    yield end


def kill(northstar, number):
    """Kill a process, and return when there are others in its place."""
    pids = started(northstar)
    os.kill(pids[number], signal.SIGKILL)
    wait_until(lambda: started(northstar) != pids, "other processes", TIMEOUT_S)


def test_the_number_of_processes_may_change_and_nothing_is_read_again(kafka, topic, run):
    """1 → 2 → 2 → 1 on one state: SIGTERM ends in order, and the next goes on from there."""
    log = collaboration.log()
    parts = [(FIRST, 1), (SECOND, 2), (SECOND, 2), (len(log), 1)]
    read, shown, produced, shares = [], [], FIRST, []
    for count, processes in parts:
        collaboration.produce(kafka, topic, log[produced:count])
        produced = count
        northstar = run(processes)
        northstar.begin()
        northstar.wait_until_tick(collaboration.newest_tick_ms(count))
        shown.append(("/metrics", northstar.get("/metrics").text))
        shown.append(("/api/v1/readings", northstar.get("/api/v1/readings").text))
        if processes > 1:
            shares.append([consumed(counters(text)) for text in metrics_of_processes(northstar)])
        read.append(end_in_order(northstar))

    assert read == [FIRST, SECOND - FIRST, 0, len(log) - SECOND]
    assert in_question(shown)[1] == []
    assert sum(shares[0]) == SECOND - FIRST
    assert min(shares[0]) > 0
    assert shares[1] == [0, 0]


def test_a_process_that_hangs_is_not_waited_for(kafka, topic, run):
    """It is stopped from outside: all are started again, and the next tick comes."""
    log = collaboration.log()
    northstar = run(2)
    northstar.begin()
    northstar.wait_until_ready()
    pids = started(northstar)
    os.kill(pids[1], signal.SIGSTOP)
    collaboration.produce(kafka, topic, log[FIRST:])
    northstar.wait_until_tick(collaboration.newest_tick_ms(len(log)))

    assert any("has not moved for" in cause for cause in restarts(northstar))
    assert not any(map(is_running, pids))
    assert in_question([("/metrics", northstar.get("/metrics").text)])[1] == []
    end_in_order(northstar)


def test_no_process_outlives_its_supervisor(kafka, topic, run):
    """`kill -9` of the supervisor: all are gone, and the next has the store for itself."""
    log = collaboration.log()
    northstar = run(2)
    northstar.begin()
    northstar.wait_until_ready()
    pids = started(northstar)
    northstar.kill()
    wait_until(lambda: not any(map(is_running, pids)), "all to be gone", TIMEOUT_S)

    collaboration.produce(kafka, topic, log[FIRST:])
    northstar.begin()
    northstar.wait_until_tick(collaboration.newest_tick_ms(len(log)))
    assert in_question([("/metrics", northstar.get("/metrics").text)])[1] == []


def test_a_definition_that_changes_meanwhile_is_not_mixed_in(run, tmp_path):
    """Processes that start later would read the new one: the run ends, and says why."""
    definition = tmp_path / "product.yaml"
    definition.write_text(collaboration.DEFINITION)
    northstar = run(2, definition)
    northstar.begin()
    northstar.wait_until_ready()
    definition.write_text(collaboration.DEFINITION.replace("trailing 84d", "trailing 85d"))
    os.kill(started(northstar)[0], signal.SIGKILL)

    wait_until(lambda: northstar.pid is None, "the end", TIMEOUT_S)
    assert northstar.end()[0] == Exit.USAGE
    assert "the definition or the settings have changed since" in northstar.log_tail()
    assert "another start would not change that" in northstar.log_tail()


def test_what_one_process_finds_ends_the_others_in_order(kafka, topic, run):
    """Records of one partition were deleted unread: exit code 4, and no other start."""
    log = collaboration.log()
    northstar = run(1)
    northstar.begin()
    northstar.wait_until_ready()
    end_in_order(northstar)
    collaboration.produce(kafka, topic, log[FIRST:])
    end = sum(record.partition == 0 for record in log)
    kafka.delete_before(topic, 0, end)

    northstar = run(2)
    northstar.begin()
    wait_until(lambda: northstar.pid is None, "the end", TIMEOUT_S)
    assert northstar.end()[0] == Exit.DATA_LOSS
    assert restarts(northstar) == []
    assert not any(map(is_running, started(northstar)))
    assert "were deleted before they were read" in northstar.log_tail()
    assert "ended with exit code 4; another start would not change that" in northstar.log_tail()


def test_more_processes_than_slots_are_refused():
    """Some of them would have nothing to read; exit code 2 before anything is connected to."""
    ended = run_to_end({"KAFKA__SLOTS": "2"}, str(COLLABORATION), "--processes", "3")

    assert ended.code == Exit.USAGE
    (line,) = ended.words
    assert line.startswith("engine.processes: 3 are more than the 2 of kafka.slots")
