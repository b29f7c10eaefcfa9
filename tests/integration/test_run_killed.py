"""`kill -9` and SIGTERM while events come in: what is shown is the truth, and nothing is lost."""

import json
import random
import subprocess
import sys
from itertools import pairwise

import pytest

from pipeline.core.publish import iso
from tests.integration import collaboration_log as collaboration
from tests.integration.collaboration_log import PARTITIONS
from tests.integration.northstar_process import (
    COLLABORATION,
    ROOT,
    Northstar,
    accounted,
    consumed,
    counters,
)
from tests.integration.ports import free_port
from tests.integration.shown import Truth, differences, of_metrics
from tests.integration.waiting import wait_until
from tests.integration.watcher import Watcher
from tests.oracle.oracle import Settings

pytestmark = pytest.mark.services

SEED = 2026_11_21
FIRST = 39_496  # 60 % of the log, there before the first start
SECOND = 60_000
CHUNKS = 45
KILLS = 3
LOOKS_BEFORE_KILL_MAX = 60  # some 0.2 s: less than an epoch, so that state is behind what was shown
TICKS_SEEN_MIN = 10  # fewer, and the test has hardly looked
CATCH_UP_TIMEOUT_S = 60.0
END_WITHIN_S = 5.0
ASK_TIMEOUT_S = 10.0
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
        wait_for_tick(watcher, collaboration.newest_tick_ms(len(log)))
        account = counted(northstar)
        final = json.loads(northstar.get("/api/v1/readings").text)

    truth = Truth(collaboration.DEFINITION, log, Settings(lateness_ms=collaboration.LATENESS_MS))
    shown = [each for look in watcher.looks for each in shown_by(look, truth)]
    ticks = [tick for _, tick, _ in shown]
    expected, _ = truth.at(ticks)
    assert [wrong for each in shown for wrong in wrong_in(expected, *each)] == []
    assert ticks == sorted(ticks)
    assert ticks[-1] == collaboration.newest_tick_ms(len(log))
    assert len({*ticks}) >= TICKS_SEEN_MIN
    assert list(hidden_again(watcher.looks)) == []
    assert consumed(account) == accounted(account) > 0
    assert final == replayed(tmp_path, ticks[-1])


def produce_and_kill(kafka, topic, northstar, watcher):
    """Produce the rest of the log in chunks, one ahead of what is shown, and kill now and then."""
    draw = random.Random(SEED)  # noqa: S311 - to be had again
    log = collaboration.log()
    cuts = [FIRST, *sorted(draw.sample(range(FIRST + 1, len(log)), CHUNKS - 1)), len(log)]
    # One in each part of the way.
    kills = [
        draw.randrange(part, part + CHUNKS // KILLS)
        for part in range(1, CHUNKS - 1, CHUNKS // KILLS)
    ]
    twice = draw.choice(kills)
    for number, (first, last) in enumerate(pairwise(cuts)):
        collaboration.produce(kafka, topic, log[first:last])
        if number not in kills:
            wait_for_tick(watcher, collaboration.newest_tick_ms(first))
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


def wrong_in(expected, look, tick, series):
    """A line for whatever an answer shows that the oracle does not say of its tick."""
    for line in differences(expected[tick], series):
        yield f"in life {look.life}, {look.path} at {iso(tick)}: {line}"


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
    for partition in range(PARTITIONS):
        file = folder / f"{partition}.jsonl"
        records = (each for each in collaboration.log() if each.partition == partition)
        file.write_bytes(b"".join(each.value + b"\n" for each in records))
        files += ["--events", str(file)]
    moment = ["--from", iso(tick_ms), "--to", iso(tick_ms)]
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
    collaboration.produce(kafka, topic, log[FIRST:SECOND])
    wait_until(lambda: consumed(counted(northstar)) > FIRST, "reading to go on", CATCH_UP_TIMEOUT_S)
    read_at_first = end_in_order(northstar)

    collaboration.produce(kafka, topic, log[SECOND:])
    northstar.begin()
    northstar.wait_until_tick(collaboration.newest_tick_ms(len(log)))
    readings = northstar.get("/api/v1/readings").text
    read_then = end_in_order(northstar)
    ends = [sum(each.partition == number for each in log) for number in range(PARTITIONS)]
    assert kafka.committed(topic, topic, PARTITIONS) == ends

    northstar.begin()
    northstar.wait_until_ready()
    assert FIRST < read_at_first <= SECOND
    assert read_at_first + read_then == len(log)
    assert northstar.get("/api/v1/readings").text == readings
    assert consumed(counted(northstar)) == 0
    assert end_in_order(northstar) == 0


def counted(northstar):
    """The records counted since the start."""
    return counters(northstar.get("/metrics").text)


def end_in_order(northstar):
    """End by SIGTERM; how many records were read since the start."""
    code, took_s = northstar.end()
    assert code == 0, northstar.log_tail()
    assert took_s < END_WITHIN_S
    (stopped,) = [line for line in northstar.told() if line["event"] == "stopped"]
    return stopped["consumed"]
