"""`kill -9` and SIGTERM while events come in: what is shown is the truth, and nothing is lost."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from pipeline.core.publish import iso
from tests.integration import collaboration_log as collaboration
from tests.integration.northstar_process import (
    COLLABORATION,
    OF_EVERY_RUN,
    ROOT,
    Northstar,
    accounted,
    consumed,
    counters,
)
from tests.integration.ports import free_port
from tests.integration.shown import NOT_IN_READINGS, Series, Truth, of_metrics, without
from tests.integration.waiting import wait_until
from tests.integration.watcher import Look, Watcher
from tests.oracle.oracle import Settings

pytestmark = pytest.mark.services

SEED = 2026_11_21
FIRST = 39_496  # 60 % of the log, there before the first start
CHUNKS = 40
KILLS = 3
LOOKS_BEFORE_KILL_MAX = 60  # some 0.2 s: less than an epoch, so that state is behind what was shown
CATCH_UP_TIMEOUT_S = 60.0
END_WITHIN_S = 5.0
REPLAY_TIMEOUT_S = 60.0
ENVIRONMENT = {
    "TIME__IDLE_AFTER": "10m",  # longer than the test: idle partitions are another test's matter
    "ENGINE__EPOCH_INTERVAL": "500ms",
    "ENGINE__SHARDS": "8",  # ticks are quicker than with 32, so more are seen
}


@pytest.fixture
def topic(kafka):
    """A topic with the first part of the log."""
    topic = collaboration.create_topic(kafka)
    collaboration.produce(kafka, topic, collaboration.log()[:FIRST])
    return topic


@pytest.fixture
def northstar(kafka, topic, tmp_path):
    """A run on the topic, with state and a port of its own, started and ready."""
    where = ("--kafka-bootstrap", kafka.bootstrap, "--state", str(tmp_path / "state"))
    how = ("--lateness", collaboration.LATENESS, "--port", str(free_port()))
    environment = ENVIRONMENT | {"KAFKA__TOPICS": topic, "KAFKA__GROUP": topic}
    arguments = (str(COLLABORATION), *where, *how)
    with Northstar(tmp_path / "northstar.log", environment, *arguments) as run:
        run.begin()
        run.wait_until_ready()
        yield run


def test_nothing_but_the_truth_is_shown_across_kills(kafka, topic, northstar, tmp_path):
    """Killed while events come in, also twice in a row: all that is ever shown is exact."""
    log = collaboration.log()
    with Watcher(northstar.address[1]) as watcher:
        produce_and_kill(kafka, topic, northstar, watcher)
        wait_for_tick(watcher, collaboration.newest_tick_ms(log))
        counted = counters(northstar.get("/metrics").text)
        final = json.loads(northstar.get("/api/v1/readings").text)

    truth = Truth(collaboration.DEFINITION, log, Settings(lateness_ms=collaboration.LATENESS_MS))
    shown = [each for look in watcher.looks for each in shown_by(look, truth)]
    ticks = [tick for _, tick, _ in shown]
    expected, _ = truth.at(ticks)
    assert [each for each in shown if is_wrong(expected, *each)] == []
    assert ticks == sorted(ticks)
    assert ticks[-1] == collaboration.newest_tick_ms(log)
    assert list(hidden_again(watcher.looks)) == []
    assert consumed(counted) == accounted(counted) > 0
    assert final == replayed(tmp_path, ticks[-1])
    print(len(watcher.looks), len(ticks), len(set(ticks)))
    for life in range(9):
        m=[l for l in watcher.looks if l.life==life]
        print(life, len(m), sum(l.answer is None for l in m), len({t for l,t,_ in shown if l.life==life and t}), sum(bool(l.answer) and l.path=='/metrics' and '\nnorthstar_ready 1' in l.answer.text and of_metrics(l.answer.text) is None for l in m))


def produce_and_kill(kafka, topic, northstar, watcher):
    """Produce the rest of the log in chunks, one ahead of what is shown, and kill now and then."""
    draw = random.Random(SEED)
    log = collaboration.log()
    cuts = [FIRST, *sorted(draw.sample(range(FIRST + 1, len(log)), CHUNKS - 1)), len(log)]
    kills = sorted(draw.sample(range(1, CHUNKS), KILLS))
    twice = draw.choice(kills)
    for number, (first, last) in enumerate(pairwise(cuts)):
        collaboration.produce(kafka, topic, log[first:last])
        if number not in kills:
            wait_for_tick(watcher, collaboration.newest_tick_ms(log[:first]))
            continue
        kill_and_start(northstar, watcher, draw.randrange(LOOKS_BEFORE_KILL_MAX))
        if number == twice:
            kill_and_start(northstar, watcher, draw.randrange(LOOKS_BEFORE_KILL_MAX))


def kill_and_start(northstar, watcher, looks):
    """Kill after so many further looks, and start at once."""
    enough = len(watcher.looks) + looks
    wait_until(lambda: len(watcher.looks) >= enough, f"{looks} looks", CATCH_UP_TIMEOUT_S)
    northstar.kill()
    watcher.life += 1
    northstar.begin()


def wait_for_tick(watcher, tick_ms):
    """Return when this tick or a later one is shown."""
    wait_until(
        lambda: watcher.tick_ms is not None and watcher.tick_ms >= tick_ms,
        f"the tick {iso(tick_ms)}",
        CATCH_UP_TIMEOUT_S,
        interval_s=0.005,
    )


def shown_by(look, truth):
    """The tick and the series that an answer shows, if it shows any."""
    if look.answer is None or look.path == "/readyz":
        return
    of_page = of_metrics if look.path == "/metrics" else truth.of_readings
    shown = of_page(look.answer.text)
    if shown is not None:
        yield look, *shown


def is_wrong(expected, look, tick, series):
    """Whether an answer shows anything that the oracle does not say of its tick."""
    hidden = NOT_IN_READINGS if look.path == "/api/v1/readings" else frozenset()
    return series != without(hidden, expected[tick])


def hidden_again(looks):
    """The answers that show nothing after another of the same life showed something.

    Ready counts as showing, so nothing may be shown before it is ready, nor be gone after.
    """
    showed = set()
    for look in looks:
        if look.answer is None:
            continue
        if shows(look):
            showed.add(look.life)
        elif look.life in showed:
            yield look


def shows(look):
    """Whether the page says that there are readings."""
    if look.path == "/readyz":
        return look.answer.status == 200
    if look.path == "/metrics":
        return of_metrics(look.answer.text) is not None
    return look.answer.text != "[]"


def replayed(folder, tick_ms):
    """What `northstar replay` prints for one tick, of each partition's records in a file."""
    files = []
    for partition in range(collaboration.PARTITIONS):
        file = folder / f"{partition}.jsonl"
        records = (each for each in collaboration.log() if each.partition == partition)
        file.write_bytes(b"".join(each.value + b"\n" for each in records))
        files += ["--events", str(file)]
    moment = ["--from", iso(tick_ms), "--to", iso(tick_ms), "--every", "5s"]
    lateness = ["--lateness", collaboration.LATENESS]
    program = [sys.executable, "-m", "pipeline", "replay", str(COLLABORATION)]
    done = subprocess.run(
        [*program, *files, *moment, *lateness],
        check=True,
        cwd=ROOT,
        timeout=REPLAY_TIMEOUT_S,
        stdout=subprocess.PIPE,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_sigterm_under_load_ends_in_order_and_nothing_is_read_again(kafka, topic, northstar):
    """It exits 0 within seconds, and the next start reads what was not read and no more."""
    log = collaboration.log()
    collaboration.produce(kafka, topic, log[FIRST:60_000])
    wait_until(lambda: consumed(metrics(northstar)) > FIRST, "reading", CATCH_UP_TIMEOUT_S)
    first = ended(northstar)
    print(first, northstar.log_tail()[-500:])
    print(committed(kafka, topic))
    collaboration.produce(kafka, topic, log[60_000:])
    northstar.begin()
    newest = collaboration.newest_tick_ms(log)
    wait_until(lambda: tick_of(northstar) == newest, "the newest tick", CATCH_UP_TIMEOUT_S)
    before = northstar.get("/api/v1/readings").text
    second = ended(northstar)
    print(second)
    print(committed(kafka, topic))
    northstar.begin()
    northstar.wait_until_ready()

    assert first + second == len(log)
    assert consumed(metrics(northstar)) == 0
    assert northstar.get("/api/v1/readings").text == before
    import time; time.sleep(3)
    print(committed(kafka, topic))
    print(ended(northstar))


def metrics(northstar):
    """What is counted now."""
    return counters(northstar.get("/metrics").text)


def tick_of(northstar):
    """The tick that is shown now."""
    shown = of_metrics(northstar.get("/metrics").text)
    return None if shown is None else shown[0]


def ended(northstar):
    """End in order; how many records were read since the start."""
    code, took_s = northstar.end()
    print(took_s)
    assert code == 0, northstar.log_tail()
    assert took_s < END_WITHIN_S
    (stopped,) = [line for line in northstar.told() if line["event"] == "stopped"]
    return stopped["consumed"]


def committed(kafka, topic):
    """The offsets that the group has committed, by partition."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": topic})
    try:
        places = [TopicPartition(topic, number) for number in range(collaboration.PARTITIONS)]
        return [place.offset for place in consumer.committed(places, timeout=10)]
    finally:
        consumer.close()
